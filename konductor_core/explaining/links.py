"""Who keeps an object from opening: what a ring of waits goes through beside leases and places in queues."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from konductor_core.explaining.world import terms
from konductor_core.identity import Kind
from konductor_core.models.barrier import BarrierStatus
from konductor_core.models.gate import GateStatus
from konductor_core.models.permits import PermitStatus
from konductor_core.models.waitgroup import WaitGroupStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from konductor_core.explaining.world import Held, Wait, World
    from konductor_core.flows.scenes import Ref
    from konductor_core.models import Status

__all__ = ["Step", "Stuck", "Wanted", "links_of", "unmet"]

How = Literal["holds", "ahead", "missing", "member"]

COMING = {"Ready", "Available", "Unlocked", "Done", "Open"}
"""States of a gate's condition that come when somebody goes on; others may come at any time."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a ring: a wait, who keeps it waiting, and how: by a lease, a place ahead, or by not coming.

    `ref` is the object at which it does: what is waited for, or what a gate that is waited for asks for.
    """

    wait: Wait
    blocker: str
    how: How
    ref: Ref
    held: Held | None = None


class Stuck(Protocol):
    """Who is stuck, as a reduction knows it."""

    world: World
    certain: bool
    absentees: dict[tuple[Ref, Ref], list[Wait]]
    """What `_absentees` has found of each barrier, and of what is waited for because of it."""

    def actor(self, each: Wait | Held) -> str:
        """Return who waits or holds."""

    def is_stuck(self, actor: str) -> bool:
        """Tell whether somebody can never go on."""


def links_of(stuck: Stuck, wait: Wait, status: Status) -> Iterator[Step]:
    """Yield those of the stuck who keep the object from opening for a wait that listens."""
    return _Links(stuck, wait).of((status.kind, status.name))


class _Links:
    """What is behind one wait; a gate of gates is followed once round."""

    def __init__(self, stuck: Stuck, wait: Wait) -> None:
        self._stuck = stuck
        self._wait = wait
        self._me = stuck.actor(wait)
        self._seen: set[Ref] = set()

    def of(self, ref: Ref) -> Iterator[Step]:
        """Yield who keeps an object from opening."""
        status = self._stuck.world.statuses.get(ref)
        if status is None or ref in self._seen:
            return
        self._seen.add(ref)
        match status:
            case PermitStatus():
                yield from self._holders(ref, status)
            case BarrierStatus():
                yield from self._missing(ref, status)
            case WaitGroupStatus():
                yield from self._members(ref, status)
            case GateStatus():
                for each in unmet(status):
                    yield from self.of(each.ref) if each.ref and each.state in COMING else ()

    def _holders(self, ref: Ref, status: PermitStatus) -> Iterator[Step]:
        others = [each for each in self._stuck.world.held[ref] if self._is_other(self._stuck.actor(each))]
        if ref[0] is Kind.SEMAPHORE and terms(status).permits > sum(each.lease.permits for each in others):
            return
        for each in others:
            yield Step(self._wait, self._stuck.actor(each), "holds", ref, each)

    def _missing(self, ref: Ref, status: BarrierStatus) -> Iterator[Step]:
        if self._stuck.certain or status.phase != "Waiting":
            return
        key = (ref, self._wait.ref)
        if key not in self._stuck.absentees:
            self._stuck.absentees[key] = _absentees(self._stuck, {*key}, status)
        for each in self._stuck.absentees[key]:
            if self._is_other(self._stuck.actor(each)):
                yield Step(self._wait, self._stuck.actor(each), "missing", ref)

    def _members(self, ref: Ref, status: WaitGroupStatus) -> Iterator[Step]:
        if self._stuck.certain:
            return
        members = {each.id for each in status.members}
        for each in self._stuck.world.waits() if members else ():
            actor = self._stuck.actor(each)
            if members & {each.holder, actor} and self._is_other(actor):
                yield Step(self._wait, actor, "member", ref)

    def _is_other(self, actor: str) -> bool:
        return actor != self._me and self._stuck.is_stuck(actor)


def _absentees(stuck: Stuck, refs: set[Ref], status: BarrierStatus) -> list[Wait]:
    """Return the waits of those who have not arrived at a barrier, and whom its waiters keep waiting, at once or not.

    Its waiters are all who listen at one of `refs`: the barrier, or a gate that wants it. Those kept waiting may be
    who is missing there: nothing tells who else would arrive.
    """
    world, arrived = stuck.world, {each.id for each in status.arrivals}
    places: dict[str, dict[Ref, int]] = defaultdict(dict)
    for queue, waits in world.queues.items():
        for number, wait in reversed(list(enumerate(waits, 1))):
            places[stuck.actor(wait)][queue] = number
        for held in world.held.get(queue, ()):
            places[stuck.actor(held)][queue] = 0
    todo = [stuck.actor(wait) for ref in refs for wait in world.listeners.get(ref, ())]
    # Behind whoever is looked at stands the rest of a queue; from `ends` on it has been looked at before.
    ends = {queue: len(waits) for queue, waits in world.queues.items()}
    known, found = set(todo), []
    while todo:
        for queue, place in places[todo.pop()].items():
            waits, end = world.queues[queue], ends[queue]
            ends[queue] = min(place, end)
            for wait in waits[place:end]:
                found += [wait] if not {wait.holder, stuck.actor(wait)} & arrived else []
                if stuck.actor(wait) not in known:
                    known.add(stuck.actor(wait))
                    todo.append(stuck.actor(wait))
    return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a gate still asks for: an object, the state that it must be in, or at least so much of it."""

    type: str
    name: str
    namespace: str
    state: str
    value: int | None
    message: str
    is_here: bool
    """Whether it is about an object of the gate's own namespace."""

    @property
    def ref(self) -> Ref | None:
        """The object, if it is of a kind of ours and can be looked at."""
        return (Kind(self.type), self.name) if self.is_here and self.type in set(Kind) else None


def unmet(status: GateStatus) -> list[Wanted]:
    """Return the conditions of a gate that are not met, in their order; all of them if nobody has looked yet."""
    rows = [
        (each.type, each.name, each.namespace, each.state, each.value, each.message)
        for each in status.checks
        if not each.met
    ]
    if not status.checks:
        rows = [
            (each.type, each.name, each.namespace or status.namespace, each.wanted, each.value, "not looked at yet")
            for each in status.spec.conditions
        ]
    return [Wanted(*row, is_here=row[2] == status.namespace) for row in rows]
