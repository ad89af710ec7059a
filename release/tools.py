"""The tools that a release takes, at the versions of requirements.txt, in a folder of their own."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
# Not target/release, which is cargo's.
CACHE = TARGET / "pack"

# For any one program that is run.
BOUND = 300


class Failed(Exception):
    """What is wrong, for people."""


def enter():
    """Goes on in the Python that has the tools."""
    folder = once("venv", [Path(__file__).with_name("requirements.txt")], install_python)
    os.environ["PATH"] = os.pathsep.join([str(folder / "bin"), os.environ["PATH"], str(cargo_home() / "bin")])
    if Path(sys.prefix) != folder:
        python = str(folder / "bin" / "python")
        os.execv(python, [python, *sys.argv])


def install_python(folder, requirements):
    run([sys.executable, "-m", "venv", folder])
    run([folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements])


def once(name, sources, install):
    """Makes a folder of the cache anew whenever what it is made from has changed."""
    folder, stamp = CACHE / name, CACHE / f"{name}.made-from"
    wanted = hashlib.sha256(b"".join(source.read_bytes() for source in sources))
    wanted.update(platform.python_version().encode())
    if stamp.exists() and stamp.read_text() == wanted.hexdigest():
        return folder
    print(f"installing {name} into {folder}", file=sys.stderr, flush=True)
    stamp.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    install(folder, *sources)
    stamp.write_text(wanted.hexdigest())
    return folder


def crate(name, version, *features):
    """A program of crates.io at a version, where cargo has all of them."""
    if f"{name} v{version}:" not in run(["cargo", "install", "--list"]):
        print(f"building {name} {version}, once", file=sys.stderr, flush=True)
        # It runs for a moment: quickly built rather than quick.
        quick = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "1", "CARGO_PROFILE_RELEASE_LTO": "off"}
        subprocess.run(["cargo", "install", "--locked", "--quiet", f"{name}@{version}",
                        *[f"--features={feature}" for feature in features]], env=os.environ | quick, check=True)


def cargo_home():
    return Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))


def run(words, **place):
    """What a program prints that ends as it should."""
    if not shutil.which(words[0]):
        raise Failed(f"there is no {words[0]}: try .ci/run packages")
    try:
        ended = subprocess.run(words, text=True, capture_output=True, timeout=BOUND, check=False, **place)
    except subprocess.TimeoutExpired:
        raise Failed(f"{words[0]} is not done after {BOUND} s") from None
    if ended.returncode != 0:
        said = f"{ended.stdout}{ended.stderr}".strip()
        raise Failed(f"{' '.join(map(str, words))}\nended with {ended.returncode}: {said}")
    return ended.stdout
