"""The processes of the pod's own containers, as the keeper sees them where the pod shares its process namespace."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

__all__ = ["reap", "terminate_app"]


def terminate_app(pod_uid: str) -> int:
    """Send TERM to every process of this pod but our own; returns how many got it.

    A process belongs to the pod if it was started with the pod's uid in its environment, which the webhook gives to all
    containers. Nothing else may get a signal: where process namespaces are not the pod's, others run beside us.
    """
    count = 0
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib is slow to import
        if name.isdigit() and int(name) != os.getpid():
            count += _terminate(int(name), f"POD_UID={pod_uid}".encode())
    return count


def _terminate(pid: int, mark: bytes) -> bool:
    """Send TERM to a process that has the mark, and to no other that may get its number meanwhile."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:  # it has ended
        return False
    try:
        with open(f"/proc/{pid}/environ", "rb") as environ:  # noqa: PTH123 - pathlib is slow to import
            variables = environ.read().split(b"\0")
        with open(f"/proc/{pid}/cmdline", "rb") as cmdline:  # noqa: PTH123
            ours = b"konductor-sidecar" in cmdline.read()
        if mark not in variables or ours:
            return False
        signal.pidfd_send_signal(handle, signal.SIGTERM)
    except OSError:  # it has ended, or runs as somebody else
        return False
    finally:
        os.close(handle)
    return True


def reap() -> None:
    """Collect what has ended below us: the first process of a container is given every orphan."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
