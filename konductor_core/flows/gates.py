"""Define gates, open and close them by hand, note what their conditions have come to, and wait for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from konductor_core.codes import Code
from konductor_core.durations import UNATTENDED_AFTER, about
from konductor_core.errors import GateFailed, InvalidInput, KonductorError, Unavailable
from konductor_core.flows import latch_snapshots, latches, objects
from konductor_core.flows.absence import absent
from konductor_core.flows.latches import Wait
from konductor_core.flows.steps import Call, Flow
from konductor_core.identity import Kind, new_request_id
from konductor_core.keys import ObjectKeys
from konductor_core.rings import Place, Walk
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.flows.objects import Defined
    from konductor_core.gates import Verdict
    from konductor_core.models import GateSpec
    from konductor_core.scripts import Script

__all__ = ["Overridden", "Passed", "define", "evaluate", "override", "targets", "wait"]

EVALUATE: Final = SCRIPTS["gate_evaluate"]
OVERRIDE: Final = SCRIPTS["gate_override"]


@dataclass(frozen=True, slots=True)
class Overridden:
    """What opening, closing or letting go did: `changed` is False where it was so before."""

    changed: bool
    phase: Literal["Waiting", "Open", "Closed", "Failed"]
    epoch: str


@dataclass(frozen=True, slots=True)
class Passed:
    """A gate is open: how many of its conditions held, or that it was opened by hand."""

    met: int
    total: int
    epoch: str

    @property
    def summary(self) -> str:
        """What opened it, for messages."""
        by_hand = self.met < self.total or not self.total
        return "open: by hand" if by_hand else f"open: {self.met}/{self.total} met"


class _Wait(Wait[Passed]):
    """A wait until a gate is open."""

    script: ClassVar[Script] = SCRIPTS["gate_wait"]
    failure = GateFailed

    def arguments(self, _cycle: int) -> tuple[str | int, ...]:
        return (self.request,)

    def describe(self, count: int, target: int, notes: list[str]) -> str:
        reason = notes[0] if notes else ""
        phase, unattended = (notes[1], int(notes[2])) if len(notes) > 1 else ("Waiting", 0)
        if phase == "Closed":
            return "closed by hand"
        if not target:
            return "waiting to be opened by hand"
        if unattended:
            return (
                f"{count}/{target} met, but nobody has looked at its conditions for {about(UNATTENDED_AFTER)}: "
                f"is the controller running? To open it by hand: koncli gate open {self.keys.name}"
            )
        return f"{count}/{target} met" + (f", {reason}" if reason else "")

    def result(self, count: int, target: int, _cycle: int, epoch: str, _notes: list[str]) -> Passed:
        return Passed(count, target, epoch)


def targets(spec: GateSpec, namespace: str) -> list[Place]:
    """Return the gates that the conditions of a gate in `namespace` are about."""
    return [Place(each.namespace or namespace, each.name) for each in spec.conditions if each.type == Kind.GATE]


def define(keys: ObjectKeys, spec: GateSpec, labels: Mapping[str, str] | None, owner: str) -> Flow[Defined]:
    """Create a gate or bring it to this spec, unless it would then wait for itself by way of other gates.

    Raises `InvalidInput` for that, and `Owned`.
    """
    walk = Walk(Place(keys.namespace, keys.name), targets(spec, keys.namespace))
    while walk.due:
        place = walk.next()
        walk.refers(place, (yield from _targets_of(place, keys.namespace)))
    if walk.ring:
        raise InvalidInput(
            f"{keys.id} would never open: {walk.describe()}", hint="leave one of these conditions out of its gate"
        )
    return (yield from objects.define(keys, spec, labels, owner))


def _targets_of(place: Place, home: str) -> Flow[list[Place]]:
    """Return the gates that a gate refers to; none if it does not exist, or if another namespace may not be read."""
    try:
        status = yield from latch_snapshots.read_gate(ObjectKeys(place.namespace, Kind.GATE, place.name))
    except Unavailable as error:
        if place.namespace == home or error.passing:
            raise
        return []
    except KonductorError:
        return []
    return targets(status.spec, place.namespace)


def override(keys: ObjectKeys, to: Literal["Open", "Closed", ""], *, replicas: int = 0) -> Flow[Overridden]:
    """Open or close a gate by hand, whatever its conditions say; with nothing, let them decide again.

    Raises `NotFound`, `Unavailable` (also if fewer than `replicas` acknowledged it).
    """
    answer = yield Call(OVERRIDE, keys.latch, (new_request_id(), to), replicas)
    code, _, epoch, phase = answer.reply
    if code == Code.ABSENT:
        raise absent(keys)
    latches.check_replicas(answer, replicas, f"what was done to {keys.id}", "do it again")
    return Overridden(changed=code == Code.UPDATED, phase=phase, epoch=epoch)


def evaluate(keys: ObjectKeys, epoch: str, spec: GateSpec, verdict: Verdict) -> Flow[bool]:
    """Note what the conditions of `spec` have come to, and say whether that is news.

    It is not if the gate has come to another epoch since, to other conditions, or to a verdict.
    """
    conditions = objects.arguments(spec)[0]
    checks = objects.compact([each.to_dict() for each in verdict.checks])
    args = (epoch, conditions, verdict.phase, verdict.met, verdict.reason, checks)
    answer = yield Call(EVALUATE, keys.latch, args)
    return bool(answer.reply[0] == Code.UPDATED)


def wait(keys: ObjectKeys, timeout_ms: int | None, *, must_exist: bool = False, who: str = "") -> Flow[Passed]:
    """Wait until the gate is open: without end for a timeout of None, looks once for 0.

    Raises `WaitTimeout`, `GateFailed`, `NotFound` (with `must_exist`), `Unavailable`.
    """
    return (yield from latches.wait(_Wait(keys, who=who), timeout_ms, must_exist=must_exist))
