"""What a program is for: read from its own headers, so that no package says otherwise."""

import gzip
import re
import subprocess
import tempfile
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from tools import Failed, run

# Each maker of packages has names of its own for a kind of processor: Go's are Debian's.
GO = {"x86_64": "amd64", "aarch64": "arm64"}
NODE = {"x86_64": "x64", "aarch64": "arm64"}

COMPLETIONS = {"bash": "orgproxy.bash", "zsh": "_orgproxy", "fish": "orgproxy.fish"}


class Program:
    def __init__(self, path):
        self.path = Path(path).resolve()
        try:
            with self.path.open("rb") as file:
                self.read(ELFFile(file))
        except FileNotFoundError:
            raise Failed(f"there is no {path}: build it first") from None
        except ELFError:
            raise Failed(f"{path} is not a program for Linux; there are no packages for others yet") from None

    def read(self, elf):
        machines = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}
        self.machine = machines.get(elf["e_machine"])
        if not self.machine:
            raise Failed(f"{self.path} is for {elf['e_machine']}; there are packages for {[*machines]}")
        if elf.get_section_by_name(".symtab"):
            raise Failed(f"{self.path} is not stripped: is it a build for release?")
        tags = [tag for section in elf.iter_sections("SHT_DYNAMIC") for tag in section.iter_tags()]
        self.libraries = [tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"]
        versions = [(entry.name, each.name) for section in elf.iter_sections("SHT_GNU_verneed")
                    for entry, needed in section.iter_versions() for each in needed]
        # As rpm names them: libc.so.6(GLIBC_2.34).
        self.symbols = sorted({f"{library}({version})" for library, version in versions})
        floors = [tuple(map(int, found[1].split("."))) for _, version in versions
                  if (found := re.fullmatch(r"GLIBC_([\d.]+)", version))]
        # The oldest glibc that will do; None if it needs no library at all.
        self.glibc = max(floors) if floors else None
        known = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1"}
        strange = [library for library in self.libraries
                   if library not in known and not library.startswith("ld-linux")]
        if strange or (self.libraries and not self.glibc):
            raise Failed(f"{self.path} needs {self.libraries}: link it to glibc only, or statically")

    @property
    def target(self):
        """Rust's name of the platform. What needs no library was linked to musl."""
        return f"{self.machine}-unknown-linux-{'gnu' if self.glibc else 'musl'}"

    def pages(self):
        """Its manual, a page for each command, by name."""
        with tempfile.TemporaryDirectory() as folder:
            self.says("man", "--dir", folder)
            return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}

    def completions(self):
        return {name: self.says("completions", shell).encode() for shell, name in COMPLETIONS.items()}

    def says(self, *words):
        return run([str(self.path), *words])

    def runs_here(self):
        try:
            return subprocess.run([self.path, "--version"], capture_output=True, check=False).returncode == 0
        except OSError:
            return False


def zipped(content):
    """As gzip -9n does it: the same for the same content."""
    return gzip.compress(content, 9, mtime=0)
