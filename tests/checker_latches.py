"""An independent judge of wait groups, of gates, and of what is done once; `tests/checker_clients.py` judges barriers.

Beside the lines of those, clients write, with the name of the member or the number of members without one:

    {"t": 12.0, "op": "adds",     "id": "x", "count": 1}                          before it is sent
    {"t": 12.1, "op": "added",    "id": "x", "count": 1}                          the reply was read
    {"t": 12.4, "op": "finishes", "id": "x", "count": 1}
    {"t": 12.5, "op": "finished", "id": "x", "count": 1}
    {"t": 12.6, "op": "opened",   "cycle": 1}                                     a wait for this round has ended
    {"t": 12.5, "op": "completed", "holder": "a", "token": 7}                     what is done once
    {"t": 12.5, "op": "passed",    "asked": 12.1}                                 a wait for a gate has ended
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.checker_clients import Line
    from tests.history import Event

__all__ = ["check_completions", "check_gate", "check_history", "check_waitgroup"]

SCRIPT_MS = 2
"""A script's event may be stamped so much before what it did was seen: by a clock in whole milliseconds."""


def check_completions(events: Iterable[Event], lines: Iterable[Line]) -> list[str]:
    """Return which acknowledged completions are lost. That there is one an epoch at most, `check_permits` sees."""
    known = {event.token for event in events if event.type == "completed"}
    told = [line for line in lines if line["op"] == "completed"]
    return [f"an acknowledged completion is lost: {line}" for line in told if line["token"] not in known]


def check_gate(events: Iterable[Event], lines: Iterable[Line], ahead_ms: tuple[float, float]) -> list[str]:
    """Return what is wrong with a gate's history, and who passed although it was closed all the time that they waited.

    No phase follows itself. `ahead_ms` is the server's time less the monotonic clock: at least, at most.
    """
    phases = [event for event in events if event.type in {"opened", "closed", "waiting", "failed"}]
    violations = [f"came to what it was: {after}" for before, after in pairwise(phases) if before.type == after.type]
    ends = [after.at_ms + SCRIPT_MS for after in phases[1:]] + [math.inf]
    spans = [(event.at_ms, end) for event, end in zip(phases, ends, strict=False) if event.type == "opened"]
    for line in lines:
        if line["op"] == "passed":
            asked, passed = line["asked"] * 1000 + ahead_ms[0], line["t"] * 1000 + ahead_ms[1]
            if not any(start <= passed and asked <= end for start, end in spans):
                violations.append(f"it was closed all the time: {line}")
    return violations


def check_waitgroup(events: Iterable[Event], lines: Iterable[Line]) -> list[str]:
    """Return what is wrong with a wait group's whole history, and with what clients were told.

    A name counts once when it is added and once when it is done; the counter is what was added less what is done,
    never below zero; a round ends each time that it comes to zero, and then only; every acknowledged add and done is
    there, and none that nobody asked for; nobody was told of an end that was none.
    """
    state = _played(events)
    return state.violations + _check_told(list(lines), state)


def check_history(events: Iterable[Event]) -> list[str]:
    """Return what is wrong with a wait group's whole history alone."""
    return _played(events).violations


def _played(events: Iterable[Event]) -> _State:
    state = _State()
    for event in events:
        state.play(event)
    if state.is_ending:
        state.violations.append("at the end the counter has come to zero, and the round did not end")
    return state


class _State:
    def __init__(self) -> None:
        self.violations: list[str] = []
        self.ended: set[int] = set()
        self.seen: Counter[tuple[str, str, int]] = Counter()
        self._begin()

    def _begin(self) -> None:
        self._members: set[str] = set()
        self._over: set[str] = set()
        self._unnamed = 0
        self._added = 0
        self.is_ending = False

    @property
    def _counter(self) -> int:
        return self._unnamed + len(self._members)

    def play(self, event: Event) -> None:
        if self.is_ending and event.type != "done":
            self._wrong(event, "the counter had come to zero, and the round did not end")
        getattr(self, f"_on_{event.type}", self._on_unknown)(event)

    def _wrong(self, event: Event, what: str) -> None:
        self.violations.append(f"{what}: {event}")

    def _compare(self, event: Event) -> None:
        self.seen[event.type, event.holder, event.permits or 0] += 1
        if self._unnamed < 0:
            self._wrong(event, f"of those without a name there are {self._unnamed}")
        if event.detail != f"counter={self._counter}":
            self._wrong(event, f"{self._counter} are left, and it says another number")

    def _on_added(self, event: Event) -> None:
        count = event.permits or 0
        if event.holder in self._members | self._over:
            self._wrong(event, "a name that was added before is added")
        if event.holder:
            self._members.add(event.holder)
        else:
            self._unnamed += count
        self._added += count
        self._compare(event)

    def _on_finished(self, event: Event) -> None:
        if event.holder in self._over:
            self._wrong(event, "a name is done twice")
        if event.holder in self._members:
            self._members.remove(event.holder)
        else:
            self._unnamed -= event.permits or 0
        if event.holder:
            self._over.add(event.holder)
        self.is_ending = self._counter == 0
        self._compare(event)

    def _on_done(self, event: Event) -> None:
        if not self.is_ending:
            self._wrong(event, f"the round ended with {self._counter} left")
        if event.permits != self._added:
            self._wrong(event, f"{self._added} were added, and it says another number")
        self.is_ending = False
        number = int(event.detail.removeprefix("round="))
        if number in self.ended:
            self._wrong(event, "the round has ended before")
        self.ended.add(number)

    def _on_created(self, _: Event) -> None:
        self._begin()

    _on_reset = _on_replaced = _on_deleted = _on_created

    def _on_updated(self, _: Event) -> None:
        pass

    def _on_unknown(self, event: Event) -> None:
        self._wrong(event, "an unknown type of event")


def _check_told(lines: list[Line], state: _State) -> list[str]:
    violations = [
        f"told of an end that was none: {line}"
        for line in lines
        if line["op"] == "opened" and line["cycle"] not in state.ended
    ]
    for before, after in (("adds", "added"), ("finishes", "finished")):
        asked, told = (
            Counter((line["id"], line["count"]) for line in lines if line["op"] == op) for op in (before, after)
        )
        for (name, count), number in asked.items():
            seen = state.seen[after, name, count]
            if not told[name, count] <= seen <= number:
                violations.append(
                    f"{after} {name or count}: asked {number}, told {told[name, count]}, counted {seen} times"
                )
    return violations
