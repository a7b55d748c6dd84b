"""A clock that all containers of a pod share: milliseconds since the node was started, sleep included."""

from __future__ import annotations

import time

__all__ = ["boot_id", "boot_ms", "until"]

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_ms() -> int:
    """Return the present moment."""
    return time.clock_gettime_ns(_CLOCK) // 1_000_000


def boot_id() -> str:
    """Return which start of the node these moments count from; empty where that cannot be known."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123 - pathlib is slow to import
            return file.read().strip()
    except OSError:
        return ""


def until(expires_in: float) -> int | None:
    """Return the moment in so many seconds, rather too early; None for an infinite time."""
    return None if expires_in == float("inf") else boot_ms() + int(expires_in * 1000)
