"""Headless Chromium, led by the DevTools protocol over a pipe."""

import base64
import json
import os
import select
import shutil
import subprocess
import time

# For an answer of the browser, which may be slow to start on a busy machine.
ANSWER = 60


class Failed(Exception):
    pass


class Left(Failed):
    """The page was left while it was asked."""


class Chromium:
    """One browser with one page."""

    def __init__(self, folder, *more):
        program = shutil.which("chromium") or shutil.which("google-chrome")
        if not program:
            raise Failed("there is no chromium: try .ci/run packages")
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()
        options = [
            "--headless",
            "--remote-debugging-pipe",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/chromium",
        ]
        # It refuses to run as root with it.
        options += ["--no-sandbox"] if os.getuid() == 0 else []
        options += more
        # The browser reads 3 and writes 4.
        script = f'exec "$@" 3<&{commands} 4>&{answers}'
        self.process = subprocess.Popen(
            ["bash", "-c", script, "chromium", program, *options, "about:blank"],
            pass_fds=[commands, answers],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"HOME": str(folder)},
            start_new_session=True,
        )
        os.close(commands)
        os.close(answers)
        self.number = 0
        self.read = b""
        self.session = None
        # What the page complains of: each a text.
        self.errors = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ["Page", "Runtime", "Log"]:
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + ANSWER
        while True:
            message = self.next(end)
            if message.get("id") == number:
                if "error" in message:
                    kind = Left if "target navigated" in message["error"]["message"] else Failed
                    raise kind(f"{method}: {message['error']}")
                return message["result"]

    def next(self, end):
        while b"\0" not in self.read:
            ready, _, _ = select.select([self.answers], [], [], max(0, end - time.monotonic()))
            more = os.read(self.answers, 1 << 20) if ready else b""
            if not more:
                raise Failed("the browser does not answer")
            self.read += more
        whole, self.read = self.read.split(b"\0", 1)
        message = json.loads(whole)
        self.note(message.get("method"), message.get("params", {}))
        return message

    def note(self, method, event):
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(event["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
            self.errors.append(json.dumps(event["args"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")

    def open(self, url):
        self.call("Page.navigate", url=url)

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in result:
            raise Failed(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, script, patience=30):
        """The value of `script` once it is true."""
        end = time.monotonic() + patience
        while not (value := self.tried(script)):
            if time.monotonic() > end:
                text = self.evaluate("document.body.innerText")
                raise Failed(f"not within {patience} s: {script}\n{text[:3000]}")
            time.sleep(0.1)
        return value

    def tried(self, script):
        """The value of `script`, or none while one page gives way to the next."""
        try:
            return self.evaluate(script)
        except Left:
            return None

    def look(self, width, scheme):
        """Has the page `width` pixels wide, and `light` or `dark`."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, file):
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)
