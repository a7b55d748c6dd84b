"""What a gate is, in plain Python: the promises, and nothing about how Redis keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field

from konductor_core.durations import UNATTENDED_AFTER, WAITER_TTL

__all__ = ["GateModel", "Life"]

REST = 1_000
"""Milliseconds after a look in which no other one is asked for."""


@dataclass(slots=True)
class Life:
    """One epoch. `verdict` is what conditions and deadline have come to, `override` what a hand has done."""

    wanted: tuple[str, ...]
    timeout: int
    since: int
    verdict: str = "Waiting"
    override: str = ""
    met: int = 0
    looked: int | None = None
    asked: int | None = None

    @property
    def phase(self) -> str:
        return self.override or self.verdict


@dataclass
class GateModel:
    """One gate over Jobs, whose states are in `jobs`; absent while `life` is None."""

    now: int = 0
    jobs: dict[str, str] = field(default_factory=dict)
    life: Life | None = None
    waiters: dict[str, int] = field(default_factory=dict)
    phases: list[str] = field(default_factory=list)
    """Every phase that an epoch has come to, one after the other."""

    @property
    def waiting(self) -> int:
        return sum(until > self.now for until in self.waiters.values())

    def define(self, wanted: tuple[str, ...], timeout: int) -> str:
        self.expire()
        life = self.life
        if life is None:
            self.life = Life(wanted, timeout, self.now)
            self.expire()
            return "created"
        if (life.wanted, life.timeout) == (wanted, timeout):
            return "unchanged"
        if life.wanted != wanted and life.verdict == "Waiting":
            life.met, life.looked, life.asked = 0, None, None
        life.wanted, life.timeout = wanted, timeout
        self.expire()
        return "updated"

    def reset(self) -> None:
        if self.life:
            self.life = Life(self.life.wanted, self.life.timeout, self.now)

    def delete(self) -> bool:
        if self.life is None:
            return False
        self.life = None
        self.waiters.clear()
        return True

    def look(self) -> None:
        """Opens exactly if all that it wants is complete, fails if one of it has failed."""
        self.expire()
        life = self.life
        if life is None or life.verdict != "Waiting":
            return
        states = [self.jobs.get(each) for each in life.wanted]
        life.met, life.looked, life.asked = states.count("Complete"), self.now, None
        if "Failed" in states:
            self._decide("Failed")
        elif states and life.met == len(states):
            self._decide("Open")

    def override(self, to: str) -> str:
        self.expire()
        if self.life is None:
            return "absent"
        before = self.life.phase
        self.life.override = to
        self._changed(before)
        return self.life.phase

    def wait(self, request: str) -> tuple[str, int]:
        """The answer, and whether it says that nobody looks."""
        self.expire()
        life = self.life
        if life is None:
            self.waiters[request] = self.now + WAITER_TTL
            return ("absent", 0)
        if life.phase in {"Open", "Failed"}:
            self.waiters.pop(request, None)
            return (life.phase.lower(), 0)
        self.waiters[request] = self.now + WAITER_TTL
        if life.verdict != "Waiting" or not life.wanted:
            return ("waiting", 0)
        if life.asked is None and (life.looked is None or self.now - life.looked >= REST):
            life.asked = self.now
        return ("waiting", int(life.asked is not None and self.now - life.asked >= UNATTENDED_AFTER))

    def leave(self, request: str) -> None:
        self.waiters.pop(request, None)

    def expire(self) -> None:
        """Apply the deadline, which counts from the beginning of the epoch."""
        life = self.life
        if life and life.verdict == "Waiting" and life.timeout and self.now >= life.since + life.timeout:
            self._decide("Failed")

    def _decide(self, verdict: str) -> None:
        assert self.life is not None
        before = self.life.phase
        self.life.verdict = verdict
        self._changed(before)

    def _changed(self, before: str) -> None:
        assert self.life is not None
        if self.life.phase != before:
            self.phases.append(self.life.phase)
            if self.life.phase in {"Open", "Failed"}:
                self.waiters.clear()
