"""What a client of the proxy is told, and what all of them do."""

import json
import os
import sys
import urllib.request
from contextlib import contextmanager

HTTP = os.environ["PROXY"]
"""`http://127.0.0.1:PORT`"""

TLS = os.environ["PROXY_TLS"]
"""`https://localhost:PORT`"""

CA = os.environ["PROXY_CA"]
"""The file of the authority that signed the certificate of `TLS`."""

PUBSUB = os.environ["PROXY_PUBSUB"]
"""`127.0.0.1:PORT`, where HTTP/2 is spoken without TLS."""

PLACEHOLDER = os.environ["PLACEHOLDER"]

VERSION = "62.0"


def did(what):
    """Tells of a step that is done."""
    print(what, flush=True)


def needs(listener, what):
    if not listener:
        sys.exit(f"the proxy does not listen for {what}")


def end_session():
    """Has the org end the session that the proxy uses, behind its back as far as it knows."""
    url = HTTP + "/services/apexrest/demo/session"
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE")) as answer:
        ended = json.load(answer)["ended"]
    assert ended >= 1, "there was no session to end"


def rest(method, path, body=None):
    """A request that is not the client's own, to see what it has done."""
    request = urllib.request.Request(
        f"{HTTP}/services/data/v{VERSION}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def equal(got, expected):
    assert got == expected, f"{got!r} is not {expected!r}"


@contextmanager
def session_ends_after(count, session):
    """Ends it after that many requests of a `requests` session: between two that a library makes
    by itself."""
    left = count

    def hook(answer, *_args, **_kwargs):
        nonlocal left
        left -= 1
        if left == 0:
            end_session()
        return answer

    session.hooks["response"].append(hook)
    yield
    session.hooks["response"].remove(hook)
    assert left < 0, "no request came after the end of the session"
