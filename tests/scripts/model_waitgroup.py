"""What a wait group is, in plain Python: the promises, and nothing about how Redis keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field

from konductor_core.durations import MEMORY_TTL, WAITER_TTL

__all__ = ["Round", "WaitGroupModel"]

Answer = tuple[str, int, int, str]
"""Code, round, counter and phase."""


@dataclass(slots=True)
class Round:
    """One epoch: `number` is the current round, `ended` the last one that came to zero."""

    number: int = 1
    ended: int = 0
    added: int = 0
    unnamed: int = 0
    members: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)

    @property
    def counter(self) -> int:
        return self.unnamed + len(self.members)

    @property
    def phase(self) -> str:
        if self.counter:
            return "Waiting"
        return "Done" if self.added else "Idle"


@dataclass
class WaitGroupModel:
    """One wait group; absent while `life` is None."""

    now: int = 0
    life: Round | None = None
    ends: int = 0
    waiters: dict[str, int] = field(default_factory=dict)
    did: dict[str, tuple[Answer, int]] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        return sum(until > self.now for until in self.waiters.values())

    def define(self) -> str:
        if self.life is None:
            self.life = Round()
            return "created"
        return "unchanged"

    def reset(self) -> None:
        self.life = Round()

    def delete(self) -> bool:
        if self.life is None:
            return False
        self.life = None
        self.waiters.clear()
        return True

    def add(self, request: str, member: str, count: int) -> Answer:
        return self._once(request, lambda life: self._add(life, member, count))

    def done(self, request: str, member: str, count: int) -> Answer:
        return self._once(request, lambda life: self._done(life, member, count))

    def _once(self, request: str, act) -> Answer:  # type: ignore[no-untyped-def]  # noqa: ANN001 - of the life
        if self.life is None:
            return ("absent", 0, 0, "")
        if request in self.did and self.did[request][1] > self.now:
            return self.did[request][0]
        code = act(self.life)
        answer = (code, self.life.number, self.life.counter, self.life.phase)
        if code != "below":
            self.did[request] = (answer, self.now + MEMORY_TTL)
        return answer

    def _add(self, life: Round, member: str, count: int) -> str:
        if member and member in life.members | life.finished:
            return "already"
        if life.phase == "Done":
            life.number += 1
        if member:
            life.members.add(member)
        else:
            life.unnamed += count
        life.added += 1 if member else count
        return "added"

    def _done(self, life: Round, member: str, count: int) -> str:
        if member in life.finished:
            return "already"
        if member in life.members:
            life.members.remove(member)
        elif life.unnamed < count:
            return "below"
        else:
            life.unnamed -= count
        if member:
            life.finished.add(member)
        if not life.counter:
            life.ended = life.number
            self.ends += 1
            self.waiters.clear()
        return "finished"

    def wait(self, request: str, cycle: int, *, allow_idle: bool) -> tuple[str, int]:
        if self.life is None:
            self.waiters[request] = self.now + WAITER_TTL
            return ("absent", 0)
        wanted = cycle or self.life.number
        phase = self.life.phase
        if phase == "Done" or self.life.ended >= wanted or (phase == "Idle" and allow_idle):
            self.waiters.pop(request, None)
            return ("open", wanted)
        self.waiters[request] = self.now + WAITER_TTL
        return ("waiting", wanted)

    def leave(self, request: str) -> None:
        self.waiters.pop(request, None)
