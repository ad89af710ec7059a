"""What Homebrew and Scoop read: templates, filled in with the archives that are there."""

import hashlib
from pathlib import Path

import project
from tools import Failed

HERE = Path(__file__).resolve().parent

# Homebrew's words.
PROCESSORS = {"x86_64": "on_intel", "aarch64": "on_arm"}


def homebrew(into):
    """For Linux the archives, for others the source."""
    name = f"{project.NAME}-{project.VERSION}"
    blocks = []
    for machine, block in PROCESSORS.items():
        # If both are there, the one that needs no library.
        found = [path for libc in ["musl", "gnu"]
                 if (path := into / f"{name}-{machine}-unknown-linux-{libc}.tar.gz").exists()]
        if found:
            blocks.append(f"""    {block} do
      url "{project.download(found[0].name)}"
      sha256 "{digest(found[0])}"
    end""")
    if not blocks:
        raise Failed(f"there is no archive for Linux in {into}")
    source = into / f"{name}-source.tar.gz"
    text = project.filled((HERE / "homebrew.rb").read_text(), {
        "homepage": project.REPOSITORY, "version": project.VERSION, "licence": project.LICENCE,
        "programs": "\n".join(blocks), "source_url": project.download(source.name),
        "source_sha256": digest(source)})
    (into / "orgproxy.rb").write_text(text)


def scoop(into):
    """Once there is a program for Windows."""
    folder = f"{project.NAME}-{project.VERSION}-x86_64-pc-windows-msvc"
    archive = into / f"{folder}.zip"
    if not archive.exists():
        return False
    text = project.filled((HERE / "scoop.json").read_text(), {
        "homepage": project.REPOSITORY, "version": project.VERSION, "licence": project.LICENCE,
        "description": project.DESCRIPTION, "url": project.download(archive.name), "folder": folder,
        "sha256": digest(archive)})
    (into / "orgproxy.json").write_text(text)
    return True


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
