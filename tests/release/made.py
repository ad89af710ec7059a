"""The packages that are tried: made once, when the first check needs them."""

import functools
import os
import shutil
import subprocess

import tools
from tools import CACHE, ROOT, Failed, run

PACK = ROOT / "release/pack"


class Skipped(Exception):
    """Why a check cannot run here."""


def expect(holds, message):
    if not holds:
        raise Failed(message)


@functools.cache
def program():
    """The program, without what only a debugger reads, as a build for release is."""
    given = os.environ.get("ORGPROXY_BIN")
    if not given:
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--bin", "orgproxy"],
                       cwd=ROOT, check=True)
        given = tools.TARGET / "release/orgproxy"
    stripped = fresh("program") / "orgproxy"
    try:
        run(["strip", "-o", stripped, given])
    except Failed:
        # It is for another processor, and has to be stripped already.
        shutil.copy(given, stripped)
    return stripped


@functools.cache
def dist():
    """All packages."""
    folder = fresh("dist")
    # Without a bound of time: it builds its tools where they are not there yet.
    subprocess.run([PACK, "--into", folder, program()], check=True)
    return folder


def one(pattern):
    found = sorted(dist().glob(pattern))
    expect(len(found) == 1, f"one file {pattern} was expected in {dist()}, and there is {found}")
    return found[0]


@functools.cache
def newer():
    """The .deb and the .rpm of a version 99, whose example of a configuration is another one."""
    from program import Program

    folder = fresh("newer")
    for kind, path in [("deb", one("*.deb")), ("rpm", one("*.rpm"))]:
        # What release/pack laid out for the package of now.
        laid = CACHE / "linux" / Program(program()).target / f"{kind}.yaml"
        place = folder / kind
        shutil.copytree(laid.parent, place)
        config = place / f"{kind}.yaml"
        text = config.read_text()
        [version] = [line for line in text.splitlines() if line.startswith("version: ")]
        # It is not for long: quickly rather than small.
        text = text.replace("compression: xz", "compression: gzip")
        config.write_text(text.replace(version, "version: 99.0.0"))
        with (place / "proxy.toml").open("a") as file:
            file.write("\n# A remark that is new in version 99.\n")
        run(["nfpm", "package", "--config", config, "--packager", kind, "--target", folder], cwd=place)
        expect(path.exists(), f"{path} went away")
    return folder


def fresh(name):
    folder = CACHE / "test" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def reproducible():
    """The same bytes, by another user's habits at another time."""
    again = fresh("again")
    habits = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "TMPDIR": str(fresh("elsewhere"))}
    first = {path.name: path.read_bytes() for path in dist().iterdir()}
    words = ["sh", "-c", 'umask 077 && exec "$@"', "sh", PACK, "--into", again, program()]
    run(words, env=os.environ | habits)
    second = {path.name: path.read_bytes() for path in again.iterdir()}
    expect(first.keys() == second.keys(), f"{sorted(first)} became {sorted(second)}")
    expect(len(first) >= 8, f"only {sorted(first)}")
    others = [name for name in first if first[name] != second[name]]
    expect(not others, f"other bytes the second time: {', '.join(others)}")
    sizes = [f"{name} {len(content) / 1e6:.1f} MB" for name, content in sorted(first.items())
             if len(content) > 1e6]
    return f"{len(first)} files twice: {', '.join(sizes)}"


def as_root():
    if os.geteuid() != 0:
        raise Skipped("it takes root")
