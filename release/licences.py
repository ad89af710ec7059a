"""The licences of all that is in a program, in one file."""

import tomllib
from pathlib import Path

import tools
from tools import ROOT, run

ABOUT = "0.9.3"

TEMPLATE = Path(__file__).with_suffix(".hbs")

NAME = "THIRD-PARTY-LICENSES.txt"


def collected(platforms):
    """The file: of each crate its own licence, with who has the rights. To read them all takes a minute."""
    tools.crate("cargo-about", ABOUT, "cli")
    sources = [ROOT / "Cargo.toml", ROOT / "Cargo.lock", ROOT / ".deny.toml", TEMPLATE]
    name = "-".join(["licences", *platforms])
    return tools.once(name, sources, lambda folder, *_: collect(folder, platforms)) / NAME


def collect(folder, platforms):
    targets = [word for platform in platforms for word in ["--target", platform]]
    accepted = tomllib.loads((ROOT / ".deny.toml").read_text())["licenses"]["allow"]
    folder.mkdir()
    config = folder / "about.toml"
    config.write_text(f"accepted = {accepted}\nignore-build-dependencies = true\n"
                      "ignore-dev-dependencies = true\n")
    run(["cargo", "about", "generate", "--locked", "--offline", "--fail", "--config", config, *targets,
         "--output-file", folder / NAME, TEMPLATE], cwd=ROOT)
