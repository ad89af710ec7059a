"""What is in `docker/`, running: `run` starts this as root in namespaces of its own (files, network,
processes), so that nothing of the machine is changed and every port is free.

    live.py CHECK < facts.json
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import yaml

# For anything to happen.
BOUND = 30

LIMITS = "/services/data/v62.0/limits"
ACCOUNT = "/services/data/v62.0/sobjects/Account"

# Of the image.
UID = GID = 10001


def main(name):
    facts = json.load(sys.stdin)
    # What it needs of the machine, before the machine is another.
    folder = Path(facts["docker"])
    docker = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    enter_a_root_of_its_own(facts)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    checks = [sidecar, shared, replicas, agent, supervised]
    [check] = [check for check in checks if check.__name__ == name]
    try:
        print(check(facts, docker))
    except Failed as failure:
        sys.exit(f"{failure}")


def enter_a_root_of_its_own(facts):
    """This machine's files, and whatever is written goes into memory."""
    run("mount", "--make-rprivate", "/")
    place = tempfile.mkdtemp()
    run("mount", "-t", "tmpfs", "none", place)
    upper, work, root = (Path(place) / name for name in ["upper", "work", "root"])
    for folder in [upper, work, root]:
        folder.mkdir()
    run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", root)
    shutil.copy(facts["binary"], root / "usr/local/bin/orgproxy")
    if openrc := facts.get("openrc"):
        # /bin, /lib and /sbin are links.
        for folder in Path(openrc).iterdir():
            run("cp", "-a", f"{folder}/.", root / folder.name)
    run("mount", "-t", "proc", "proc", root / "proc")
    run("mount", "--rbind", "/dev", root / "dev")
    for folder in ["run", "tmp"]:
        run("mount", "-t", "tmpfs", "-o", "mode=1777", "none", root / folder)
    # Nothing goes out of here. So it is found out at once that the org cannot be reached.
    (root / "etc/hosts").write_text("127.0.0.1 localhost login.salesforce.com\n")
    os.chroot(root)
    os.chdir("/")


def sidecar(facts, _docker):
    """The tool's neighbour: only the Pod can reach it, and the tool needs nothing to show."""
    # As in most Pods.
    Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
    spec, container = pod(facts, "orgproxy")
    volume = Volume(facts, spec)
    proxy = Container(container)
    probed(proxy, container)
    answer = get(8080)
    expect(answer.status == 503 and "LOGIN_UNAVAILABLE" in answer.text, f"{answer.text}")
    rotated(proxy, volume)
    proxy.stop()
    return "started, probed, asked, given another key, and stopped"


def shared(facts, _docker):
    """The service: who shows the key is let in, and Prometheus gets the metrics and nothing else."""
    spec, container = pod(facts, "orgproxy")
    volume = Volume(facts, spec)
    proxy = Container(container)
    probed(proxy, container)
    refused, let_in = get(8080), get(8080, **{"X-Orgproxy-Key": volume.client_key})
    expect(refused.status == 403 and "CLIENT_KEY_MISSING" in refused.text, refused.text)
    expect(let_in.status == 503 and "LOGIN_UNAVAILABLE" in let_in.text, let_in.text)
    for host in ["orgproxy:8080", "orgproxy.orgproxy.svc.cluster.local:8080"]:
        named = get(8080, Host=host, **{"X-Orgproxy-Key": volume.client_key})
        expect(named.status == 503, f"{host}: {named.text}")
    rotated(proxy, volume, **{"X-Orgproxy-Key": volume.client_key})
    volume.files["client.key"] = "another-" + volume.client_key
    volume.write()
    new = {"X-Orgproxy-Key": volume.files["client.key"]}
    until(lambda: get(8080, **new).status == 503, "the next client key opens")
    expect(get(8080, **{"X-Orgproxy-Key": volume.client_key}).status == 403, "the last one opens, too")
    hung(proxy, container)

    _, relay = pod(facts, "metrics")
    expect(relay["ports"][0]["containerPort"] == 9181, "the port is another")
    [config] = [it["data"]["haproxy.cfg"] for it in facts["objects"] if "haproxy.cfg" in it.get("data", {})]
    with Haproxy(config, 9181):
        metrics = get(9181, "/metrics", Host="10.1.2.3:9181")
        expect(metrics.status == 200 and "orgproxy_logins_total{" in metrics.text, metrics.text)
        for path in ["/", "/api/status", "/metrics/", "//metrics", "/metrics/../api/status"]:
            expect(get(9181, path).status == 404, f"{path} is handed on")
        expect(get(9181, "/metrics", method="POST").status == 404, "POST is handed on")
    proxy.stop()
    return "started, probed, asked with and without the key, given other keys, scraped, and stopped"


