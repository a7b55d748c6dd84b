"""What a run prints: prefixed lines, one by one. On a terminal `live.py` adds a table below them.

A container's line is `[pod container] text`, the runner's own is `-- text`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TextIO

from koncli.kinds import ref
from koncli.local.state import FAILED, PENDING, SUCCEEDED
from koncli.local.timeline import lines as timeline_lines
from koncli.local.timeline import rows
from koncli.views import view_of
from konductor_core.identity import Kind
from konductor_core.models import Status

if TYPE_CHECKING:
    from koncli.local.pod import Pod

Objects = Mapping[tuple[Kind, str], Status]
"""The last known status of each object of the run."""

PLAIN_WIDTH = 110


class LinesView:
    """Plain lines on a stream, flushed one by one. A stream that breaks ends the run through `on_broken`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.on_broken: Callable[[], None] = lambda: None
        self.broken: OSError | None = None
        self._told: dict[tuple[Kind, str], tuple[str, str]] = {}

    def start(self, pods: Callable[[], list[Pod]], objects: Objects) -> None:
        """Begin; `pods` and `objects` are what there is to see from now on."""

    def stop(self) -> None:
        """Nothing more will move."""

    def tick(self) -> None:
        """Look again: some time has passed."""

    def changed(self) -> None:
        """Do nothing: a pod's state alone is not worth a line."""

    def object_changed(self, kind: Kind, name: str, status: Status) -> None:
        """Print a line for each change that shows in the object's columns."""
        facts, phase = object_state(kind, status)
        if self._told.get((kind, name)) != (facts, phase):
            self._told[kind, name] = facts, phase
            self.say(f"{ref(kind, name)}: {phase}, {facts}")

    def lines(self, pod: str, container: str, texts: list[str]) -> None:
        """Print lines of a container."""
        self.write("\n".join(f"[{pod} {container}] {text}" for text in texts))

    def say(self, text: str) -> None:
        """Print one line of the runner."""
        self.write(f"-- {text}")

    def timeline(self, pods: list[Pod], origin: float) -> None:
        """Print each pod's waiting and working, on the scale of the whole run."""
        self.write("")
        for text, bar, outcome in timeline_lines(rows(pods, origin, time.monotonic()), PLAIN_WIDTH):
            self.write(f"{text}  {bar}  {outcome}".rstrip())

    def write(self, text: str) -> None:
        """Print a line as it is."""
        self.guard(lambda: print(text, file=self._stream, flush=True))

    def guard(self, action: Callable[[], object]) -> None:
        """Do something with the stream; once it is broken, nothing."""
        if self.broken is None:
            try:
                action()
            except OSError as error:
                self.broken = error
                self.on_broken()


def pod_state(pod: Pod) -> str:
    """Return the pod's state as `kubectl get pods` words it."""
    if pod.phase == SUCCEEDED:
        return "Completed"
    if pod.phase == FAILED:
        return "DeadlineExceeded" if pod.reason == "DeadlineExceeded" else "Error"
    if pod.stopping:
        return "Terminating"
    if pod.gated:
        return "SchedulingGated"
    if any(run.phase == "backoff" for run in pod.containers.values()):
        return "CrashLoopBackOff"
    if pod.phase == PENDING and pod.spec.init:
        runs = [pod.containers[each.name] for each in pod.spec.init]
        done = sum(run.has_started.is_set() if run.container.sidecar else run.phase == "ended" for run in runs)
        return f"Init:{done}/{len(pod.spec.init)}"
    return pod.phase


def object_state(kind: Kind, status: Status) -> tuple[str, str]:
    """(facts, phase) of an object, from the columns of its kind: `("arrived 3/5, waiting 2", "Waiting")`."""
    cells = {column.header: column.text(status) for column in view_of(kind).columns if not column.wide}
    phase = cells.pop("PHASE", "")
    return ", ".join(f"{header.lower()} {text}" for header, text in cells.items()), phase
