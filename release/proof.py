"""That files are those of this release: checksums, where they come from, and a signature of both."""

import json
import os

import project
from manifests import digest
from tools import ROOT, Failed, run

SUMS = "SHA256SUMS"
PROVENANCE = "provenance.json"

# What a signature is for, so that it does for nothing else: `ssh-keygen -Y verify -n file`.
NAMESPACE = "file"


def make(programs, into, key):
    for name in [SUMS, f"{SUMS}.sig", PROVENANCE]:
        (into / name).unlink(missing_ok=True)
    sums = {path.name: digest(path) for path in sorted(into.iterdir())}
    (into / PROVENANCE).write_text(json.dumps(provenance(programs, sums), indent=2) + "\n")
    sums[PROVENANCE] = digest(into / PROVENANCE)
    (into / SUMS).write_text("".join(f"{sum}  {name}\n" for name, sum in sorted(sums.items())))
    if key:
        sign(into / SUMS, key)
    else:
        print("signature: left out, since there is no --key")


def provenance(programs, sums):
    """As an in-toto statement with the predicate of SLSA: https://slsa.dev/spec/v1.0/provenance."""
    commit = run(["git", "rev-parse", "HEAD"], cwd=ROOT).strip()
    # Of a run on GitHub, which workflow it was, and which run.
    workflow = os.environ.get("GITHUB_WORKFLOW_REF")
    builder = f"https://github.com/{workflow}" if workflow else f"{project.REPOSITORY}/blob/{commit}/release/pack"
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": sum}} for name, sum in sums.items()],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": f"{project.REPOSITORY}/blob/v{project.VERSION}/release/pack",
                "externalParameters": {"platforms": [program.target for program in programs]},
                "internalParameters": {"programs": {program.target: digest(program.path)
                                                    for program in programs}},
                "resolvedDependencies": [{"uri": f"git+{project.REPOSITORY}@v{project.VERSION}",
                                          "digest": {"gitCommit": commit}}],
            },
            "runDetails": {"builder": {"id": builder}},
        },
    }


def sign(path, key):
    if not key.exists():
        raise Failed(f"there is no key {key}: `ssh-keygen -t ed25519` makes one")
    run(["ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", key, path])
