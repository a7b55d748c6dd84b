"""Linux calls that Python 3.11 has no name for, and one that only a slow module has.

Imported by the first process of every container (`init.py`), before site-packages and with as few modules as possible:
each start of a container pays for them. Calls raise OSError with the kernel's errno.
"""
# ruff: noqa: PTH123, PTH208
# pathlib takes longer to import than all of this

from __future__ import annotations

import ctypes
import os
import sys

AVAILABLE = sys.platform == "linux"
"""Elsewhere nothing here may be called but `die_with_parent`, which does nothing then."""

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

LOCKED_FLAGS = 2 | 4 | 8
"""nosuid, nodev and noexec, the same bits in statvfs and mount; a user namespace may not drop them in a remount."""

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
    """Mount a file system; None stands for a NULL pointer."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, fstype, data)]
    result = _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _check(result, f"mount on {target}")


def bind(source: str, target: str, *, read_only: bool = False) -> None:
    """Bind `source` with everything mounted below it onto `target`, which must exist and be of the same type."""
    mount(source, target, flags=MS_BIND | MS_REC)
    if read_only:
        kept = os.statvfs(target).f_flag & LOCKED_FLAGS
        mount(None, target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def sethostname(name: str) -> None:
    """Name the host of this UTS namespace."""
    encoded = os.fsencode(name)
    _check(_libc.sethostname(encoded, ctypes.c_size_t(len(encoded))), "sethostname")


def die_with_parent(signal_number: int) -> None:
    """Ask for a signal when the thread that forked this process ends.

    A change of credentials, such as entering a user namespace, clears it: call it after that.
    """
    if AVAILABLE:
        _check(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0), "prctl")


def children(pid: int) -> list[int]:
    """Return the ids of the direct children of a process, read from /proc; none where there is no /proc."""
    found = []
    for name in os.listdir("/proc") if AVAILABLE else ():
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:  # ended while we looked
            continue
        if len(fields) > 1 and int(fields[1]) == pid:
            found.append(int(name))
    return found
