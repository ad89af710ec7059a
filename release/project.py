"""What every package says of the project. It is written in Cargo.toml, and nowhere else."""

import os
import re
import shutil
import tomllib
from datetime import UTC, datetime

from tools import ROOT, Failed, run

MANIFEST = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
NAME = MANIFEST["name"]
VERSION = MANIFEST["version"]
DESCRIPTION = MANIFEST["description"]
LICENCE = MANIFEST["license"]
REPOSITORY = MANIFEST["repository"]
MAINTAINER = MANIFEST["metadata"]["release"]["maintainer"]


def epoch():
    """When it was made, in seconds: the same for the same commit, so that the same bytes come out."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given or run(["git", "log", "-1", "--format=%ct"], cwd=ROOT))


def date(form):
    return datetime.fromtimestamp(epoch(), UTC).strftime(form)


def download(file):
    """Where a file of this release is to be had: cargo-binstall's `pkg-url` is the same."""
    return f"{REPOSITORY}/releases/download/v{VERSION}/{file}"


def filled(text, values):
    """A text with `${name}` replaced: none may be left over, and none be without use."""
    names = set(re.findall(r"\$\{(\w+)\}", text))
    if names != values.keys():
        raise Failed(f"a template has {sorted(names)}, and there is {sorted(values)}")
    return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)


def edited(path, *changes):
    """A file of the repository with some of its text replaced, each of which is there once."""
    text = (ROOT / path).read_text()
    for old, new in changes:
        if text.count(old) != 1:
            raise Failed(f"{path} has {text.count(old)} times, where once is expected: {old}")
        text = text.replace(old, new)
    return text


def fresh(folder):
    """An empty folder, for what a package is made of."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def settled(folder, programs):
    """Modes that do not depend on who made the files."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.name in programs else 0o644)
