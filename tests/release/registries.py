"""The wheel and the npm packages, installed from their files."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import tools
from asked import Demo
from machine import Stopwatch
from made import dist, expect, fresh, one, program
from project import VERSION
from tools import run

# From the package to the first answer.
FIRST = 60

HERE = Path(__file__).resolve().parent


def wheel():
    """By pip into a venv of its own; and it can run where its name says."""
    venv, package = fresh("venv"), one("*.whl")
    run([sys.executable, "-m", "venv", venv])
    watch = Stopwatch()
    run([venv / "bin/pip", "install", "--no-index", "--disable-pip-version-check", package])
    with Demo([venv / "bin/orgproxy", "demo", "--port", "0"]) as demo:
        demo.answers()
        took = watch.within(FIRST)
        expect(demo.ends() == 0, "it does not end well")
    expect((venv / "share/man/man1/orgproxy.1").exists(), "it has no manual")
    run([venv / "bin/pip", "check"])
    run([venv / "bin/pip", "uninstall", "--yes", "orgproxy"])
    expect(not (venv / "bin/orgproxy").exists(), "it stays when it is uninstalled")
    return f"first answer {took} after pip install; auditwheel: {audited(package)}"


def audited(path):
    """Where the program runs, by those who made the rules."""
    said = json.loads(run([tested() / "auditwheel", "show", "--json", path]))
    least = said["overall_tag"]
    names = path.stem.split("-")[-1].split(".")
    claims = [name for name in names if name.startswith("manylinux_")]
    expect(claims and all(floor(claim) >= floor(least) for claim in claims), f"{path.name} is {least} at least")
    if any(name.startswith("musllinux") for name in names):
        expect(not said["versioned_symbols"] and not said["external_libs"], f"{path.name} needs libraries")
    return f"{least}, called {' '.join(names)}"


def floor(tag):
    """The version of glibc in a tag."""
    return [int(part) for part in re.match(r"manylinux_(\d+)_(\d+)_", tag).groups()]


def pipx():
    """`pipx install` and `pipx run`, into a home of its own."""
    home, package = fresh("pipx"), one("*.whl")
    place = os.environ | {"PIPX_HOME": str(home), "PIPX_BIN_DIR": str(home / "bin"),
                          "PIPX_MAN_DIR": str(home / "man"), "HOME": str(home)}
    pip = ["--pip-args=--no-index"]
    program = tested() / "pipx"
    # pipx has pip once for all that it installs: not a part of the time.
    run([program, "upgrade-shared"], env=place)
    watch = Stopwatch()
    words = [program, "run", *pip, "--spec", package, "orgproxy", "demo", "--port", "0"]
    with Demo(words, env=place) as demo:
        demo.answers()
        took = watch.within(FIRST)
    run([program, "install", *pip, package], env=place)
    expect(run([home / "bin/orgproxy", "--version"]).split()[1] == VERSION, "another version")
    expect((home / "man/man1/orgproxy.1").exists(), "it has no manual")
    return f"first answer {took} after pipx run"


def tested():
    """What requirements.txt names: pipx, auditwheel, zizmor."""
    return tools.once("tested", [HERE / "requirements.txt"], tools.install_python) / "bin"


def npm():
    """Into a folder of its own, and `npx`: the program gets all and is all that one sees."""
    folder, packages = fresh("npm"), [*dist().glob("*.tgz")]
    watch = Stopwatch()
    installed(folder, *packages)
    with Demo(["npx", "--offline", "orgproxy", "demo", "--port", "0"], cwd=folder) as demo:
        demo.answers()
        took = watch.within(FIRST)
        # npx ends at once, and says so as a shell does.
        expect((ended := demo.ends()) in [-signal.SIGTERM, 128 + signal.SIGTERM], f"npx ends with {ended}")
        demo.stops()
    launcher = folder / "node_modules/.bin/orgproxy"
    for number, code in [(signal.SIGTERM, 0), (signal.SIGINT, 0)]:
        with Demo([launcher, "demo", "--port", "0"]) as demo:
            expect((ended := demo.ends(number)) == code, f"{number.name}: it ends with {ended}, not {code}")
            expect("stopping" in demo.said(), f"{number.name} did not reach the program: {demo.said()}")
    killed(launcher)
    for words in [["no-such-command"], ["check", "--config", "/nowhere.toml"], ["--version"]]:
        ours, its = (subprocess.run([path, *words], capture_output=True) for path in [launcher, program()])
        same = (ours.returncode, ours.stdout, ours.stderr) == (its.returncode, its.stdout, its.stderr)
        expect(same, f"{words}: {ours} instead of {its}")
    through = run([launcher, "token", "--decode"], input=TOKEN)
    expect("iss  3MVG9" in through, f"its input does not reach the program: {through}")
    return f"first answer {took} after npm install"


# {"alg":"RS256"}, {"iss":"3MVG9"}, and three bytes for a signature.
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIzTVZHOSJ9.AAAA"


def killed(launcher):
    """Where the program is ended by a signal, so is the launcher."""
    with Demo([launcher, "demo", "--port", "0"]) as demo:
        [child] = run(["pgrep", "--parent", str(demo.process.pid)]).split()
        os.kill(int(child), signal.SIGKILL)
        ended = demo.process.wait(20)
        expect(ended == -signal.SIGKILL, f"the program was killed, and the launcher ends with {ended}")


def npm_missing():
    """Without the package of the platform, or on a platform that has none, it says what to do."""
    folder = fresh("npm-missing")
    [main] = [path for path in dist().glob("orgproxy-*.tgz") if "linux" not in path.name]
    installed(folder, main)
    says(folder, {}, "@orgproxy/linux-", "npm install --include=optional orgproxy")
    elsewhere = folder / "elsewhere.cjs"
    elsewhere.write_text('Object.defineProperty(process, "platform", { value: "sunos" });\n')
    says(folder, {"NODE_OPTIONS": f"--require={elsewhere}"}, "no program for sunos", "cargo install orgproxy")


def says(folder, variables, *wanted):
    launcher = folder / "node_modules/.bin/orgproxy"
    ended = subprocess.run([launcher, "--version"], env=os.environ | variables, capture_output=True, text=True)
    expect(ended.returncode == 1, f"it ends with {ended.returncode}")
    for text in wanted:
        expect(text in ended.stderr, f"it does not say {text}: {ended.stderr}")
    expect(len(ended.stderr.splitlines()) == 1, f"it says more than need be: {ended.stderr}")


def installed(folder, *packages):
    (folder / "package.json").write_text("{}")
    # No registry: all that is needed is there.
    quiet = ["--offline", "--no-audit", "--no-fund", "--cache", folder / "cache"]
    run(["npm", "install", *quiet, *packages], cwd=folder)
