"""The wheel: the program, which pip and pipx put into `bin` as it is."""

import os
import shutil
from pathlib import Path

from packaging.metadata import Metadata
from packaging.version import Version

import project
from tools import CACHE, ROOT, run

HERE = Path(__file__).resolve().parent

# What needs no library runs under glibc and musl. Python has no name for that: these are old ones of both
# kinds, that every pip takes.
STATIC = ["manylinux_2_17", "manylinux2014", "musllinux_1_1"]


def make(program, papers, into):
    name = f"{project.NAME}-{Version(project.VERSION)}"
    folder = project.fresh(CACHE / "wheel" / program.target)
    info, data = folder / f"{name}.dist-info", folder / f"{name}.data"
    for place in [info / "licenses", data / "scripts", data / "data/share/man/man1"]:
        place.mkdir(parents=True)
    shutil.copy(program.path, data / "scripts/orgproxy")
    for page, text in papers.pages.items():
        (data / "data/share/man/man1" / page).write_bytes(text)
    licences = [ROOT / "LICENSE", *papers.documents]
    for path in licences:
        shutil.copy(path, info / "licenses")
    (info / "METADATA").write_text(metadata([path.name for path in licences]))
    tags = "".join(f"Tag: py3-none-{tag}_{program.machine}\n" for tag in platforms(program))
    head = f"Wheel-Version: 1.0\nGenerator: {project.NAME}\nRoot-Is-Purelib: false\n"
    (info / "WHEEL").write_text(head + tags)
    project.settled(folder, {"orgproxy"})
    place = os.environ | {"SOURCE_DATE_EPOCH": str(project.epoch())}
    run(["python", "-m", "wheel", "pack", folder, "--dest-dir", into], env=place)


def platforms(program):
    if not program.glibc:
        return STATIC
    return [f"manylinux_{program.glibc[0]}_{program.glibc[1]}"]


def metadata(licences):
    page = project.filled((HERE / "page.md").read_text(),
                          {"command": "pipx run orgproxy demo", "repository": project.REPOSITORY})
    files = "".join(f"License-File: {name}\n" for name in licences)
    text = f"""Metadata-Version: 2.4
Name: {project.NAME}
Version: {Version(project.VERSION)}
Summary: {project.DESCRIPTION}
License-Expression: {project.LICENCE}
{files}Project-URL: Repository, {project.REPOSITORY}
Keywords: salesforce,proxy,jwt,soap
Requires-Python: >=3.8
Description-Content-Type: text/markdown

{page}"""
    # As PyPI would refuse it.
    Metadata.from_email(text, validate=True)
    return text
