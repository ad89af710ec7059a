"""The .deb and the .rpm, in a Debian that has nothing on it."""

import re
import tempfile
from pathlib import Path

from machine import Machine, Stopwatch
from made import as_root, expect, newer, one, program
from project import VERSION
from tools import ROOT, Failed, run

# From the package to the first answer.
FIRST = 60
# Of 100, as systemd-analyze counts exposure for a threshold.
EXPOSURE = 20

CONFIG = "/etc/orgproxy/proxy.toml"
MESSAGE = "to see it work without an org, run `orgproxy demo`"

# What is not called by the name of the program.
PAPERS = {"usr/share/bash-completion/completions/orgproxy", "usr/share/fish/vendor_completions.d/orgproxy.fish",
          "usr/lib/systemd/system/orgproxy.service", "usr/lib/systemd/system/orgproxy.socket",
          "usr/lib/sysusers.d/orgproxy.conf", "usr/share/doc/orgproxy/changelog.gz", "usr/bin/orgproxy",
          "usr/share/doc/orgproxy/THIRD-PARTY-LICENSES.txt", "etc/orgproxy/proxy.toml"}
DEBIAN = {"usr/share/zsh/vendor-completions/_orgproxy", "usr/share/doc/orgproxy/copyright",
          "usr/share/doc/orgproxy/changelog.Debian.gz", "usr/share/lintian/overrides/orgproxy"}
RPM = {"usr/share/zsh/site-functions/_orgproxy", "usr/share/licenses/orgproxy/LICENSE"}


def lintian():
    """Debian's own judge has no error and no warning but those that the package gives a reason for."""
    options = ["--fail-on", "error,warning", "--tag-display-limit", "0", "--no-cfg", "--allow-root"]
    said = run(["lintian", *options, "--display-info", one("*.deb")]).splitlines()
    expect(not (unused := [line for line in said if "unused-override" in line]), "\n".join(unused))
    return f"no error, no warning, {len(said)} remarks"


def scripts():
    """What runs at an installation is sound sh."""
    folders = [ROOT / "release/linux/deb", ROOT / "release/linux/rpm"]
    found = sorted(path for folder in folders for path in folder.iterdir())
    run(["shellcheck", "--shell=sh", *found])
    return f"{len(found)} scripts"


def units():
    """The units are sound as the package has them, and the service can do little harm."""
    with tempfile.TemporaryDirectory() as folder:
        run(["dpkg-deb", "--extract", one("*.deb"), folder])
        units = Path(folder) / "usr/lib/systemd/system"
        service = (units / "orgproxy.service").read_text()
        expect("/usr/local" not in service and "DynamicUser" not in service, service)
        expect("\nUser=orgproxy\n" in service, "it runs as somebody else")
        # The program has to be there, and so has its manual.
        for unit in units.iterdir():
            unit.write_text(unit.read_text().replace("/usr/bin/orgproxy", str(program())))
        # It warns, and ends with 0.
        said = run(["sh", "-c", '"$@" 2>&1', "sh", "systemd-analyze", "verify", "--man=no", *units.iterdir()])
        ours = [line for line in said.splitlines() if "orgproxy" in line]
        expect(not ours, "\n".join(ours))
        judge = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}"]
        return run([*judge, units / "orgproxy.service"]).splitlines()[-1][2:]


