"""What a barrier is, in plain Python: the promises of the design, and nothing about how Redis keeps them.

Time is `now`, in milliseconds, and moves only by hand. A deadline that has passed is noticed at the next operation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from konductor_core.durations import MEMORY_TTL, WAITER_TTL

__all__ = ["BarrierModel", "Life"]


@dataclass(slots=True)
class Life:
    """One epoch. `cycle` stays 1 unless the barrier is cyclic; `last` is the last cycle that opened."""

    began: int
    cycle: int = 1
    last: int = 0
    failed: bool = False
    arrivals: dict[str, int] = field(default_factory=dict)
    cycle_of: dict[str, int] = field(default_factory=dict)


@dataclass
class BarrierModel:
    """One barrier with its arrivals and waiters; absent while `life` is None."""

    now: int = 0
    expected: int = 0
    quorum: int = 0
    timeout: int = 0
    cyclic: bool = False
    life: Life | None = None
    opened: int = 0
    waiters: dict[str, int] = field(default_factory=dict)
    did: dict[str, tuple[tuple[str, int, int], int]] = field(default_factory=dict)

    @property
    def needed(self) -> int:
        return self.quorum or self.expected

    @property
    def phase(self) -> str:
        assert self.life
        if self.life.failed:
            return "Failed"
        return "Open" if self.life.last and not self.cyclic else "Waiting"

    @property
    def deadline(self) -> int | None:
        """When the barrier, or its current cycle, fails."""
        assert self.life
        if not self.timeout or self.phase != "Waiting":
            return None
        if self.cyclic:
            return min(self.life.arrivals.values()) + self.timeout if self.life.arrivals else None
        return self.life.began + self.timeout

    @property
    def waiting(self) -> int:
        return sum(until > self.now for until in self.waiters.values())

    def _notice(self) -> None:
        self.did = {request: (what, until) for request, (what, until) in self.did.items() if until > self.now}
        if self.life and self.deadline is not None and self.deadline <= self.now:
            self.life.failed = True
            self.waiters.clear()

    def _open_if_complete(self) -> None:
        life = self.life
        if life and self.phase == "Waiting" and len(life.arrivals) >= self.needed:
            life.last = life.cycle
            self.opened += 1
            self.waiters.clear()
            if self.cyclic:
                life.cycle += 1
                life.arrivals.clear()

    # ---------------------------------------------------------------- operations

    def define(self, expected: int, quorum: int, timeout: int, *, cyclic: bool) -> str:
        self._notice()
        before = (self.expected, self.quorum, self.timeout, self.cyclic)
        self.expected, self.quorum, self.timeout, self.cyclic = expected, quorum, timeout, cyclic
        action = "unchanged" if before == (expected, quorum, timeout, cyclic) else "updated"
        if self.life is None:
            action = "created"
        if self.life is None or before[3] != cyclic:
            self.life = Life(self.now)
        self._open_if_complete()
        self._notice()
        return action

    def arrive(self, request: str, arrival: str) -> tuple[str, int, int]:
        """Arrive. Return the code, the cycle it counts in, and how many had arrived with it."""
        self._notice()
        if self.life is None:
            return ("absent", 0, 0)
        if request in self.did:
            return self.did[request][0]
        answer = self._arrive(self.life, arrival)
        if answer[0] != "failed":
            self.did[request] = (answer, self.now + MEMORY_TTL)
        return answer

    def _arrive(self, life: Life, arrival: str) -> tuple[str, int, int]:
        cycle = life.cycle
        if self.phase == "Failed":
            return ("failed", cycle, len(life.arrivals))
        if arrival in life.arrivals:
            return ("already", cycle, len(life.arrivals))
        if self.phase == "Open" and len(life.arrivals) >= self.expected:
            return ("open", cycle, len(life.arrivals))
        life.arrivals[arrival] = self.now
        life.cycle_of[arrival] = cycle
        count = len(life.arrivals)
        self._open_if_complete()
        return ("arrived", cycle, count)

    def wait(self, request: str, holder: str, cycle: int = 0) -> tuple[str, int]:
        """Look once. Return the code and the cycle that is waited for."""
        self._notice()
        if self.life is None:
            self.waiters[request] = self.now + WAITER_TTL
            return ("absent", 0)
        wanted = 1
        if self.cyclic:
            wanted = cycle or self.life.cycle_of.get(holder, self.life.cycle)
        code = "waiting"
        if self.life.last >= wanted:
            code = "open"
        elif self.life.failed:
            code = "failed"
        if code == "waiting":
            self.waiters[request] = self.now + WAITER_TTL
        else:
            self.waiters.pop(request, None)
        return (code, wanted)

    def leave(self, request: str) -> None:
        self.waiters.pop(request, None)

    def reset(self) -> None:
        """Begin a new epoch; who waits goes on waiting. Nobody asks what the old one would have come to."""
        assert self.life
        self.life = Life(self.now)

    def delete(self) -> bool:
        if self.life is None:
            return False
        self.life = None
        self.waiters.clear()
        return True

    def look(self) -> None:
        """Read the barrier."""
        self._notice()
