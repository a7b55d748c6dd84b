"""Who keeps an object from opening: what a ring of waits goes through beside leases and places in queues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from konductor_core.explaining.world import terms
from konductor_core.identity import Kind
from konductor_core.models.barrier import BarrierStatus
from konductor_core.models.permits import PermitStatus
from konductor_core.models.waitgroup import WaitGroupStatus

if TYPE_CHECKING:
    from konductor_core.explaining.world import Held, Wait, World
    from konductor_core.flows.scenes import Ref
    from konductor_core.models import Status

__all__ = ["Step", "Stuck", "links_of", "unmet"]

How = Literal["holds", "ahead", "missing", "member"]

FREE = {"Ready", "Available", "Unlocked", "Done"}
"""States of a gate's condition that come when leases of the object end."""


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
    behind: dict[Ref, list[Wait]]
    """What `_behind` has found of each object."""

    def actor(self, each: Wait | Held) -> str:
        """Return who waits or holds."""

    def is_stuck(self, actor: str) -> bool:
        """Tell whether somebody can never go on."""


def links_of(stuck: Stuck, wait: Wait, status: Status) -> list[Step]:
    """Return who of those that are stuck keeps the object from opening for a wait that listens."""
    return _Links(stuck, wait).of((status.kind, status.name))


class _Links:
    """What is behind one wait; a gate of gates is followed once round."""

    def __init__(self, stuck: Stuck, wait: Wait) -> None:
        self._stuck = stuck
        self._wait = wait
        self._me = stuck.actor(wait)
        self._seen: set[Ref] = set()

    def of(self, ref: Ref) -> list[Step]:
        """Return who keeps an object from opening."""
        status = self._stuck.world.statuses.get(ref)
        if status is None or ref in self._seen:
            return []
        self._seen.add(ref)
        if isinstance(status, PermitStatus):
            return self._holders(ref, status)
        if isinstance(status, BarrierStatus):
            return self._missing(ref, status)
        if isinstance(status, WaitGroupStatus):
            return self._members(ref, status)
        return [step for each, wanted in unmet(status) if wanted in FREE | {"Open"} for step in self.of(each)]

    def _holders(self, ref: Ref, status: PermitStatus) -> list[Step]:
        others = [each for each in self._stuck.world.held[ref] if self._is_other(self._stuck.actor(each))]
        if ref[0] is Kind.SEMAPHORE and terms(status).permits > sum(each.lease.permits for each in others):
            return []
        return [Step(self._wait, self._stuck.actor(each), "holds", ref, each) for each in others]

    def _missing(self, ref: Ref, status: BarrierStatus) -> list[Step]:
        """Return those who have not arrived, and wait for what a waiter of the barrier holds: they may be missing."""
        if self._stuck.certain or status.phase != "Waiting":
            return []
        arrived = {each.id for each in status.arrivals}
        found = {}
        if ref not in self._stuck.behind:
            self._stuck.behind[ref] = _behind(self._stuck, ref)
        for each in self._stuck.behind[ref]:
            actor = self._stuck.actor(each)
            if self._is_other(actor) and not {each.holder, actor} & arrived:
                found[actor] = Step(self._wait, actor, "missing", ref)
        return list(found.values())

    def _members(self, ref: Ref, status: WaitGroupStatus) -> list[Step]:
        if self._stuck.certain:
            return []
        members = {each.id for each in status.members}
        actors = {
            self._stuck.actor(each)
            for each in self._stuck.world.waits()
            if {each.holder, self._stuck.actor(each)} & members
        }
        return [Step(self._wait, actor, "member", ref) for actor in sorted(actors) if self._is_other(actor)]

    def _is_other(self, actor: str) -> bool:
        return actor != self._me and self._stuck.is_stuck(actor)


def _behind(stuck: Stuck, ref: Ref) -> list[Wait]:
    """Return the waits in queues that those who wait for an object keep waiting, at once or through others."""
    world, found = stuck.world, {}
    todo = [stuck.actor(wait) for wait in world.listeners.get(ref, ())]
    known = set(todo)
    while todo:
        actor = todo.pop()
        for queue, waits in world.queues.items():
            place = 0 if any(stuck.actor(each) == actor for each in world.held.get(queue, ())) else None
            for number, wait in enumerate(waits):
                if place is None and stuck.actor(wait) == actor:
                    place = number + 1
            for wait in waits[place:] if place is not None else ():
                found[wait.ref, wait.request] = wait
                if stuck.actor(wait) not in known:
                    known.add(stuck.actor(wait))
                    todo.append(stuck.actor(wait))
    return list(found.values())


def unmet(status: Status) -> list[tuple[Ref, str]]:
    """Return the objects of our kinds that a gate still asks for in its own namespace, and in which state."""
    checks: tuple[Any, ...] = getattr(status, "checks", ())
    return [
        ((Kind(check.type), check.name), check.state)
        for check in checks
        if not check.met and check.namespace == status.namespace and check.type in set(Kind)
    ]
