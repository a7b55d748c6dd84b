"""`wait` and `arrive`: what init containers do with objects that many wait for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from konductor_core.client import Konductor
from konductor_core.config import Settings
from konductor_core.coordination import Arrive
from konductor_core.identity import arrival_id
from sidecar.deadline import Deadline
from sidecar.say import message, progress
from sidecar.volume import Volume, root

if TYPE_CHECKING:
    from konductor_core.identity import Kind


def wait_for(kind: Kind, name: str, timeout: str | None) -> None:
    """Wait until the object is open. Raises what the library's `wait` raises."""
    label = f"{kind.key}/{name}"
    deadline = Deadline(Volume(root(os.environ)), f"wait-{kind.key}-{name}", timeout)
    with Konductor(settings=Settings.load()) as k:
        done = _handle(k, kind, name).wait(timeout=deadline.left, on_progress=progress(label))
    message(f"{label} is {done.summary}")


def arrive_at(kind: Kind, name: str) -> None:
    """Arrive once for the pod, or be done. Raises what the library's `arrive` or `done` raises."""
    label = f"{kind.key}/{name}"
    settings = Settings.load()
    who = arrival_id(os.environ, settings.holder)
    with Konductor(settings=settings) as k:
        arrived = getattr(_handle(k, kind, name), Arrive(kind, name).verb)(who, on_progress=progress(label))
    again = "" if arrived.counted else " (had arrived before)"
    message(f"{who} arrived at {label}: {arrived.summary}, {arrived.phase.lower()}{again}")


def _handle(k: Konductor, kind: Kind, name: str) -> Any:  # noqa: ANN401 - each kind has its own class
    return getattr(k, kind.key)(name)