def pod(facts, name):
    """What a Deployment says of its Pods, and of this container of them."""
    [deployment] = [it for it in facts["objects"] if it["kind"] == "Deployment"]
    spec = deployment["spec"]["template"]["spec"]
    containers = spec["containers"] + spec.get("initContainers", [])
    [container] = [it for it in containers if it["name"] == name]
    return spec, container


class Volume:
    """Configuration and keys in /etc/orgproxy, as a kubelet mounts them: in a folder that everybody may
    write, as links that are switched all at once, owned by root and the group of the Pod; the container
    has it read-only."""

    def __init__(self, facts, spec):
        expect(spec["securityContext"]["fsGroup"] == GID, "the group of the image cannot read it")
        [projected] = [it["projected"] for it in spec["volumes"] if "projected" in it]
        self.mode = projected["defaultMode"]
        self.client_key = "correct-horse-battery-staple-again"
        self.files = {"server.key": private_key(), "client.key": self.client_key}
        secrets = [it["secret"] for it in projected["sources"] if "secret" in it]
        items = [(item, secret) for secret in secrets for item in secret["items"]]
        is_there = [item for item, secret in items if not secret.get("optional")]
        self.files = {item["path"]: self.files[item["key"]] for item in is_there}
        [data] = [it["data"] for it in facts["objects"] if "proxy.toml" in it.get("data", {})]
        self.files["proxy.toml"] = filled_in(data["proxy.toml"])
        self.folder = Path("/run/volume")
        self.folder.mkdir()
        run("mount", "-t", "tmpfs", "-o", "mode=0777", "none", self.folder)
        self.write()
        for name in self.files:
            (self.folder / name).symlink_to(f"..data/{name}")
        run("chown", "--no-dereference", "--recursive", f"0:{GID}", self.folder)
        mounted = Path("/etc/orgproxy")
        mounted.mkdir(exist_ok=True)
        run("mount", "--bind", self.folder, mounted)
        run("mount", "-o", "remount,bind,ro", mounted)
        # readOnlyRootFilesystem
        run("mount", "-o", "remount,bind,ro", "/")

    def write(self):
        place = Path(tempfile.mkdtemp(prefix="..", dir=self.folder))
        place.chmod(0o755)
        for name, text in self.files.items():
            file = place / name
            file.write_text(text)
            file.chmod(self.mode)
            os.chown(file, 0, GID)
        link = self.folder / "..data_tmp"
        link.symlink_to(place.name)
        link.rename(self.folder / "..data")


