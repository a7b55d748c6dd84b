"""What can be done about a wait, each with the command that does it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from konductor_core.amounts import LEASED
from konductor_core.durations import about
from konductor_core.explaining.world import label
from konductor_core.identity import Kind
from konductor_core.models.barrier import BarrierStatus
from konductor_core.models.base import Model
from konductor_core.models.base import text as text_shape
from konductor_core.models.gate import GateStatus
from konductor_core.models.once import OnceStatus
from konductor_core.models.permits import PermitStatus
from konductor_core.models.semaphore import SemaphoreStatus
from konductor_core.models.waitgroup import WaitGroupStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from konductor_core.explaining.deadlock import Deadlock
    from konductor_core.explaining.links import Step
    from konductor_core.explaining.world import Held, Wait, World
    from konductor_core.flows.scenes import Ref
    from konductor_core.models import Status

__all__ = ["Remedies", "Remedy"]

MOST: Final = 8

_SPEC: Final = {Kind.SEMAPHORE: " --permits N", Kind.BARRIER: " --expected N"}
"""What `create` cannot do without."""


@dataclass(frozen=True, slots=True)
class Remedy(Model):
    """One way out; `command` does it, where one command does."""

    text: str = field(metadata=text_shape("What can be done, and when that is right."))
    command: str = field(default="", metadata=text_shape("The command that does it.", sparse=True))


class Remedies:
    """Collects the ways out, each once."""

    def __init__(self, world: World) -> None:
        self.found: dict[str, Remedy] = {}
        self._world = world

    def _add(self, text: str, *words: str) -> None:
        if len(self.found) >= MOST:
            return
        command = ""
        if words:
            command = " ".join(("koncli", *words, "-n", self._world.namespace))
        self.found.setdefault(command or text, Remedy(text, command))

    def _changing(self, status: Status, text: str, *words: str) -> None:
        """Add what changes an object: one that belongs to a custom resource is changed there."""
        if status.owner == "cli":
            self._add(text, *words)
            return
        kind = status.kind.plural
        command = f"kubectl -n {status.namespace} edit {kind}.konductor.io {status.name}"
        self.found.setdefault(command, Remedy(text, command))

    # ------------------------------------------------------------------ a deadlock

    def of_deadlock(self, deadlock: Deadlock) -> None:
        """Add the ways out of a ring: one link of it has to be broken."""
        for step in deadlock.steps:
            self._breaking(step)
        who = sorted({step.wait.holder for step in deadlock.steps})
        self._add(f"stop one of {', '.join(who)}, or delete its pod: what it holds is freed, its wait ends")
        ends = [step.held for step in deadlock.steps if step.held and step.held.lease.expires_ms is not None]
        if ends:
            first = min(ends, key=lambda each: each.lease.expires_ms or 0)
            left = about(max(0, (first.lease.expires_ms or 0) - self._world.now_ms))
            what = "if it is not renewed again" if first.renewed else "unless it is renewed"
            self._add(f"wait: the lease that {first.holder} has of {label(first.ref)} ends in {left}, {what}")
        refs = sorted({step.ref for step in deadlock.steps})
        if len(refs) > 1 and all(step.wait.ref == step.ref and step.ref[0] in LEASED for step in deadlock.steps):
            names = " ".join(label(ref) for ref in refs)
            self._add("from now on, ask for them at once, all or none, or all in the same order", "acquire", names)

    def _breaking(self, step: Step) -> None:
        kind, name = step.ref
        if step.held:
            self._freeing(step.held, "")
        if step.how == "missing":
            text = f"let {step.blocker} arrive, if its part is done, or lower what {label(step.ref)} expects"
            self._add(text, "barrier", "arrive", name, shlex.quote(step.blocker))
        if step.how == "member":
            text = f"take {step.blocker} off, if its part is done"
            self._add(text, "waitgroup", "done", name, shlex.quote(step.blocker))
        if step.wait.ref[0] is Kind.GATE:
            self._add(f"open {label(step.wait.ref)} by hand", "gate", "open", step.wait.ref[1])
        status = self._world.statuses.get(step.ref)
        if step.how in {"holds", "ahead"} and kind is Kind.SEMAPHORE and isinstance(status, SemaphoreStatus):
            more = str(status.spec.permits + 1)
            self._changing(status, f"give {label(step.ref)} more permits", *_define(status, more))

    def _freeing(self, held: Held, when: str) -> None:
        """Add the command that ends somebody's lease; its process goes on, and learns of it when it renews."""
        kind, name = held.ref
        holder = shlex.quote(held.holder)
        if kind is Kind.ONCE:
            self._add(f"end the run of {held.holder}{when}", "once", "fail", name, "--holder", holder)
        else:
            self._add(
                f"end the lease that {held.holder} has of {label(held.ref)}{when}",
                kind.key,
                "force-release",
                name,
                holder,
            )

    # --------------------------------------------------------------------- a wait

    def of_waits(self, waits: Iterable[Wait]) -> None:
        """Add what can be done about each object that is waited for."""
        for ref in dict.fromkeys(wait.ref for wait in waits):
            self.of_object(ref)

    def of_object(self, ref: Ref) -> None:
        """Add what can be done so that an object becomes free, or opens."""
        status = self._world.statuses.get(ref)
        kind, name = ref
        match status:
            case None:
                self._add(
                    f"create {label(ref)}, or apply its manifest", kind.key, f"create {name}{_SPEC.get(kind, '')}"
                )
            case SemaphoreStatus() if not status.spec.permits:
                self._changing(status, f"give {label(ref)} permits again", *_define(status, "N"))
            case OnceStatus() if status.phase == "Pending":
                self._add("run it", "once", "run", name, "-- COMMAND")
            case PermitStatus():
                for held in self._world.held[ref][:2]:
                    self._freeing(held, ", if it is gone or stuck")
            case BarrierStatus():
                self._barrier(status)
            case WaitGroupStatus():
                if status.phase == "Waiting":
                    self._add("take members off, if their part is done", "waitgroup", "done", name, "MEMBER")
            case GateStatus():
                self._gate(status)

    def _barrier(self, status: BarrierStatus) -> None:
        if status.phase == "Failed":
            self._add("when the cause is mended, begin anew, and start the jobs again", "barrier", "reset", status.name)
        elif status.phase == "Waiting":
            text = "look at the jobs that should have arrived; for one whose part is done, arrive"
            self._add(text, "barrier", "arrive", status.name, "ID")

    def _gate(self, status: GateStatus) -> None:
        if status.override == "Closed":
            self._add("let its conditions decide again", "gate", "auto", status.name)
        elif status.phase == "Failed":
            self._add("when the cause is mended, begin anew", "gate", "reset", status.name)
        if status.phase != "Open":
            self._add("open it by hand", "gate", "open", status.name)


def _define(status: SemaphoreStatus, permits: str) -> tuple[str, ...]:
    """Return the words that give a semaphore other permits and leave all else as it is."""
    shown = status.spec.to_dict()
    terms = ("--ttl", shown["ttl"], "--policy", shown["policy"], "--max-bypass", shown["maxBypass"])
    labels = [word for key, value in status.labels.items() for word in ("-l", shlex.quote(f"{key}={value}"))]
    return ("semaphore", "create", status.name, "--permits", permits, *terms, *labels)
