"""The .deb and the .rpm, both by linux/nfpm.yaml."""

import os
import shutil
from pathlib import Path

import project
from program import GO, zipped
from tools import CACHE, ROOT, Failed, run

HERE = Path(__file__).resolve().parent / "linux"

MAN = "/usr/share/man/man1"
DOC = f"/usr/share/doc/{project.NAME}"


def make(program, papers, into, kinds):
    folder = project.fresh(CACHE / "linux" / program.target)
    shutil.copy(program.path, folder / "orgproxy")
    for name in ["orgproxy.sysusers", "deb", "rpm"]:
        copy = shutil.copytree if (HERE / name).is_dir() else shutil.copy
        copy(HERE / name, folder / name)
    (folder / "man").mkdir()
    for page, text in papers.pages.items():
        (folder / "man" / f"{page}.gz").write_bytes(zipped(text))
    for name, text in papers.completions.items():
        (folder / name).write_bytes(text)
    for name, text in [("orgproxy.service", service()), ("orgproxy.socket", socket()),
                       ("proxy.toml", configuration()), ("copyright", copyright())]:
        (folder / name).write_text(text)
    (folder / "changelog.gz").write_bytes(zipped((ROOT / "CHANGELOG.md").read_bytes()))
    (folder / "changelog.Debian.gz").write_bytes(zipped(debian_changelog().encode()))
    (folder / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
    (folder / "documents").mkdir()
    for path in papers.documents:
        shutil.copy(path, folder / "documents")
    for kind in kinds:
        config = folder / f"{kind}.yaml"
        config.write_text(project.filled((HERE / "nfpm.yaml").read_text(), values(program, folder, kind)))
        # Of the copies here times and modes are those of this machine: nfpm.yaml has its own.
        place = os.environ | {"SOURCE_DATE_EPOCH": str(project.epoch())}
        run(["nfpm", "package", "--config", config, "--packager", kind, "--target", into],
            cwd=folder, env=place)


def values(program, folder, kind):
    papers = [(f"man/{path.name}", f"{MAN}/{path.name}") for path in sorted((folder / "man").iterdir())]
    papers += [(f"documents/{path.name}", f"{DOC}/{path.name}")
               for path in sorted((folder / "documents").iterdir())]
    papers.append(("changelog.gz", f"{DOC}/changelog.gz"))
    # nfpm leaves out of a .deb what has this type.
    contents = [listed(source, place, "doc" if kind == "rpm" else "") for source, place in papers]
    if kind == "deb":
        (folder / "overrides").write_text(overridden(program))
        contents.append(listed("overrides", f"/usr/share/lintian/overrides/{project.NAME}"))
    return {"version": project.VERSION, "arch": GO[program.machine], "homepage": project.REPOSITORY,
            "maintainer": project.MAINTAINER, "licence": project.LICENCE,
            "mtime": project.date("%Y-%m-%dT%H:%M:%SZ"),
            "depends": str(depends(program, kind)), "contents": "\n".join(contents)}


def listed(source, place, type=""):
    return f"""  - src: {source}
    dst: {place}
    type: "{type}"
    file_info: {{mode: 0644}}"""


def depends(program, kind):
    """What the program needs, and what the scripts call."""
    if kind == "rpm":
        # As rpmbuild finds it out: names of symbols with their versions.
        return ["/bin/sh", "/usr/sbin/useradd", *[f"{symbol}(64bit)" for symbol in program.symbols]]
    libraries = []
    if program.glibc:
        libraries.append(f"libc6 (>= {'.'.join(map(str, program.glibc))})")
    if "libgcc_s.so.1" in program.libraries:
        libraries.append("libgcc-s1 (>= 4.2)")
    return [*libraries, "passwd"]


def overridden(program):
    """Of what lintian finds, what is meant to be so."""
    meant = [("It may hold secrets.", "non-standard-file-perm 0640 != 0644 [etc/orgproxy/proxy.toml]"),
             ("It is not for Debian's own archive.", "initial-upload-closes-no-bugs *")]
    if not program.glibc:
        meant.append(("One file for every Linux, whatever its C library.",
                      "statically-linked-binary [usr/bin/orgproxy]"))
    return "".join(f"# {why}\n{project.NAME}: {tag}\n" for why, tag in meant)


def service():
    """The unit of docker/, for a package.

    The user is one that is there before the service starts, rather than a dynamic one: proxy.toml, which
    may hold secrets, can be its group's to read and nobody else's, and what it leaves in
    /var/lib/orgproxy has an owner while it does not run. The key stays root's, by LoadCredential.
    """
    unit = project.edited(
        "docker/orgproxy.service",
        ("DynamicUser=yes\n", "User=orgproxy\nRemoveIPC=yes\n"))
    # Before that it tells how to install it by hand.
    _, unit = unit.split("\n\n[Unit]\n", 1)
    return f"""# What is to be otherwise goes into `systemctl edit orgproxy`, so that an upgrade leaves it alone.

[Unit]
Documentation=man:orgproxy(1)
{unit}""".replace("/usr/local/bin/", "/usr/bin/")


def socket():
    return project.edited("docker/orgproxy.socket", ("# /etc/systemd/system/orgproxy.socket\n#\n", ""))


def configuration():
    """The example, for the service."""
    return project.edited(
        "proxy.toml",
        ("""# orgproxy: fill in the three values under "required", then run `orgproxy check` and `orgproxy`.
""", """# orgproxy: fill in client_id, username, and whom guard.allow_users lets in; put the key into
# /etc/orgproxy/server.key (root's, mode 600); then:
#
#   systemctl enable --now orgproxy.socket orgproxy.service
#
# The user orgproxy must be able to read this file, and nobody else need: it is root:orgproxy, mode 640.
"""),
        ("""private_key = "server.key"              # belongs to the app's certificate; mode 600
""", """private_key = { credential = "server.key" }   # /etc/orgproxy/server.key, as systemd hands it on
"""))


def copyright():
    """The licence, in the form that Debian's tools read."""
    title, holders, *text = (ROOT / "LICENSE").read_text().strip().split("\n\n")
    if not title.startswith(project.LICENCE) or not holders.startswith("Copyright (c) "):
        raise Failed(f"LICENSE begins with {title} and {holders}; {project.LICENCE} was expected, and who has it")
    lines = "\n\n".join(text).splitlines()
    licence = "\n".join(f" {line or '.'}" for line in lines)
    return f"""Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: {project.NAME}
Source: {project.REPOSITORY}

Files: *
Copyright: {holders.removeprefix('Copyright (c) ')}
License: {project.LICENCE}
{licence}
"""


def debian_changelog():
    """What changes is in CHANGELOG.md; of the package alone there is nothing to say."""
    # As nfpm spells what comes before a release.
    version = project.VERSION.replace("-", "~", 1)
    return f"""{project.NAME} ({version}-1) stable; urgency=medium

  * Release {project.VERSION}: see changelog.gz.

 -- {project.MAINTAINER}  {project.date('%a, %d %b %Y %H:%M:%S +0000')}
"""
