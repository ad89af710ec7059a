"""A demo that runs, and what it answers to curl."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

from tools import Failed, run

# For the proxy to start, or to end.
BOUND = 60

QUERY = "/services/data/v62.0/query?q=SELECT+Name+FROM+Account+LIMIT+1"


class Demo:
    """`orgproxy demo` on ports that are free, by whatever command starts it."""

    def __init__(self, words, **place):
        self.printed = tempfile.TemporaryFile("w+")
        # With a group of its own: what npx or unshare starts goes when they go.
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.printed,
                                        stderr=subprocess.STDOUT, start_new_session=True, **place)
        try:
            self.address = self.listening()
        except Failed:
            self.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def listening(self):
        end = time.monotonic() + BOUND
        while time.monotonic() < end:
            ended = self.process.poll()
            if found := re.search(r"^listening on (http://\S+)", self.said(), re.MULTILINE):
                return found[1]
            if ended is not None:
                raise Failed(f"it ended with {ended}: {self.said()}")
            time.sleep(0.02)
        raise Failed(f"it does not listen after {BOUND} s: {self.said()}")

    def said(self):
        self.printed.seek(0)
        return self.printed.read()

    def answers(self):
        text = run(["curl", "--silent", "--show-error", "--max-time", "20", f"{self.address}{QUERY}"])
        try:
            names = [record["Name"] for record in json.loads(text)["records"]]
        except (ValueError, KeyError, TypeError):
            names = []
        if names != ["Zürich Timber"]:
            raise Failed(f"a record of the demo org was expected, and this came: {text}")

    def heals(self):
        """The session ends, and the next request is answered all the same."""
        path = "/services/apexrest/demo/session"
        run(["curl", "--silent", "--show-error", "--fail", "--max-time", "20", "-X", "DELETE", f"{self.address}{path}"])
        self.answers()

    def stops(self):
        """Waits until nobody is there any more."""
        end = time.monotonic() + BOUND
        host, port = self.address.removeprefix("http://").split(":")
        while time.monotonic() < end:
            try:
                socket.create_connection((host, int(port)), timeout=BOUND).close()
            except ConnectionRefusedError:
                return
            time.sleep(0.05)
        raise Failed(f"it still listens after {BOUND} s")

    def ends(self, number=signal.SIGTERM):
        """How it ends when it is asked to, as the shell says it."""
        self.process.send_signal(number)
        try:
            return self.process.wait(BOUND)
        except subprocess.TimeoutExpired:
            raise Failed(f"it goes on {BOUND} s after {number.name}") from None

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
