"""`release/check`: does it see each disagreement?"""

import re
import shutil
import subprocess

from made import ROOT, dist, expect, fresh, program
from project import VERSION
from tools import run

CHECK = ROOT / "release/check"

NOT_YET = re.compile(r"^## Unreleased$", re.MULTILINE)


def agree():
    """This commit, and the packages that were made of it."""
    return run([CHECK, "--dist", dist()]).strip()


def commit():
    """The program says of which commit it is."""
    lines = run([program(), "--version"]).splitlines()
    head = run(["git", "rev-parse", "HEAD"], cwd=ROOT).strip()
    said = next((line for line in lines if line.startswith("commit")), "no commit")
    expect(head in said, f"it is of {head} and says {said}")
    return said


def disagree():
    """Each of them changed, and all at once; and what a release must have."""
    told = [tried(*each) for each in CHANGES]
    copy = Copy()
    for path, old, new, _ in CHANGES:
        copy.change(path, old, new)
    said = copy.checked()
    for *_, wanted in CHANGES:
        expect(wanted in said, f"of all changes at once `{wanted}` is not told: {said}")
    released()
    packages()
    return f"{len(told)} changes, a release and a package"


# In this file, this becomes that, and so it is said.
CHANGES = [
    ("Cargo.lock", f'name = "orgproxy"\nversion = "{VERSION}"', 'name = "orgproxy"\nversion = "7.0.0"',
     "Cargo.lock says 7.0.0"),
    ("docker/kubernetes/shared/kustomization.yaml", f"newTag: {VERSION}", "newTag: 7.0.1",
     "shared/kustomization.yaml says 7.0.1"),
    ("docker/kubernetes/sidecar/kustomization.yaml", f"newTag: {VERSION}", "newTag: 7.0.2",
     "sidecar/kustomization.yaml says 7.0.2"),
    ("CHANGELOG.md", "# Changelog\n", "# Changelog\n\n## 7.0.3 - 2026-01-01\n", "section for 7.0.3"),
    ("CHANGELOG.md", "# Changelog\n", "# Changelog\n\n## Soon\n", "has a section Soon"),
]


class Copy:
    """What the check reads, in a repository of its own."""

    def __init__(self):
        self.folder = fresh("copy")
        for path in ["Cargo.toml", "Cargo.lock", "CHANGELOG.md", "release", "docker/kubernetes"]:
            copy = shutil.copytree if (ROOT / path).is_dir() else shutil.copy
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            copy(ROOT / path, self.folder / path)
        who = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        run(["git", "init", "--quiet"], cwd=self.folder)
        run(["git", *who, "commit", "--quiet", "--allow-empty", "--message=test"], cwd=self.folder)

    def change(self, path, old, new):
        text = (self.folder / path).read_text()
        expect(old in text, f"{path} has no {old}")
        (self.folder / path).write_text(text.replace(old, new, 1))

    def tag(self, name):
        run(["git", "tag", name], cwd=self.folder)

    def checked(self, *words, code=1):
        ended = subprocess.run([self.folder / "release/check", *words], capture_output=True, text=True)
        said = ended.stdout + ended.stderr
        expect(ended.returncode == code, f"it ends with {ended.returncode}, not {code}: {said}")
        return said


def tried(path, old, new, wanted):
    copy = Copy()
    copy.checked(code=0)
    copy.change(path, old, new)
    said = copy.checked()
    expect(wanted in said, f"it does not say `{wanted}`: {said}")
    return wanted


def released():
    """With a tag: the tag itself, a section of the changelog, and no placeholder."""
    copy = Copy()
    copy.tag("v7.0.4")
    text = (copy.folder / "CHANGELOG.md").read_text()
    (copy.folder / "CHANGELOG.md").write_text(NOT_YET.sub("## Unreleased", text))
    said = copy.checked()
    for wanted in ["has the tag v7.0.4", "`repository` in Cargo.toml is a placeholder",
                   "`maintainer` in Cargo.toml is a placeholder"]:
        expect(wanted in said, f"it does not say `{wanted}`: {said}")
    copy = Copy()
    copy.tag(f"v{VERSION}")
    manifest = (copy.folder / "Cargo.toml").read_text()
    (copy.folder / "Cargo.toml").write_text(manifest.replace("example.com", "example.org"))
    text = (copy.folder / "CHANGELOG.md").read_text()
    if NOT_YET.search(text):
        said = copy.checked()
        expect("CHANGELOG.md begins with Unreleased" in said, said)
        (copy.folder / "CHANGELOG.md").write_text(NOT_YET.sub(f"## {VERSION} - 2026-01-01", text))
    expect(f"tag v{VERSION}" in copy.checked(code=0), "the tag is not among what agrees")


def prepared():
    """`release/prepare` makes the next version of it, which agrees; and it goes no way back."""
    copy = Copy()
    if "## Unreleased" not in (copy.folder / "CHANGELOG.md").read_text():
        copy.change("CHANGELOG.md", "# Changelog\n", "# Changelog\n\n## Unreleased\n")
    prepare = copy.folder / "release/prepare"
    for wrong in ["0.0.1", "v7.0.0", "7.0", "7.0.0+build"]:
        ended = subprocess.run([prepare, wrong], capture_output=True, text=True)
        expect(ended.returncode == 1 and ended.stderr.count("\n") == 1, f"{wrong}: {ended}")
    copy.checked(code=0)
    said = run([prepare, "7.0.6-rc.1"])
    expect("git tag v7.0.6-rc.1" in said, said)
    expect("all say 7.0.6-rc.1" in copy.checked(code=0), "it does not agree")
    ended = subprocess.run([prepare, "7.0.7"], capture_output=True, text=True)
    expect("CHANGELOG.md has 0 places" in ended.stderr, f"without changes: {ended}")
    expect("all say 7.0.6-rc.1" in copy.checked(code=0), "it changed something nevertheless")


def packages():
    """Cargo.toml went on, and the packages did not."""
    copy = Copy()
    for path, old, new in [("Cargo.toml", f'\nversion = "{VERSION}"', '\nversion = "7.0.5"'),
                           ("Cargo.lock", f'name = "orgproxy"\nversion = "{VERSION}"',
                            'name = "orgproxy"\nversion = "7.0.5"')]:
        copy.change(path, old, new)
    said = copy.checked("--dist", dist())
    for path in dist().iterdir():
        # It names files only.
        if path.name == "SHA256SUMS":
            continue
        expect(f"{path.name} says {VERSION}" in said, f"{path.name} is not told: {said}")
    expect(f"the program in orgproxy-{VERSION}" in said, f"the program is not told: {said}")
