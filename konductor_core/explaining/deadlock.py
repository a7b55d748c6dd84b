"""Who can never go on: a reduction that lets everybody go who could, until nobody is left who can.

Whoever does not wait goes on, and so gives back what it holds. A waiter goes on when enough is given back by those who
do, and when nobody stands before it who never will. Those who remain wait for each other: a deadlock. It is certain
where all of it is leases and places in queues. It is likely where all that a pod does is taken for one program's, where
somebody who has not arrived at a barrier waits for what a waiter of that barrier holds, or where members of a wait
group are known by their names only.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from konductor_core.explaining.links import Step, links_of
from konductor_core.explaining.world import terms
from konductor_core.models.permits import PermitStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from konductor_core.explaining.world import Held, Wait, World
    from konductor_core.flows.scenes import Ref

__all__ = ["Deadlock", "Reduction", "find_deadlock"]


ASKED_MOST: Final = 50
"""Of how many waits for an object it is looked whether they end in a deadlock."""


@dataclass(frozen=True, slots=True)
class Deadlock:
    """A ring of waits; `inside` tells whether who was asked about is part of it: it is the first then."""

    steps: tuple[Step, ...]
    certain: bool
    inside: bool


def find_deadlock(world: World, asked: Iterable[Wait]) -> Deadlock | None:
    """Return the deadlock that one of these waits is part of, or stands behind; a certain one if there is."""
    first = list(dict.fromkeys(asked))[:ASKED_MOST]
    for certain in (True, False):
        reduction = Reduction(world, certain=certain)
        found = None
        for actor in dict.fromkeys(reduction.actor(wait) for wait in first):
            if ring := reduction.ring(actor):
                found = found or Deadlock(ring, certain, inside=False)
                if reduction.actor(ring[0].wait) == actor:
                    return Deadlock(ring, certain, inside=True)
        if found:
            return found
    return None


class Reduction:
    """Who is stuck: actors (holders, or with `certain` false the pods they are in) that can never go on."""

    def __init__(self, world: World, *, certain: bool) -> None:
        self.world = world
        self.certain = certain
        self._waits: dict[str, list[Wait]] = defaultdict(list)
        for wait in world.waits():
            self._waits[self.actor(wait)].append(wait)
        self.absentees: dict[tuple[Ref, Ref], list[Wait]] = {}
        self._possible: set[tuple[Ref, str]] = set()
        """Waits that will end."""
        self._stuck = set(self._waits)
        while self._reduce():
            pass

    def actor(self, each: Wait | Held) -> str:
        """Return who waits or holds, as this reduction sees it."""
        return each.holder if self.certain else each.actor

    def is_stuck(self, actor: str) -> bool:
        """Tell whether somebody can never go on."""
        return actor in self._stuck

    # ------------------------------------------------------------------ the reduction

    def _reduce(self) -> bool:
        """Let everybody go who can; tells whether there was anybody."""
        before = len(self._stuck)
        for ref in self.world.queues:
            self._serve(ref)
        for listeners in self.world.listeners.values():
            for wait in listeners:
                status = self.world.statuses.get(wait.ref)
                if self._is_possible(wait) or (status is not None and any(links_of(self, wait, status))):
                    continue
                self._let_go(wait)
        return len(self._stuck) < before

    def _is_possible(self, wait: Wait) -> bool:
        return (wait.ref, wait.request) in self._possible

    def _let_go(self, wait: Wait) -> None:
        self._possible.add((wait.ref, wait.request))
        actor = self.actor(wait)
        if all(self._is_possible(each) for each in self._waits[actor]):
            self._stuck.discard(actor)

    def _serve(self, ref: Ref) -> None:
        """Go through a queue in its order, up to the first that never goes on and lets nobody pass."""
        status = self.world.statuses.get(ref)
        if not isinstance(status, PermitStatus):
            for wait in self.world.queues[ref]:
                self._let_go(wait)
            return
        shares = self._shares(ref)
        kept = sum(permits for actor, permits in shares.items() if self.is_stuck(actor))
        for wait in self.world.queues[ref]:
            actor = self.actor(wait)
            if not self.is_stuck(actor):
                continue
            own = shares.get(actor, 0)
            if not _is_short(wait, status, kept - own):
                self._let_go(wait)
            if not self.is_stuck(actor):
                kept -= own
            elif not _lets_pass(status, wait):
                return

    def _shares(self, ref: Ref) -> dict[str, int]:
        """Return how many permits of an object each actor holds."""
        shares: dict[str, int] = defaultdict(int)
        for each in self.world.held[ref]:
            shares[self.actor(each)] += each.lease.permits
        return shares

    # ------------------------------------------------------------------ what remains

    def blockers(self, wait: Wait) -> list[Step]:
        """Return who of those that are stuck keeps a wait from ending."""
        status = self.world.statuses.get(wait.ref)
        if wait.place is None or not isinstance(status, PermitStatus):
            return [] if status is None else list(links_of(self, wait, status))
        ahead = self.world.queues[wait.ref][: wait.place.position - 1]
        before = [each for each in ahead if self.is_stuck(self.actor(each)) and not _lets_pass(status, each)]
        me = self.actor(wait)
        others = [
            each for each in self.world.held[wait.ref] if self.actor(each) != me and self.is_stuck(self.actor(each))
        ]
        short = _is_short(wait, status, sum(each.lease.permits for each in others))
        steps = [Step(wait, self.actor(each), "holds", wait.ref, each) for each in others if short]
        return steps + [Step(wait, self.actor(each), "ahead", wait.ref) for each in before[:1]]

    def ring(self, actor: str) -> tuple[Step, ...]:
        """Return the ring that is reached from an actor: it begins there if it can. Empty for one that is not stuck."""
        path: list[str] = []
        steps: list[Step] = []
        while self.is_stuck(actor) and actor not in path:
            path.append(actor)
            waits = [wait for wait in self._waits[actor] if not self._is_possible(wait)]
            found = [step for wait in waits for step in self.blockers(wait) if self.is_stuck(step.blocker)]
            if not found:
                return ()
            # The shortest way round: back to who was asked about, else to anybody who was met.
            steps.append(min(found, key=lambda step: path.index(step.blocker) if step.blocker in path else len(path)))
            actor = steps[-1].blocker
        return tuple(steps[path.index(actor) :]) if actor in path else ()


def _is_short(wait: Wait, status: PermitStatus, kept: int) -> bool:
    """Tell whether there will never be enough for a wait because so many permits are kept by others.

    Without permits it is paused, and whoever wants more than there are is told so: neither is anybody's fault.
    """
    permits, amount = terms(status).permits, wait.place.permits if wait.place else 1
    return 0 < amount <= permits and amount > permits - kept


def _lets_pass(status: PermitStatus, wait: Wait) -> bool:
    """Tell whether smaller requests may pass this one."""
    spec = terms(status)
    return spec.policy == "Backfill" and wait.since_ms + spec.max_bypass_ms > status.now_ms