class Container:
    """The program as its image starts it: not as root, without any rights, in the folder of its files."""

    def __init__(self, container, env=None):
        self.place = {"env": {"PATH": "/usr/local/bin:/usr/bin:/bin"} | (env or {}), "cwd": "/etc/orgproxy"}
        rights = container.get("securityContext", {})
        uid, gid = rights.get("runAsUser", UID), rights.get("runAsGroup", GID)
        self.place |= {"user": uid, "group": gid, "extra_groups": [GID]}
        expect(not container.get("args") and not container.get("command"), "it starts otherwise")
        self.lines = []
        self.process = subprocess.Popen(
            ["orgproxy", "run"], **self.place, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        threading.Thread(target=self.read, daemon=True).start()
        until(lambda: self.said("listening on") or self.process.poll() is not None, "it starts")
        expect(self.process.poll() is None, f"it ended: {self.lines}")

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def said(self, words):
        return any(words in line for line in self.lines)

    def probe(self, words):
        done = subprocess.run(words, **self.place, text=True, capture_output=True, timeout=BOUND)
        return done.returncode, done.stdout + done.stderr

    def stop(self):
        self.process.terminate()
        status = self.process.wait(BOUND)
        expect(status == 0, f"it ended with {status}: {self.lines}")


def probed(proxy, container):
    """Every probe succeeds while it runs, in the time that it has."""
    probes = {key: value for key, value in container.items() if key.endswith("Probe")}
    expect(len(probes) == 3, f"only {probes.keys()}")
    for key, value in probes.items():
        began = time.monotonic()
        status, said = proxy.probe(value["exec"]["command"])
        expect(status == 0, f"{key}: {said}")
        expect(time.monotonic() - began < value["timeoutSeconds"], f"{key} takes too long")


def hung(proxy, container):
    """What hangs is not taken for live, and so started again."""
    probe = container["livenessProbe"]
    proxy.process.send_signal(signal.SIGSTOP)
    status, _ = proxy.probe(probe["exec"]["command"])
    proxy.process.send_signal(signal.SIGCONT)
    expect(status != 0, "it is taken for live while it hangs")


def rotated(proxy, volume, **headers):
    """Another key in the Secret is the one that the next login is signed with."""
    volume.files["server.key"] = private_key()
    volume.write()

    def is_taken():
        get(8080, **headers)
        return proxy.said("the new one is used from now on")

    until(is_taken, "the next key is used")


def replicas(_facts, docker):
    """Two replicas behind haproxy: clients of CometD stay with theirs, and one can be stopped under load."""
    compose = yaml.safe_load(docker["compose.replicas.yaml"])
    key = "correct-horse-battery-staple"
    Path("/etc/hosts").write_text("127.0.0.1 localhost\n127.0.0.2 one\n127.0.0.3 two\n")
    folder = Path("/etc/orgproxy")
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    expect({"one", "two", "haproxy"} <= compose["services"].keys(), "a service is not there")
    # Each has an org of its own, which is built in.
    certified_key(folder)
    text = with_demo(docker["proxy.toml"])

    def replica(number):
        config = folder / f"{number}.toml"
        config.write_text(text.replace("0.0.0.0:8080", f"127.0.0.{number}:8080"))
        env = {"CLIENT_KEY": key, "ORGPROXY_CONFIG": str(config), "ORGPROXY_ACCESS_LOG": "stderr"}
        return Container({}, env)

    def served(it, path=LIMITS):
        return sum(f" {path} " in line for line in it.lines)

    one, two = replica(2), replica(3)
    # Only one of two may have any address of the machine.
    config = docker["haproxy.cfg"].replace("bind :8080", "bind 127.0.0.1:8080")
    shown = {"X-Orgproxy-Key": key}
    with Haproxy(config, 8080, CLIENT_KEY=key) as front:
        until(lambda: get(8080, **shown).status == 200, "a replica answers")
        expect(get(8080).status == 403, "who shows no key is let in")
        for _ in range(20):
            expect(get(8080, **shown).status == 200, "an answer is missing")
        until(lambda: served(one) > 5 and served(two) > 5, "both are asked")
        # As long as orgproxy takes it.
        expect(get(8080, Pad="x" * 60_000, **shown).status == 200, "a long head is refused")

        stays_with_its_replica(shown, [one, two])

        # The other takes over, and takes part again: whoever asks notices neither.
        with Load(shown) as load:
            load.until(200)
            set_state("maint")
            one.stop()
            load.until(400)
            before = served(two)
            one = replica(2)
            set_state("ready")
            load.until(400)
            until(lambda: served(one) > 20, "the new one is asked")
            expect(served(two) > before, "the other is not asked any more")
        expect(not one.said("CLIENT_KEY_MISSING"), "checks show no key, which is worth a warning")
        # If one is lost, what can be repeated goes to the other.
        with Load(shown, ["GET"]) as reads:
            reads.until(200)
            # Once it hangs, all clients sooner or later wait for it.
            two.process.send_signal(signal.SIGSTOP)
            until(reads.rest, "requests wait for the one that hangs")
            two.process.kill()
            reads.until(400)
        one.stop()
        answer = get(8080, **shown)
        expect(answer.status == 503 and json.loads(answer.text)[0]["errorCode"], answer.text)
        expect(front.process.poll() is None, "haproxy has ended")
    return f"{load.count} requests over a restart and {reads.count} over a loss, none failed"


def set_state(state):
    """As the compose file says how a replica is restarted."""
    with socket.create_connection(("127.0.0.1", 9990), BOUND) as haproxy:
        haproxy.sendall(f"set server any/one state {state}; set server cometd/one state {state}\n".encode())
        said = haproxy.makefile().read().strip()
    expect(not said, said)


def stays_with_its_replica(shown, both):
    path = "/cometd/62.0/handshake"
    hello = [{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}]
    headers = {"Content-Type": "application/json", **shown}
    first = get(8080, path, method="POST", body=json.dumps(hello), **headers)
    expect(first.status == 200 and '"clientId"' in first.text, first.text)
    cookies = [it.split(";")[0] for it in first.headers.get_all("Set-Cookie")]
    stays = [it for it in cookies if it.startswith("ORGPROXY=")]
    expect(len(stays) == 1, f"{cookies}")

    def asked(it):
        return sum(" /cometd/" in line for line in it.lines)

    until(lambda: sum(map(asked, both)) == 1, "it is in an access log")
    before = [asked(it) for it in both]
    for _ in range(6):
        get(8080, path, method="POST", body=json.dumps(hello), Cookie="; ".join(cookies), **headers)
    until(lambda: sum(map(asked, both)) == 7, "they are in an access log")
    after = [asked(it) for it in both]
    expect(sorted(new - old for old, new in zip(before, after)) == [0, 6], f"{before} {after}")
    expect(after[0 if stays[0].endswith("one") else 1] == 7, "the cookie names the other")


class Load:
    """Clients that ask all the time, half of them over one connection, and half of them to write."""

    def __init__(self, shown, methods=("GET", "POST")):
        self.shown, self.count, self.failed, self.is_over = shown, 0, 0, False
        self.why = None
        kinds = [(kept, method) for kept in [True, False] for method in methods]
        self.threads = [threading.Thread(target=self.ask, args=kind) for kind in kinds]

    def ask(self, kept, method):
        connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=BOUND)
        while not self.is_over:
            try:
                if method == "GET":
                    connection.request("GET", LIMITS, headers=self.shown)
                else:
                    headers = {"Content-Type": "application/json", **self.shown}
                    connection.request("POST", ACCOUNT, body='{"Name":"x"}', headers=headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status not in [200, 201]:
                    self.failed, self.why = self.failed + 1, (method, answer.status)
            except (OSError, http.client.HTTPException) as error:
                self.failed, self.why = self.failed + 1, (method, error)
                connection.close()
            self.count += 1
            if not kept:
                connection.close()
        connection.close()

    def until(self, more):
        end = self.count + more
        until(lambda: self.count >= end, f"{more} more requests")

    def rest(self):
        before = self.count
        time.sleep(0.2)
        return self.count == before

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join(BOUND)
        if not kind:
            expect(self.failed == 0, f"{self.failed} of {self.count} failed, as by {self.why}")


class Haproxy:
    def __init__(self, config, port, **env):
        self.config, self.port, self.env = config, port, env

    def __enter__(self):
        file = Path("/tmp/haproxy.cfg")
        file.write_text(self.config)
        place = os.environ | self.env
        self.process = subprocess.Popen(["haproxy", "-db", "-f", file], env=place, stderr=subprocess.DEVNULL)
        until(lambda: get(self.port, "/").status, "haproxy listens")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(BOUND)


def agent(_facts, docker):
    """The page about an agent shows of a terminal what a terminal shows."""
    folder = Path("/etc/orgproxy")
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    certified_key(folder)
    (folder / "proxy.toml").write_text(with_demo(docker["agent/proxy.toml"]))
    env = {"CLIENT_KEY": "00D000000000000!AQ" + "0123456789abcdef" * 5}
    proxy = Container({}, env)
    _, shown = docker["agent/README.md"].split("```console\n")
    shown, _ = shown.split("```")
    steps = [step.split("\n", 1) for step in shown.removeprefix("$ ").split("\n$ ")]
    mark = "-- next --"
    script = f"\necho; echo '{mark}'\n".join(command for command, *_ in steps)
    done = subprocess.run(
        ["bash", "-c", script], env=proxy.place["env"], text=True, capture_output=True, timeout=BOUND
    )
    printed = done.stdout.split(f"\n{mark}\n")
    expect(len(printed) == len(steps), done.stdout + done.stderr)
    for (command, *expected), text in zip(steps, printed):
        wanted = ".*".join(map(re.escape, "".join(expected).strip().split("…")))
        expect(re.fullmatch(wanted, text.strip(), re.DOTALL), f"{command}\n{text}\n{wanted}")
    proxy.stop()
    return f"{len(steps)} commands, as the page shows them"


def certified_key(folder):
    """A key, and the certificate by which the org that is built in lets it in."""
    key, certificate = folder / "server.key", folder / "server.crt"
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=orgproxy",
        "-keyout", key, "-out", certificate)
    key.chmod(0o640)
    os.chown(key, 0, GID)


