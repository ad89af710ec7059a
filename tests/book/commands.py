"""Every command that the papers show: is it executed by a test, and if not, why not? commands.toml says.

Those that can be are executed here as they stand, in a network and among processes of their own, so that
the ports that they name are free and no signal reaches another program.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()

PAPERS = ["README.md", "docker/agent/README.md", "CONTRIBUTING.md"]

# For one command; for a proxy to listen or to stop; for all.
WORK, START, ALL = 30, 30, 100

# A reason has so many words at least.
LEAST_WORDS = 5


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def expect(holds, otherwise):
    if not holds:
        raise Failed(otherwise)


def check():
    chosen = judged()
    said = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
    said += [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    try:
        probe = subprocess.run([*said, "ip", "link"], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Failed(f"there is no {error.filename}: try .ci/run packages") from error
    if probe.returncode:
        raise Skipped(f"no namespaces for commands to run in: {probe.stderr.strip()}")
    inside = subprocess.run(
        [*said, sys.executable, __file__, build()], capture_output=True, text=True, timeout=ALL
    )
    expect(inside.returncode == 0, (inside.stdout + inside.stderr).strip())
    return f"{inside.stdout.strip()}; {chosen}"


def build():
    if binary := os.environ.get("ORGPROXY_BIN"):
        return Path(binary).resolve()
    subprocess.run(["cargo", "build", "--locked", "--bin", "orgproxy"], cwd=ROOT, check=True)
    return TARGET / "debug" / "orgproxy"


def judged():
    """Each command has an entry, each entry a command, and what entries name is there."""
    used, faults = {}, []
    for file, command in shown():
        if entry := entry_of(command):
            used.setdefault(entry["starts"], []).append(command)
        else:
            faults.append(f"{file}: tests/book/commands.toml does not have: {command}")
    for entry in entries():
        starts = entry["starts"]
        ways = {"run", "tested", "why"} & entry.keys()
        if starts not in used:
            faults.append(f"commands.toml: no paper has {starts!r}")
        if len(ways) != 1 or entry.keys() - ways - {"starts", "prints"}:
            faults.append(f"commands.toml: {starts!r} says {sorted(entry)}")
        if "run" in entry and entry["run"] not in PLACES:
            faults.append(f"commands.toml: {starts!r}: no place is called {entry['run']}")
        if len(entry.get("why", "one " * LEAST_WORDS).split()) < LEAST_WORDS:
            faults.append(f"commands.toml: {starts!r}: {entry['why']!r} is not a reason")
        if "tested" in entry:
            file, what = entry["tested"].split(maxsplit=1)
            what = f"fn {what}(" if file.endswith(".rs") else what
            if not (ROOT / file).is_file() or what not in (ROOT / file).read_text():
                faults.append(f"commands.toml: {starts!r}: {file} has no {what!r}")
    expect(not faults, "\n".join(faults))
    count = {way: 0 for way in ["run", "tested", "why"]}
    for entry in entries():
        for way in count.keys() & entry.keys():
            count[way] += len(used[entry["starts"]])
    return f"{count['tested']} by other tests, {count['why']} are not, with a reason"


def shown():
    """The file and the text of each command, in their order."""
    for file in PAPERS:
        text = (ROOT / file).read_text()
        for indent, kind, block in re.findall(r"(?ms)^( *)```(sh|console)\n(.*?)^\1```$", text):
            lines = [line.removeprefix(indent) for line in block.splitlines()]
            if kind == "console":
                lines = [line[2:] for line in lines if line.startswith("$ ")]
            for command in "\n".join(lines).replace("\\\n", "\0").splitlines():
                if command.strip():
                    yield file, command.replace("\0", "\\\n")


def entries():
    return tomllib.loads((HERE / "commands.toml").read_text())["command"]


def entry_of(command):
    """The one that says most about it."""
    plain = re.sub(r"\\\n *", "", command)
    fitting = [entry for entry in entries() if plain.startswith(entry["starts"])]
    return max(fitting, key=lambda entry: len(entry["starts"]), default=None)


def main(binary):
    """Within the namespaces: runs what is to be run."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # In a namespace without the system's root, only what is mounted there is root's.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/mnt"], check=True)
    count = 0
    for place in PLACES:
        with contextlib.ExitStack() as until_then:
            folder = Path(until_then.enter_context(tempfile.TemporaryDirectory(dir="/mnt")))
            it = Place(folder, binary)
            until_then.callback(it.stop)
            PLACES[place](it)
            for file, command in shown():
                entry = entry_of(command)
                if entry.get("run") == place:
                    it.execute(file, command, entry.get("prints", ""))
                    count += 1
            it.still_there()
    print(f"{count} commands are run here")


