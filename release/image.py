"""The container image: the program and its licences, and nothing else. `docker load` and `podman load` take it."""

import hashlib
import json
import shutil
import tarfile
import tempfile
from pathlib import Path

import project
from archive import packed
from program import GO
from tools import ROOT, run

PROGRAM = "/usr/local/bin/orgproxy"

# A number, by which Kubernetes sees that it is not root; the same as in docker/Dockerfile.
USER = 10001

# It says whether the proxy runs: an org that is down is no reason to start it again.
HEALTH = ["--healthcheck", f"CMD {PROGRAM} health", "--healthcheck-interval", "10s", "--healthcheck-timeout", "6s",
          "--healthcheck-start-period", "5s", "--healthcheck-retries", "3"]


def make(program, papers, into):
    """Of a program that needs no library; for another there is docker/Dockerfile."""
    if program.glibc:
        return False
    path = into / f"{project.NAME}-{project.VERSION}-{GO[program.machine]}.image.tar"
    with tempfile.TemporaryDirectory(prefix="orgproxy-image-") as folder:
        place = Path(folder)
        files = laid(program, papers, place / "files")
        container = buildah(place, "from", "--arch", GO[program.machine], "scratch").strip()
        buildah(place, "copy", "--quiet", container, files, "/")
        buildah(place, "config", "--arch", GO[program.machine], "--os", "linux", "--user", f"{USER}:{USER}",
                "--entrypoint", f'["{PROGRAM}"]', "--cmd", "run", "--workingdir", "/etc/orgproxy", "--port", "8080",
                "--stop-signal", "SIGTERM", *HEALTH, *labels(), container)
        buildah(place, "commit", "--quiet", "--format", "docker", "--timestamp", str(project.epoch()), container,
                f"docker-archive:{place / 'image.tar'}:{project.NAME}:{project.VERSION}")
        path.write_bytes(settled(place / "image.tar"))
    return True


def buildah(place, *words):
    return run([*command(place), *words])


def command(place):
    """buildah, with its storage in a folder of its own."""
    return ["buildah", "--root", place / "storage", "--runroot", place / "state", "--storage-driver", "vfs"]


def settled(path):
    """The image without the name of the container that it was made in, which is another each time."""
    with tarfile.open(path) as tar:
        read = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
    [manifest] = json.loads(read["manifest.json"])
    config = json.loads(read[manifest["Config"]])
    config.pop("container", None)
    text = json.dumps(config).encode()
    manifest["Config"] = f"{hashlib.sha256(text).hexdigest()}.json"
    files = {layer: read[layer] for layer in manifest["Layers"]}
    return packed(files | {manifest["Config"]: text, "manifest.json": json.dumps([manifest]).encode()})


def laid(program, papers, folder):
    """The root file system."""
    for name in ["etc/orgproxy", "usr/local/bin", "usr/share/doc/orgproxy", "tmp"]:
        (folder / name).mkdir(parents=True)
    shutil.copy(program.path, folder / "usr/local/bin/orgproxy")
    for path in [ROOT / "LICENSE", *papers.documents]:
        shutil.copy(path, folder / "usr/share/doc/orgproxy")
    (folder / "etc/passwd").write_text(f"orgproxy:x:{USER}:{USER}::/:/sbin/nologin\n")
    (folder / "etc/group").write_text(f"orgproxy:x:{USER}:\n")
    project.settled(folder, {"orgproxy"})
    # For the demo, which makes a key.
    (folder / "tmp").chmod(0o1777)
    return folder


def labels():
    """https://specs.opencontainers.org/image-spec/annotations"""
    said = {"title": project.NAME, "description": project.DESCRIPTION, "version": project.VERSION,
            "source": project.REPOSITORY, "licenses": project.LICENCE,
            "revision": run(["git", "rev-parse", "HEAD"], cwd=ROOT).strip()}
    return [word for name, value in said.items()
            for word in ["--label", f"org.opencontainers.image.{name}={value}"]]