def with_demo(text):
    return filled_in(text).replace("[org.main]\n", "[org.main]\ndemo = true\n")


def supervised(_facts, docker):
    """The service under OpenRC: started as its user, started again, stopped; not with a mistake."""
    for folder in "started starting softscripts daemons exclusive options tmp".split():
        Path("/run/openrc", folder).mkdir(parents=True)
    Path("/run/openrc/softlevel").write_text("default")
    # Of a program that only Debian's has, for scripts of another kind.
    Path("/etc/insserv.conf").touch()
    script = Path("/etc/init.d/orgproxy")
    script.write_text(docker["orgproxy.openrc"])
    script.chmod(0o755)
    run("groupadd", "--system", "orgproxy")
    run("useradd", "--system", "--gid", "orgproxy", "--home-dir", "/var/empty",
        "--shell", "/usr/sbin/nologin", "orgproxy")
    folder = Path("/etc/orgproxy")
    folder.mkdir()
    folder.chmod(0o755)
    key, config = folder / "server.key", folder / "proxy.toml"
    key.write_text(private_key())
    key.chmod(0o640)
    shutil.chown(key, "root", "orgproxy")
    config.write_text(
        '[org.main]\nclient_id = "3MVG9"\nusername = "me@example.com"\n'
        'private_key = { file = "server.key", allow_group_read = true }\n'
    )
    # Else it would take the change by itself.
    config.write_text("watch_files = false\n" + config.read_text())

    def service(command):
        done = subprocess.run(
            ["rc-service", "--nodeps", "orgproxy", command], text=True, capture_output=True, timeout=BOUND
        )
        return done.returncode, done.stdout + done.stderr

    def processes(user):
        listed = subprocess.run(["pgrep", "-u", user, "-x", "orgproxy"], text=True, capture_output=True)
        return listed.stdout.split()

    def is_served():
        return get(8080).status == 503

    status, said = service("start")
    expect(status == 0, said)
    until(is_served, "it serves")
    [process] = processes("orgproxy")
    expect("NoNewPrivs:\t1" in Path(f"/proc/{process}/status").read_text(), "it may get more rights")
    expect(service("status")[0] == 0, "it is not known to run")
    os.kill(int(process), signal.SIGKILL)
    until(lambda: processes("orgproxy") not in [[], [process]], "it is started again")
    until(is_served, "it serves again")
    expect(get(8080, Host="acme.test").status == 421, "it knows a name that is not its own")
    config.write_text(config.read_text() + 'hosts = ["acme.test"]\n')
    status, said = service("reload")
    expect(status == 0, said)
    until(lambda: get(8080, Host="acme.test").status == 503, "it takes the new name")
    status, said = service("stop")
    expect(status == 0 and processes("orgproxy") == [], said)
    config.write_text(config.read_text() + "nonsense = 1\n")
    for command in ["checkconfig", "start"]:
        status, said = service(command)
        expect(status != 0 and "unknown key" in said, f"{command}: {said}")
    expect(processes("orgproxy") == [], "it runs in spite of the mistake")
    return "started, killed, started again, reloaded, stopped, and not started with a mistake"


class Answer:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text


def get(port, path=LIMITS, method="GET", body=None, **headers):
    """An answer; one without a status if there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=BOUND)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())
    except (OSError, http.client.HTTPException) as error:
        return Answer(None, {}, str(error))
    finally:
        connection.close()


def private_key():
    return run("openssl", "genrsa", "2048")


def filled_in(text):
    return text.replace("3MVG9-REPLACE-ME", "3MVG9").replace("replace.me@", "me@")


def run(*words):
    done = subprocess.run(words, text=True, capture_output=True, timeout=BOUND)
    expect(done.returncode == 0, f"{words}: {done.stderr}")
    return done.stdout


def until(holds, what):
    end = time.monotonic() + BOUND
    while not holds():
        expect(time.monotonic() < end, f"not within {BOUND} s: {what}")
        time.sleep(0.02)


class Failed(Exception):
    pass


def expect(holds, message):
    if not holds:
        raise Failed(message)


def reap(child):
    """Does what the first process of a machine is for, until `child` has ended."""
    while True:
        ended, status = os.wait()
        if ended == child:
            os._exit(os.waitstatus_to_exitcode(status) and 1)


if __name__ == "__main__":
    if child := os.fork():
        reap(child)
    main(sys.argv[1])
