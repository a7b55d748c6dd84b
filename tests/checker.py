"""An independent judge of the permit mechanism: reads a semaphore's history, and says what broke a promise.

It shares no code with Konductor. It plays the events of one object in the server's order against its own idea of who
holds and who waits, and collects what breaks a promise:

- more permits live than there are; a grant to one who holds already; an end before its time, or of nothing
- a token that does not grow
- a grant out of turn: priority first (once a waiter is older than `bypass_ms`, age first), then the sequence;
  with the policy Backfill, past a waiter that does not fit and is not that old
- free permits that the waiter whose turn it is fits into, and yet no grant in the same moment
- of what is done once, a grant or another completion after it was completed, and before a reset
- a permit handed on later than `late_ms` after the TTL of its holder, plus one claim window for each dead waiter ahead

`tests/checker_clients.py` judges what clients believed, and barriers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.history import Event

__all__ = ["Absence", "Rules", "check_permits"]

SETTLED_MS = 100
"""A waiter counts as listening so long after it was queued: its reply has to reach it."""

Absence = tuple[int, int]
"""Server times between which a waiter was dead or stopped."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the checker has to be told: how the object is defined, and who was away when (by holder)."""

    policy: str = "Strict"
    bypass_ms: int = 60_000
    late_ms: int = 200
    script_ms: int = 2
    """How long one script may take: its events, and a waiter's age as it and as its events see it, differ by that."""
    several: bool = False
    """Whether requests name other objects too: then one history does not tell whose turn it is."""
    away: Mapping[str, list[Absence]] = field(default_factory=dict)


@dataclass(slots=True)
class _Lease:
    permits: int
    token: int
    pending: bool
    late_ms: int
    """How late, in all, the permits were that came to this lease from one whose TTL had ended."""


@dataclass(slots=True)
class _Waiter:
    holder: str
    permits: int
    priority: int
    seq: int
    queued_ms: int
    aged_ms: int

    def goes_before(self, other: _Waiter, now_ms: int) -> bool:
        """Tell whether this one stands first at that moment."""
        return self._order(now_ms) <= other._order(now_ms)

    def _order(self, now_ms: int) -> tuple[int, int]:
        return (-1001 if self.aged_ms <= now_ms else -self.priority, self.seq)


def check_permits(events: Iterable[Event], rules: Rules | None = None) -> list[str]:
    """Return what is wrong with a semaphore's whole history; nothing if it kept every promise."""
    state = _State(rules or Rules())
    for event in events:
        state.play(event)
    return state.violations


