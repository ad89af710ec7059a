"""Headless Firefox, which shows one page after the other. Nothing is asked of it: the pages report."""

import os
import shutil
import subprocess
from pathlib import Path

from chromium import Failed

SETTINGS = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.disable_open_during_load": False,
    "dom.security.https_first": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class Firefox:
    """One browser, which knows `names` as this machine."""

    def __init__(self, folder, names):
        self.program = shutil.which("firefox-esr") or shutil.which("firefox")
        if not self.program:
            raise Failed("there is no firefox-esr: try .ci/run packages")
        self.folder = Path(folder)
        self.names = names
        self.count = 0
        self.process = None

    def open(self, url):
        self.close()
        self.count += 1
        # A profile of its own each time, so that nothing is left of the page before.
        profile = self.folder / f"firefox-{self.count}"
        profile.mkdir()
        settings = SETTINGS | {"network.dns.localDomains": ",".join(self.names)}
        lines = [f"user_pref({quoted(name)}, {quoted(value)});" for name, value in settings.items()]
        (profile / "user.js").write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen(
            [self.program, "--headless", "--no-remote", "--profile", profile, url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"HOME": str(self.folder)},
            start_new_session=True,
        )

    def close(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


def quoted(value):
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower()
