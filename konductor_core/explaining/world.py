"""A namespace as a graph: who holds what, who waits for what, and what is known of each object."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from konductor_core.identity import Kind
from konductor_core.models.barrier import BarrierStatus
from konductor_core.models.once import OnceStatus
from konductor_core.models.permits import PermitStatus
from konductor_core.models.waitgroup import WaitGroupStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from konductor_core.flows.scenes import Ref, Scene
    from konductor_core.models import Holder, Listener, LockSpec, SemaphoreSpec, Status, Waiter

__all__ = ["Held", "Wait", "World", "is_lock", "label", "terms"]

MOMENT: Final = 1_000
"""Milliseconds that lie at most between a grant and its confirmation, which sets the same end anew."""


def label(ref: Ref) -> str:
    """`semaphore/gpu`: how sentences call an object."""
    return f"{ref[0].key}/{ref[1]}"


@dataclass(frozen=True, slots=True)
class Held:
    """One lease of one object."""

    ref: Ref
    lease: Holder

    @property
    def holder(self) -> str:
        """Who holds."""
        return self.lease.holder

    @property
    def actor(self) -> str:
        """The pod that holds, where it is known: all that it does is taken for one program's. Else the holder."""
        return self.lease.pod or self.lease.holder

    @property
    def renewed(self) -> bool:
        """Whether the lease ends later than it did when it was granted."""
        lease = self.lease
        if lease.expires_ms is None or not lease.ttl_ms:
            return False
        return not lease.pending and lease.expires_ms - lease.ttl_ms > lease.since_ms + MOMENT


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait for one object: `place` in its queue, or None for one that listens until the object opens."""

    ref: Ref
    holder: str
    pod: str
    since_ms: int
    request: str
    place: Waiter | None = None

    @property
    def actor(self) -> str:
        """The pod that waits, where it is known; else the holder."""
        return self.pod or self.holder


class World:
    """What is held and waited for in a namespace. Objects that are waited for and do not exist have no status."""

    def __init__(self, scene: Scene) -> None:
        self.namespace = scene.namespace
        self.unread = scene.unread
        self.statuses: dict[Ref, Status] = {(each.kind, each.name): each for each in scene.statuses}
        self.now_ms = max([scene.awaited.now_ms, *(each.now_ms for each in scene.statuses)])
        self.held: dict[Ref, list[Held]] = {}
        self.queues: dict[Ref, list[Wait]] = {}
        self.listeners: dict[Ref, list[Wait]] = {}
        for ref, status in self.statuses.items():
            self._add(ref, status)
        for ref, queue in scene.awaited.waiters.items():
            self._queue(ref, queue)
        for ref, found in scene.awaited.listeners.items():
            self._listen(ref, found)
        self._by_name: dict[str, list[Wait]] = defaultdict(list)
        self._by_request: dict[str, list[Wait]] = defaultdict(list)
        self._held_by: dict[str, list[Held]] = defaultdict(list)
        for wait in self.waits():
            self._by_name[wait.holder].append(wait)
            self._by_request[wait.request].append(wait)
        for each in self.leases():
            self._held_by[each.holder].append(each)

    def _add(self, ref: Ref, status: Status) -> None:
        if isinstance(status, PermitStatus):
            self.held[ref] = [Held(ref, lease) for lease in status.holders]
            self._queue(ref, status.waiters)
            self._listen(ref, status.listeners if isinstance(status, OnceStatus) else ())
        else:
            self._listen(ref, getattr(status, "waiters", ()))

    def _queue(self, ref: Ref, waiters: Iterable[Waiter]) -> None:
        self.queues[ref] = [Wait(ref, each.holder, each.pod, each.since_ms, each.request, each) for each in waiters]

    def _listen(self, ref: Ref, listeners: Iterable[Listener]) -> None:
        self.listeners[ref] = [Wait(ref, each.holder, each.pod, each.since_ms, each.request) for each in listeners]

    # ------------------------------------------------------------------ questions

    @property
    def absent(self) -> list[Ref]:
        """The objects that are waited for and do not exist."""
        return [ref for ref in self.queues.keys() | self.listeners.keys() if ref not in self.statuses]

    def waits(self) -> list[Wait]:
        """All waits, each queue's in its order."""
        return [wait for found in (self.queues, self.listeners) for each in found.values() for wait in each]

    def leases(self) -> list[Held]:
        """All leases."""
        return [held for each in self.held.values() for held in each]

    def waiting_for(self, ref: Ref) -> list[Wait]:
        """All who wait for an object, those in its queue first."""
        return [*self.queues.get(ref, ()), *self.listeners.get(ref, ())]

    def waiting(self, ref: Ref) -> int:
        """Return how many wait for an object, also where they are too many to be read, or did not say who they are."""
        status = self.statuses.get(ref)
        counted = int(getattr(status, "waiting", 0)) + int(getattr(status, "listening", 0))
        return max(counted, len(self.waiting_for(ref)))

    def waits_of(self, holder: str) -> list[Wait]:
        """What a holder waits for."""
        return self._by_name.get(holder, [])

    def held_by(self, holder: str) -> list[Held]:
        """What a holder holds."""
        return self._held_by.get(holder, [])

    def together(self, wait: Wait) -> list[Wait]:
        """All parts of the request that a wait belongs to: several objects asked for at once, or this one."""
        return self._by_request.get(wait.request, [wait])

    def holders(self) -> set[str]:
        """Return everybody who holds or waits."""
        return {*self._by_name, *self._held_by}

    def names(self) -> dict[str, set[str]]:
        """Return each name by which a holder can be asked for, with the holders that are meant: pods, and prefixes."""
        found: dict[str, set[str]] = defaultdict(set)
        everybody = [(each.holder, each.pod) for each in self.waits()]
        everybody += [(each.holder, each.lease.pod) for each in self.leases()]
        for holder, pod in everybody:
            for name in {holder, pod, holder.rpartition("/")[0]} - {""}:
                found[name].add(holder)
        return found

    def counted(self, name: str) -> list[Ref]:
        """Return where a name has arrived, or is a member that is not done."""
        found: list[Ref] = []
        for ref, status in self.statuses.items():
            if isinstance(status, BarrierStatus):
                people = [each.id for each in status.arrivals]
            elif isinstance(status, WaitGroupStatus):
                people = [each.id for each in status.members]
            else:
                continue
            if name in people:
                found.append(ref)
        return found

    def refs(self) -> list[Ref]:
        """Return all objects: those that exist, and those that are waited for."""
        return sorted({*self.statuses, *self.absent})


def terms(status: PermitStatus) -> SemaphoreSpec | LockSpec:
    """Return the spec, of which every kind that grants permits has permits and a policy."""
    return cast("SemaphoreSpec | LockSpec", status.spec)


def is_lock(kind: Kind) -> bool:
    """Tell whether there is one permit, so that no sentence need count any."""
    return kind in {Kind.LEASE, Kind.MUTEX, Kind.ONCE}
