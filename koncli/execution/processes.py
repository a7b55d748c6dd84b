"""What Linux offers to hold processes together; elsewhere each call does as much as the system allows.

Three processes share one process group: the keeper (the koncli that was started), its child the guardian, and the
guardian's child, the command.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LINUX = sys.platform == "linux"

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    """Seconds of a monotonic clock, the same in all processes; on Linux it goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


def _prctl(option: int, value: int | bytes) -> None:
    """Set a property of this process; without it less is protected, and nothing else is lost."""
    if LINUX:
        import ctypes

        argument = value if isinstance(value, bytes) else ctypes.c_ulong(value)
        ctypes.CDLL(None).prctl(option, argument, 0, 0, 0)


def load() -> None:
    """Import what the calls below need, before a fork whose child should do little."""
    if LINUX:
        import ctypes

        ctypes.CDLL(None)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def go_on_after_parent() -> None:
    """Have a stop of this process ended when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)


def die_with(parent: int) -> None:
    """Have this process killed when its parent ends; end at once if that has happened already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


def call_itself(name: str) -> None:
    """Show this name (15 bytes at most) in `ps` and `top`."""
    _prctl(_PR_SET_NAME, name.encode()[:15])


def send(pid: int, signum: int) -> None:
    """Send a signal; a process that has ended, or that runs as somebody else by now, gets none."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)


def descendants(root: int) -> list[int]:
    """Return all living processes below one, parents before their children; none where there is no /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if LINUX else ():  # noqa: PTH208 - pathlib is slow to import
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123 - as above
                state, parent = stat.read().rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):  # ended while we looked
            continue
        if state not in b"ZX":
            children.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    level = [root]
    while level:
        level = [child for parent in level for child in children.get(parent, ())]
        found += level
    return found


def kill_all(below: Callable[[], list[int]], collect: Callable[[], bool], seconds: float) -> int:
    """Kill all processes below this one; returns how many are left after so many seconds.

    `below` names them, `collect` reaps those of them that have ended and tells whether there are more.
    """
    limit = clock() + seconds
    while True:
        found = below()
        for pid in found:
            send(pid, signal.SIGKILL)
        if not collect():
            return 0
        if clock() > limit:
            return len(found)
        time.sleep(0.005)  # noqa: TID251 - for the kernel to end them; each end makes new orphans


def let_go_of_pipes() -> None:
    """Leave stdin and stdout to the command alone: whoever is at their other ends sees when it closes them."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number, stream in ((0, sys.stdin), (1, sys.stdout)):
        if stream is not None:  # else the number may be one of ours
            os.dup2(nothing, number)
    os.close(nothing)