class Place:
    """A folder, and what runs in it."""

    def __init__(self, folder, binary):
        self.folder, self.work = folder, folder / "work"
        self.work.mkdir()
        (folder / "bin").mkdir()
        (folder / "bin/orgproxy").symlink_to(binary)
        (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")
        path = f"{folder}/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
        self.env = {"HOME": str(folder), "TMPDIR": str(folder), "PATH": path, "LANG": "C.UTF-8"}
        self.servers, self.mounted = [], []

    def mount(self, folder):
        subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
        self.mounted.append(folder)

    def execute(self, file, command, prints):
        # One that goes on until it is stopped.
        if prints == LISTENS:
            self.start(command)
            return
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.work,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=WORK,
        )
        as_it_should = done.returncode == 0 and prints in done.stdout
        expect(as_it_should, f"{file}: {command}\nends with {done.returncode}, prints\n{done.stdout}")

    def start(self, command):
        """Starts a proxy, and returns when it listens."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}" if command.startswith("orgproxy") else command],
            cwd=self.work,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.servers.append((command, process))
        said = []
        listens = threading.Event()

        def read():
            for line in process.stdout:
                said.append(line)
                if LISTENS in line:
                    listens.set()

        threading.Thread(target=read, daemon=True).start()
        end = time.monotonic() + START
        while not listens.wait(0.05):
            ended = process.poll() is not None or time.monotonic() > end
            expect(not ended, f"{command}\ndoes not listen, but prints\n{''.join(said)}")

    def still_there(self):
        for command, process in self.servers:
            expect(process.poll() is None, f"{command}\nended with {process.returncode}")

    def stop(self):
        for _, process in self.servers:
            process.terminate()
            try:
                process.wait(START)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for folder in reversed(self.mounted):
            subprocess.run(["umount", "--lazy", folder], check=True)


# What a proxy prints of each address once it is there.
LISTENS = "listening on"


def empty(_):
    pass


def demo(it):
    it.start("orgproxy demo")


def around(it):
    it.execute("", "orgproxy init --demo --yes", "")


def configured(it):
    around(it)
    it.env["ORGPROXY_ADMIN_LISTEN"] = "127.0.0.1:9180"
    it.start("orgproxy")


def intercepting(it):
    around(it)
    it.env["ORGPROXY_INTERCEPT"] = "true"
    it.start("orgproxy")


def java(it):
    """With a key store of its own in place of the machine's."""
    around(it)
    keytool = shutil.which("keytool")
    expect(keytool, "there is no keytool: try .ci/run packages")
    real = Path(keytool).resolve().parent.parent
    home = it.folder / "java"
    (home / "lib/security").mkdir(parents=True)
    (home / "bin").symlink_to(real / "bin")
    shutil.copy(real / "lib/security/cacerts", home / "lib/security/cacerts")
    it.env["JAVA_HOME"] = str(home)


def installed(it):
    """With an /etc and a /usr/local that are empty, and gone with the namespaces."""
    for folder in ["/etc", "/usr/local"]:
        it.mount(folder)
    Path("/etc/systemd/system").mkdir(parents=True)
    Path("/usr/local/bin").mkdir()
    (it.folder / "Library/LaunchAgents").mkdir(parents=True)
    (it.work / "docker").symlink_to(ROOT / "docker")
    (it.work / "orgproxy").symlink_to(it.folder / "bin/orgproxy")
    shutil.copy(ROOT / "proxy.toml", it.work)
    (it.work / "server.key").write_text("a key")


def agent(it):
    shutil.copy(ROOT / "docker/agent/proxy.toml", it.work)


PLACES = {
    "empty": empty,
    "demo": demo,
    "around": around,
    "configured": configured,
    "intercepting": intercepting,
    "traced": around,
    "java": java,
    "agent": agent,
    "installed": installed,
}

if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Failed as failure:
        sys.exit(f"{failure}")
