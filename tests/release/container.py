"""The container image, loaded and run without a container engine: by buildah, in a root of its own."""

import json
from pathlib import Path

from asked import Demo
from image import buildah, command
from machine import Stopwatch
from made import as_root, dist, expect, fresh, program
from program import Program
from project import VERSION
from tools import ROOT, run

# From the file to the first answer.
FIRST = 60


def image():
    """It has the program alone, as somebody who is not root, and writes nowhere but in /tmp."""
    if Program(program()).glibc:
        expect(not list(dist().glob("*.image.tar")), "there is an image of a program that needs libraries")
        return "left out: the program needs libraries; release/build makes one that does not"
    as_root()
    [path] = dist().glob("*.image.tar")
    place = fresh("image")
    watch = Stopwatch()
    container = buildah(place, "from", f"docker-archive:{path}").strip()
    described(place, container)
    root = Path(buildah(place, "mount", container).strip())
    before = files(root)
    wanted = {"etc/passwd", "etc/group", "usr/local/bin/orgproxy", "usr/share/doc/orgproxy/LICENSE",
              "usr/share/doc/orgproxy/THIRD-PARTY-LICENSES.txt"}
    expect(before.keys() == wanted, f"it has {sorted(before)}")
    inside = [*command(place), "run", "--isolation", "chroot", container, "--", "/usr/local/bin/orgproxy"]
    expect(run([*inside, "--version"]).split()[:2] == ["orgproxy", VERSION], "another version")
    with Demo([*inside, "demo", "--port", "0"]) as demo:
        demo.answers()
        took = watch.within(FIRST)
        owners = run(["pgrep", "--session", str(demo.process.pid), "--euid", "10001", "--list-full"])
        expect("orgproxy demo" in owners, owners)
    # Whoever runs a container gives it these.
    given = ("etc/hosts", "etc/hostname", "etc/resolv.conf", "run/")
    after = {name: content for name, content in files(root).items() if not name.startswith(("tmp/", *given))}
    expect(after == before, f"it has changed {sorted(after.items() ^ before.items())}")
    return f"{path.stat().st_size / 1e6:.1f} MB, first answer {took} after it is loaded"


def described(place, container):
    config = json.loads(buildah(place, "inspect", container))["Docker"]["config"]
    expect(config["User"] == "10001:10001", config)
    expect(config["Entrypoint"] == ["/usr/local/bin/orgproxy"] and config["Cmd"] == ["run"], config)
    expect(config["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/orgproxy", "health"], config)
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items()}
    expect(labels["version"] == VERSION and labels["licenses"] == "MIT", labels)
    as_built_by_hand(config)


def as_built_by_hand(config):
    """It is run and watched as what docker/Dockerfile makes."""
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    [port] = [name.removesuffix("/tcp") for name in config["ExposedPorts"]]
    health = config["Healthcheck"]
    seconds = {name: health[name] // 10**9 for name in ["Interval", "Timeout", "StartPeriod"]}
    for line in [f"USER {config['User']}", f"EXPOSE {port}", f'CMD ["{config["Cmd"][0]}"]',
                 f"HEALTHCHECK --interval={seconds['Interval']}s --timeout={seconds['Timeout']}s "
                 f"--start-period={seconds['StartPeriod']}s --retries={health['Retries']} \\"]:
        expect(line in dockerfile.splitlines(), f"docker/Dockerfile has no line {line}")


def files(root):
    """Each with its size and when it changed."""
    return {str(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime)
            for path in root.rglob("*") if path.is_file()}
