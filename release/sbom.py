"""What a program is made of, in the form of CycloneDX: https://cyclonedx.org."""

import os

import project
import tools
from tools import ROOT, run

CYCLONEDX = "0.5.9"


def make(program, into):
    """Each crate with version, checksum, licence, and what it takes."""
    tools.crate("cargo-cyclonedx", CYCLONEDX)
    name = f"{project.NAME}-{project.VERSION}-{program.target}.cdx"
    # It writes beside Cargo.toml, and nowhere else.
    made = ROOT / f"{name}.json"
    try:
        run(["cargo", "cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5",
             "--target", program.target, "--override-filename", name],
            cwd=ROOT, env=os.environ | {"SOURCE_DATE_EPOCH": str(project.epoch())})
        text = made.read_text()
    finally:
        made.unlink(missing_ok=True)
    # Where it was made is nobody's business.
    (into / made.name).write_text(text.replace(f"file://{ROOT}", f"file:///{project.NAME}"))
