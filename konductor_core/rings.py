"""Rings of gates: a gate that waits for itself by way of others could never open. Pure.

Who walks asks somebody what each gate refers to: the API, Redis, or what was seen. `Walk` knows whom to ask next.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Place", "Walk"]

FARTHEST: Final = 500
"""How many gates are followed: a chain without end must not keep anybody busy."""


class Place(NamedTuple):
    """Where a gate is."""

    namespace: str
    name: str


class Walk:
    """Follows gates from `start`, nearest first, until one refers to `start` again, or none is left.

    While `due` has gates, take one with `next`, learn which gates it refers to, and tell that with `refers`.
    `ring` stays empty unless there is one: then it begins and ends with `start`.
    """

    def __init__(self, start: Place, targets: Iterable[Place]) -> None:
        self._start = start
        self._came_from: dict[Place, Place] = {}
        self._due: deque[Place] = deque()
        self.ring: tuple[Place, ...] = ()
        self.refers(start, targets)

    @property
    def due(self) -> bool:
        """Whether anybody is left to be asked about."""
        return bool(self._due) and not self.ring

    def next(self) -> Place:
        """Return the gate to ask about."""
        return self._due.popleft()

    def refers(self, gate: Place, targets: Iterable[Place]) -> None:
        """Take note of the gates that a gate refers to."""
        for target in targets:
            if target == self._start and not self.ring:
                self.ring = (*self._way_to(gate), target)
            elif target not in self._came_from and len(self._came_from) < FARTHEST:
                self._came_from[target] = gate
                self._due.append(target)

    def describe(self) -> str:
        """Return the ring as people read it: `gate/a waits for gate/b, which waits for gate/a`.

        Of another namespace no name is told that the first gate does not give itself.
        """
        named = [self._shown(each) for each in self.ring]
        return f"{named[0]} waits for " + ", which waits for ".join(named[1:])

    def _way_to(self, gate: Place) -> list[Place]:
        way = [gate]
        while way[-1] != self._start:
            way.append(self._came_from[way[-1]])
        return way[::-1]

    def _shown(self, gate: Place) -> str:
        if gate.namespace == self._start.namespace:
            return f"gate/{gate.name}"
        is_named = self._came_from.get(gate) == self._start
        return f"{gate.namespace}/gate/{gate.name}" if is_named else "a gate of another namespace"
