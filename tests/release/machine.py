"""A Debian that has nothing on it, in a folder: its files are its own, its network is this machine's."""

import subprocess
import tempfile
import time
from pathlib import Path

import emulator
import tools
from asked import Demo
from tools import Failed, run

SUITE = "bookworm"

# Files of the system itself that change with any package.
NOISE = ("var/lib/dpkg/", "var/cache/", "var/log/", "var/lib/rpm/", "proc/", "root/", "tmp/")
# What useradd leaves: the files as they were before.
BACKUPS = {"etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-"}


class Machine:
    """For the processor that the program is for, with what else it is to have of Debian."""

    def __init__(self, *more):
        name = "-".join([f"debian-{SUITE}", emulator.processor(), *more])
        base = tools.once(name, [], lambda folder: download(folder, more)) / "base.tar"
        self.folder = tempfile.TemporaryDirectory(dir=tools.CACHE, prefix="machine-")
        self.root = Path(self.folder.name)
        run(["tar", "--extract", "--file", base, "--directory", self.root, "--numeric-owner"])
        # As whoever installs a system or starts a container writes it.
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Nothing is mounted here but within what has ended.
        self.folder.cleanup()

    def does(self, *words):
        """What a command prints that ends as it should."""
        return run(self.within(*words), stdin=subprocess.DEVNULL)

    def within(self, *words):
        mounted = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8",
                 "DEBIAN_FRONTEND=noninteractive"]
        return [*apart, "sh", "-c", mounted, self.root, *clean, *words]

    def demo(self):
        return Demo(self.within("orgproxy", "demo", "--port", "0"))

    def takes(self, path):
        """Puts a file of this machine into that one."""
        place = self.root / "root" / path.name
        place.write_bytes(path.read_bytes())
        return f"/root/{path.name}"

    def owner(self, path):
        return self.does("stat", "--format", "%U:%G %a", path).strip()

    def files(self):
        found = (str(path.relative_to(self.root)) for path in self.root.rglob("*"))
        return {path for path in found if not path.startswith(NOISE) and path not in BACKUPS}

    def supervised(self):
        """From now on systemd seems to run: what it would be asked to do is written down."""
        (self.root / "run/systemd/system").mkdir(parents=True)
        stand_in = self.root / "usr/bin/systemctl"
        stand_in.write_text('#!/bin/sh\necho "$@" >> /root/asked\n')
        stand_in.chmod(0o755)

    def asked(self):
        """What systemd was asked to change since the last time."""
        path = self.root / "root/asked"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        changes = {"start", "stop", "restart", "try-restart", "enable", "disable", "daemon-reload"}
        words = [[word for word in line.split() if not word.startswith("--")] for line in lines]
        return [" ".join(each) for each in words if each and each[0] in changes]


def download(folder, more):
    folder.mkdir(parents=True)
    which = [f"--architectures={emulator.processor()}", *(f"--include={package}" for package in more)]
    run(["mmdebstrap", "--variant=minbase", *which, SUITE, folder / "base.tar"])


class Stopwatch:
    def __init__(self):
        self.began = time.monotonic()

    def within(self, seconds):
        took = time.monotonic() - self.began
        if took > seconds:
            raise Failed(f"it took {took:.1f} s; {seconds} s are promised")
        return f"{took:.1f} s"
