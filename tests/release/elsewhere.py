"""The wheel and the npm packages of a program for another processor, in a Debian for that."""

from asked import Demo
from machine import Machine
from made import dist, expect, one
from project import VERSION
from registries import installed


def wheel_elsewhere():
    """By its own pip, which takes no wheel for another processor."""
    with Machine("python3-venv") as machine:
        machine.does("python3", "-m", "venv", "/root/venv")
        quiet = ["--no-index", "--disable-pip-version-check"]
        machine.does("/root/venv/bin/pip", "install", *quiet, machine.takes(one("*.whl")))
        answers(machine, "/root/venv/bin/orgproxy")


def npm_elsewhere():
    """By npm of this machine, which is told not to mind, and run by its own Node.js."""
    with Machine("nodejs") as machine:
        folder = machine.root / "root/npm"
        folder.mkdir()
        installed(folder, "--force", *dist().glob("*.tgz"))
        answers(machine, "node", "/root/npm/node_modules/.bin/orgproxy")


def answers(machine, *command):
    expect(machine.does(*command, "--version").split()[:2] == ["orgproxy", VERSION], "another version")
    with Demo(machine.within(*command, "demo", "--port", "0")) as demo:
        demo.answers()
        demo.heals()
