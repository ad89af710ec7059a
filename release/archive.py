"""The program with its papers in a .tar.gz: for cargo-binstall, Homebrew, and whoever takes it by hand."""

import io
import tarfile

import project
from program import zipped
from tools import ROOT, run


def make(program, papers, into):
    name = f"{project.NAME}-{project.VERSION}-{program.target}"
    files = {"orgproxy": program.path.read_bytes(), "proxy.toml": (ROOT / "proxy.toml").read_bytes()}
    files |= {f"man/{page}": text for page, text in papers.pages.items()}
    files |= {f"completions/{name}": text for name, text in papers.completions.items()}
    files |= {path.name: path.read_bytes() for path in [*papers.documents, *papers.texts]}
    files = {f"{name}/{file}": text for file, text in files.items()}
    into.joinpath(f"{name}.tar.gz").write_bytes(zipped(packed(files, {f"{name}/orgproxy"})))


def source(into):
    """What is committed, to build from."""
    name = f"{project.NAME}-{project.VERSION}"
    run(["git", "-c", "tar.tar.gz.command=gzip -cn", "archive", "--format=tar.gz", f"--prefix={name}/",
         "--output", into / f"{name}-source.tar.gz", "HEAD"], cwd=ROOT)


def packed(files, programs=()):
    """The same bytes for the same content."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, text in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(text), project.epoch()
            entry.mode = 0o755 if name in programs else 0o644
            tar.addfile(entry, io.BytesIO(text))
    return content.getvalue()
