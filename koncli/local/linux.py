"""The four Linux calls Python 3.11 has no name for: unshare, mount, prctl and the proc children list.

Standard library only: this module is imported by the container's first process (`init.py`), which starts before site-packages.
Every call raises OSError with the kernel's errno; on other systems `AVAILABLE` is False and nothing here may be called but `die_with_parent`.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

AVAILABLE = sys.platform == "linux"

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

MS_RDONLY = 1
MS_REMOUNT = 32
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18

# Flags a user namespace may not drop when it remounts, as (statvfs bit, mount bit); both happen to be the kernel's numbers.
LOCKED_FLAGS = 2 | 4 | 8  # nosuid, nodev, noexec

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Move this process into new namespaces (`CLONE_NEW…` flags); a new PID namespace starts with the next fork."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str | None, target: str, fstype: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """mount(2); None stands for a NULL pointer."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, fstype, data)]
    result = _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _check(result, f"mount on {target}")


def bind(source: str, target: str, *, read_only: bool = False) -> None:
    """Bind `source` with everything mounted below it onto `target`, which must exist and be of the same type."""
    mount(source, target, flags=MS_BIND | MS_REC)
    if read_only:
        kept = os.statvfs(target).f_flag & LOCKED_FLAGS
        mount(None, target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def die_with_parent(signal_number: int) -> None:
    """Ask for `signal_number` when the thread that forked this process ends. A change of credentials clears it: call it after those."""
    if AVAILABLE:
        _check(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0), "prctl")


def children(pid: int) -> list[int]:
    """Process ids of the direct children of `pid`, read from /proc; empty where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # ended while we looked
            continue
        if len(fields) > 1 and int(fields[1]) == pid:
            found.append(int(entry.parent.name))
    return found
