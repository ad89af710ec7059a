"""A program for another processor, run by qemu as if it were for this one: `apt-get install qemu-user-static`."""

import functools
import os
import platform
from pathlib import Path

from made import as_root, program
from program import GO, Program
from tools import Failed

BINFMT = Path("/proc/sys/fs/binfmt_misc")

# How a program for it begins, and which bits of that count: as qemu's own packages register it.
HEADS = {"aarch64": (r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00",
                     r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff")}


def processor():
    """The processor that the program is for, as Debian calls it. From now on it runs here."""
    if is_foreign():
        register(machine())
    return GO[machine()]


def is_foreign():
    # What is built here is for here.
    return bool(os.environ.get("ORGPROXY_BIN")) and machine() != platform.machine()


@functools.cache
def machine():
    return Program(program()).machine


@functools.cache
def register(machine):
    """Has the kernel run what is for another processor by qemu: everywhere, also in a folder without qemu."""
    as_root()
    head = HEADS.get(machine)
    qemu = Path(f"/usr/bin/qemu-{machine}-static")
    if not head or not qemu.exists():
        raise Failed(f"nothing here runs programs for {machine}: is there {qemu}?")
    if not (BINFMT / f"qemu-{machine}").exists():
        (BINFMT / "register").write_text(f":qemu-{machine}:M::{head[0]}:{head[1]}:{qemu}:F")
