"""The packages for npm: one for each platform, which npm installs where it fits, and one that starts
the program of that."""

import json
import shutil
from pathlib import Path

import project
from program import NODE
from tools import CACHE, ROOT, run

HERE = Path(__file__).resolve().parent


def make(programs, papers, into):
    for program in programs:
        folder = begun(platform(program))
        (folder / "bin").mkdir()
        shutil.copy(program.path, folder / "bin/orgproxy")
        # What needs no library runs under each C library there is.
        libc = {"libc": ["glibc"]} if program.glibc else {}
        packed(folder, into, papers, {
            "name": platform(program),
            "description": f"The program of the package orgproxy, for {program.target}",
            "os": ["linux"], "cpu": [NODE[program.machine]], **libc,
            # Without it npm takes what has a scope for private.
            "publishConfig": {"access": "public"},
            # A zip as Yarn keeps it has no programs to start.
            "preferUnplugged": True})
    folder = begun(project.NAME)
    shutil.copy(HERE / "npm/orgproxy.js", folder)
    page = project.filled((HERE / "page.md").read_text(),
                          {"command": "npx orgproxy demo", "repository": project.REPOSITORY})
    (folder / "README.md").write_text(page)
    packed(folder, into, papers, {
        "name": project.NAME, "description": project.DESCRIPTION,
        "keywords": ["salesforce", "proxy", "jwt", "soap"],
        "bin": {"orgproxy": "orgproxy.js"}, "engines": {"node": ">=16"},
        "optionalDependencies": {platform(program): project.VERSION for program in programs}})


def platform(program):
    return f"@{project.NAME}/linux-{NODE[program.machine]}"


def begun(name):
    return project.fresh(CACHE / "npm" / name.replace("/", "-"))


def packed(folder, into, papers, facts):
    shutil.copy(ROOT / "LICENSE", folder)
    for path in papers.documents:
        shutil.copy(path, folder)
    common = {"version": project.VERSION, "license": project.LICENCE,
              "repository": {"type": "git", "url": f"git+{project.REPOSITORY}.git"}}
    (folder / "package.json").write_text(json.dumps(facts | common, indent=2) + "\n")
    project.settled(folder, {"orgproxy", "orgproxy.js"})
    run(["npm", "pack", "--silent", "--pack-destination", into], cwd=folder)