def deb():
    """Installed, asked, upgraded, removed and purged."""
    as_root()
    with Machine() as machine:
        before = machine.files()
        package = machine.takes(one("*.deb"))
        watch = Stopwatch()
        said = machine.does("dpkg", "-i", package)
        with machine.demo() as demo:
            demo.answers()
            took = watch.within(FIRST)
        expect(MESSAGE in said, f"it does not say how to go on: {said}")
        expect(machine.does("orgproxy", "--version").split()[:2] == ["orgproxy", VERSION], "another version")
        has_all(machine, before, PAPERS | DEBIAN)
        configured(machine)

        edit(machine)
        said = machine.does("dpkg", "-i", "--force-confold", machine.takes(next(newer().glob("*.deb"))))
        expect(MESSAGE not in said, "an upgrade says how to begin")
        expect(machine.does("dpkg-query", "-W", "-f", "${Version}", "orgproxy") == "99.0.0-1", "not upgraded")
        edited(machine, "an upgrade")
        (machine.root / "var/lib/orgproxy").mkdir()
        (machine.root / "var/lib/orgproxy/ca-key.pem").touch()
        run(["systemctl", f"--root={machine.root}", "enable", "orgproxy.service", "orgproxy.socket"])
        wanted = machine.root / "etc/systemd/system/sockets.target.wants/orgproxy.socket"
        expect(wanted.is_symlink(), "systemctl enables nothing")

        machine.does("dpkg", "--remove", "orgproxy")
        expect(not (machine.root / "usr/bin/orgproxy").exists(), "the program is still there")
        edited(machine, "a removal")
        machine.does("dpkg", "--purge", "orgproxy")
        left = machine.files() - before - {"etc/orgproxy", "etc/orgproxy/server.key"}
        # Folders of systemd's tools, which have to do with no package.
        left -= {"etc/systemd/system/sockets.target.wants", "etc/systemd/system/multi-user.target.wants",
                 "var/lib/systemd", "var/lib/systemd/deb-systemd-helper-enabled"}
        expect(not left, f"a purge leaves {sorted(left)}")
        expect((machine.root / "etc/orgproxy/server.key").exists(), "a purge takes the key")
        return f"first answer {took} after dpkg -i"


def has_all(machine, before, wanted):
    """Every file that it is to have, and no other."""
    with tempfile.TemporaryDirectory() as folder:
        run([program(), "man", "--dir", folder])
        pages = {f"usr/share/man/man1/{path.name}.gz": path.read_text() for path in Path(folder).iterdir()}
    expect(len(pages) > 10, f"only {sorted(pages)}")
    for path, text in pages.items():
        expect(run(["zcat", machine.root / path]) == text, f"{path} is another")
    new = {path for path in machine.files() - before
           # What deb-systemd-helper remembers until a purge.
           if not (machine.root / path).is_dir() and "deb-systemd-helper" not in path}
    expect(new == wanted | pages.keys(), f"too many: {sorted(new - wanted - pages.keys())}, "
                                         f"too few: {sorted((wanted | pages.keys()) - new)}")
    run(["bash", "-n", machine.root / "usr/share/bash-completion/completions/orgproxy"])


