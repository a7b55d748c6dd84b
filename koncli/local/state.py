"""What is known of a pod and its containers: phases, restarts, last words, and who is told."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from koncli.local.podspec import Container
    from koncli.local.process import Exit

__all__ = ["FAILED", "PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "Audience", "ContainerRun", "back_off_ms"]

LAST_LINES = 12
"""Lines of output kept per container, to show why it failed."""

BACKOFF_MS = 1_000
BACKOFF_MAX_MS = 30_000

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"
STOPPED = "Stopped"


def back_off_ms(failures: int) -> int:
    """How long to wait after so many failures: 1 s, 2 s, 4 s … 30 s (a cluster: 10 s to 5 min)."""
    return min(BACKOFF_MS << min(failures - 1, 10), BACKOFF_MAX_MS) if failures > 0 else 0


class Audience(Protocol):
    """Who is told what happens."""

    def lines(self, pod: str, container: str, texts: list[str]) -> None:
        """Hear lines that a container printed."""

    def say(self, text: str) -> None:
        """Hear something from the runner itself."""

    def changed(self) -> None:
        """Notice that a pod is in another state."""


@dataclass(slots=True)
class ContainerRun:
    """What has become of one container: waiting, running, backoff or ended. Moments are monotonic seconds."""

    container: Container
    phase: str = "waiting"
    restarts: int = 0
    started: float | None = None
    ended: float | None = None
    exit: Exit | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    has_started: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once its startup probe has succeeded; from then on the containers after a sidecar may start."""
    ready: bool = False