class _State:
    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.violations: list[str] = []
        self._total = 0
        self._token = 0
        self._leases: dict[str, _Lease] = {}
        self._queue: dict[str, _Waiter] = {}
        self._since: dict[int, int] = {}
        self._now = 0
        self._freed_late = 0
        self._done = False

    def play(self, event: Event) -> None:
        if event.at_ms < self._now:
            self._wrong(event, "the history goes back in time")
        if self._began_ms(event) > self._now + self.rules.script_ms:
            self._check_idle(event)
            self._freed_late = 0
        self._now = event.at_ms
        getattr(self, "_on_" + event.type.replace("-", "_"), self._on_unknown)(event)

    @staticmethod
    def _began_ms(event: Event) -> int:
        """When its script began, as far as it tells: a script that a busy machine held up stamps its events later.

        The token of a grant is the microsecond at which the script read the clock, or later.
        """
        return min(event.at_ms, event.token // 1000) if event.type == "granted" and event.token else event.at_ms

    def _wrong(self, event: Event, what: str) -> None:
        self.violations.append(f"{what}: {event}")

    def _in_use(self) -> int:
        return sum(lease.permits for lease in self._leases.values())

    def _fits(self, waiter: _Waiter) -> bool:
        return self._in_use() + waiter.permits <= self._total

    def _around(self, moment_ms: int) -> tuple[int, int, int]:
        """Around the moment at which a waiter has grown old, either order is right."""
        return moment_ms - self.rules.script_ms, moment_ms, moment_ms + self.rules.script_ms

    def _check_idle(self, event: Event) -> None:
        """Between two moments nothing may be left to do but wait for time to pass, or to notice that it has."""
        for moment in (self._now, event.at_ms - self.rules.late_ms) if not self.rules.several else ():
            for waiter in self._queue.values() if self._now <= moment else ():
                first = all(
                    waiter.goes_before(other, around)
                    for other in self._queue.values()
                    for around in self._around(moment)
                )
                if first and self._fits(waiter):
                    self._wrong(event, f"{waiter.holder} was first and would have fitted for {event.at_ms - moment} ms")

    # ---- grants

    def _on_queued(self, event: Event) -> None:
        words = dict(word.split("=") for word in event.detail.split())
        seq = int(words["seq"])
        since = self._since.setdefault(seq, event.at_ms)
        self._queue[event.holder] = _Waiter(
            event.holder, event.permits or 1, int(words["priority"]), seq, event.at_ms, since + self.rules.bypass_ms
        )

    def _on_granted(self, event: Event) -> None:
        waiter = self._queue.pop(event.holder, None)
        amount, token = event.permits or 1, event.token or 0
        if event.holder in self._leases:
            self._wrong(event, "granted to one who holds already")
        if waiter and waiter.permits != amount:
            self._wrong(event, f"granted another amount than the {waiter.permits} asked for")
        if self._done:
            self._wrong(event, "granted after it was done")
        if token <= self._token:
            self._wrong(event, f"the token did not grow: {self._token} before")
        self._check_turn(event, waiter)
        self._token = max(self._token, token)
        late = self._freed_late if waiter else 0
        self._leases[event.holder] = _Lease(amount, token, pending=waiter is not None, late_ms=late)
        if self._in_use() > self._total:
            self._wrong(event, f"{self._in_use()} permits live of {self._total}")
        if waiter and not self._is_away(event.holder, event.at_ms, event.at_ms) and late > self.rules.late_ms:
            self._wrong(event, f"the permits came {late} ms late")

    def _check_turn(self, event: Event, waiter: _Waiter | None) -> None:
        for other in self._queue.values() if not self.rules.several else ():
            if waiter and any(waiter.goes_before(other, around) for around in self._around(event.at_ms)):
                continue
            young = event.at_ms - self.rules.script_ms < other.aged_ms
            if waiter and self.rules.policy == "Backfill" and young and not self._fits(other):
                continue
            self._wrong(event, f"{other.holder} (seq {other.seq}) stood before")

    def _on_resized(self, event: Event) -> None:
        lease = self._leases.get(event.holder)
        if lease is None:
            self._wrong(event, "resized a lease that is not live")
            return
        grown = (event.permits or 1) > lease.permits
        lease.permits = event.permits or 1
        if grown and self._in_use() > self._total:
            self._wrong(event, f"{self._in_use()} permits live of {self._total}")

    # ---- ends

    def _end(self, event: Event) -> _Lease | None:
        lease = self._leases.pop(event.holder, None)
        if lease is None:
            self._wrong(event, "ended a lease that is not live")
        elif event.token is not None and event.token != lease.token:
            self._wrong(event, f"ended the lease of another token: {lease.token} is live")
        return lease

    def _on_released(self, event: Event) -> None:
        self._end(event)

    _on_force_released = _on_returned = _on_failed = _on_released

    def _on_completed(self, event: Event) -> None:
        if self._done:
            self._wrong(event, "completed twice")
        self._end(event)
        self._done = True
        self._queue.clear()

    def _on_expired(self, event: Event) -> None:
        lease, expiry = self._end(event), int(float(event.detail))
        late = event.at_ms - expiry
        if late < 0:
            self._wrong(event, f"ended {-late} ms before its TTL")
        inherited = lease.late_ms if lease and event.type == "lapsed" else 0
        if self._someone_listened(expiry, event.at_ms):
            self._freed_late = max(self._freed_late, inherited + late)
            if inherited + late > self.rules.late_ms:
                self._wrong(event, f"nobody noticed for {late} ms ({inherited} ms before), though a waiter was alive")

    _on_lapsed = _on_expired

    def _someone_listened(self, since_ms: int, until_ms: int) -> bool:
        return any(
            waiter.queued_ms + SETTLED_MS <= since_ms and not self._is_away(waiter.holder, since_ms, until_ms)
            for waiter in self._queue.values()
        )

    def _is_away(self, holder: str, since_ms: int, until_ms: int) -> bool:
        return any(start <= until_ms and end >= since_ms for start, end in self.rules.away.get(holder, ()))

    # ---- waiters that go

    def _on_cancelled(self, event: Event) -> None:
        self._queue.pop(event.holder, None)

    _on_timeout = _on_abandoned = _on_ejected = _on_cancelled

    # ---- the object itself

    def _on_created(self, event: Event) -> None:
        self._total = event.permits or 0
        self._on_reset(event)

    def _on_updated(self, event: Event) -> None:
        self._total = event.permits or 0

    def _on_replaced(self, event: Event) -> None:
        if not event.holder:  # with a holder: its new request took the place of its old one
            self._on_created(event)

    def _on_reset(self, _: Event) -> None:
        self._leases.clear()
        self._done = False

    def _on_deleted(self, _: Event) -> None:
        self._total = 0
        self._leases.clear()
        self._queue.clear()

    def _on_unknown(self, event: Event) -> None:
        self._wrong(event, "an unknown type of event")