def configured(machine):
    """The service's user reads the configuration, nobody else does, and once it is filled in it will do."""
    owner = machine.owner(CONFIG)
    expect(owner == "root:orgproxy 640", f"{CONFIG} is {owner}")
    shell = machine.does("getent", "passwd", "orgproxy").strip().split(":")[6]
    expect(shell == "/usr/sbin/nologin", f"its user may log in: {shell}")
    key = machine.root / "etc/orgproxy/server.key"
    run(["openssl", "genrsa", "-out", key, "2048"])
    key.chmod(0o600)
    # What LoadCredential does.
    credentials = machine.root / "tmp/credentials"
    credentials.mkdir()
    (credentials / "server.key").write_bytes(key.read_bytes())
    machine.does("chown", "-R", "orgproxy:", "/tmp/credentials")
    machine.does("chmod", "400", "/tmp/credentials/server.key")
    text = (machine.root / CONFIG[1:]).read_text()
    filled = text.replace("3MVG9-REPLACE-ME", "3MVG9").replace("replace.me@example.com", "me@example.com")
    expect(filled != text, "there is nothing to fill in")
    (machine.root / CONFIG[1:]).write_text(filled)
    check = ["env", "CREDENTIALS_DIRECTORY=/tmp/credentials", "orgproxy", "check", "--config", CONFIG]
    machine.does("setpriv", "--reuid=orgproxy", "--regid=orgproxy", "--clear-groups", *check)
    try:
        machine.does("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "cat", CONFIG)
    except Failed:
        return
    raise Failed(f"anybody may read {CONFIG}")


def edit(machine):
    with (machine.root / CONFIG[1:]).open("a") as file:
        file.write("\n# The administrator's.\n")
    machine.does("chmod", "600", CONFIG)


def edited(machine, after):
    text = (machine.root / CONFIG[1:]).read_text()
    expect("# The administrator's." in text and "version 99" not in text, f"{after} changes {CONFIG}")
    owner = machine.owner(CONFIG)
    expect(owner == "root:orgproxy 600", f"after {after} {CONFIG} is {owner}")


def deb_supervised():
    """With systemd: nothing starts by itself, an upgrade restarts the service alone, a removal stops both."""
    as_root()
    with Machine() as machine:
        machine.supervised()
        machine.does("dpkg", "-i", machine.takes(one("*.deb")))
        asked(machine, "installation", ["daemon-reload"])
        machine.does("dpkg", "-i", machine.takes(next(newer().glob("*.deb"))))
        asked(machine, "upgrade", ["daemon-reload", "try-restart orgproxy.service"])
        machine.does("dpkg", "--remove", "orgproxy")
        asked(machine, "removal", ["stop orgproxy.socket orgproxy.service", "daemon-reload"])
        machine.does("dpkg", "--purge", "orgproxy")
        asked(machine, "purge", [])


def asked(machine, step, wanted):
    got = machine.asked()
    expect(got == wanted, f"{step}: systemd is asked for {got}, not for {wanted}")


def rpm():
    """Installed, asked, upgraded and erased, by rpm on files of Debian: without what it depends on."""
    as_root()
    with Machine() as machine:
        rpm, package = by_rpm(machine), one("*.rpm")
        before = machine.files()
        watch = Stopwatch()
        said = rpm("--install", package)
        with machine.demo() as demo:
            demo.answers()
            took = watch.within(FIRST)
        expect(MESSAGE in said, f"it does not say how to go on: {said}")
        has_all(machine, before, PAPERS | RPM)
        configured(machine)
        edit(machine)
        said = rpm("--upgrade", next(newer().glob("*.rpm")))
        expect(MESSAGE not in said, "an upgrade says how to begin")
        there = run(["rpm", "--root", machine.root, "--query", "orgproxy"])
        expect(there.startswith("orgproxy-99.0.0-1."), f"not upgraded: {there}")
        edited(machine, "an upgrade")
        expect((machine.root / f"{CONFIG[1:]}.rpmnew").exists(), "the new example is not there")
        rpm("--erase", "orgproxy")
        left = {path for path in machine.files() - before if not (machine.root / path).is_dir()}
        kept = {"etc/orgproxy/proxy.toml.rpmsave", "etc/orgproxy/server.key"}
        kept |= {path for path in left if path.endswith(".rpmnew")}
        expect(left == kept, f"it leaves {sorted(left)}")
        needs = run(["rpm", "--query", "--package", "--nosignature", "--requires", one("*.rpm")])
        versions = re.findall(r"libc\.so\.6\(GLIBC_([\d.]+)\)", needs)
        newest = max(versions, key=lambda it: [int(part) for part in it.split(".")], default="none")
        return f"first answer {took} after rpm -i; needs glibc {newest}"


def rpm_supervised():
    """With systemd, as the .deb."""
    as_root()
    with Machine() as machine:
        rpm = by_rpm(machine)
        machine.supervised()
        rpm("--install", one("*.rpm"))
        asked(machine, "installation", ["daemon-reload"])
        rpm("--upgrade", next(newer().glob("*.rpm")))
        asked(machine, "upgrade", ["daemon-reload", "daemon-reload", "try-restart orgproxy.service"])
        rpm("--erase", "orgproxy")
        asked(machine, "removal", ["stop orgproxy.socket orgproxy.service",
                                   "disable orgproxy.socket orgproxy.service", "daemon-reload"])


def by_rpm(machine):
    run(["rpm", "--root", machine.root, "--initdb"])
    def rpm(task, *words):
        # It may be for another processor.
        anyway = ["--ignorearch"] if task in {"--install", "--upgrade"} else []
        # dpkg has what it depends on, and rpm does not know of it.
        return run(["rpm", "--root", machine.root, "--nodeps", "--nosignature", task, *anyway, *words])

    return rpm
