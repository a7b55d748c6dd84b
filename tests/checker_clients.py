"""An independent judge of what clients believed, and of barriers.

Clients write one JSON line for each thing they learn or are about to do, with the monotonic clock, which all processes
of one machine share:

    {"t": 12.1, "op": "asks",    "holder": "a"}                                             before it is sent
    {"t": 12.5, "op": "held",    "holder": "a", "token": 7, "permits": 1, "until": 13.5}   the reply was read
    {"t": 12.9, "op": "renewed", "holder": "a", "token": 7, "until": 13.9}
    {"t": 13.1, "op": "gave",    "holder": "a", "token": 7}                                 before it is sent
    {"t": 12.5, "op": "arrived", "id": "x", "counted": true, "cycle": 1}
    {"t": 12.6, "op": "opened",  "cycle": 1}
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.history import Event

__all__ = ["Line", "backwards", "check_barrier", "check_beliefs"]

Line = dict[str, Any]


@dataclass(slots=True)
class _Belief:
    """The time in which a client thinks that it holds: from reading the reply to giving back, or its own deadline."""

    holder: str
    token: int
    permits: int
    asked: float
    start: float
    end: float


def check_beliefs(lines: Iterable[Line], permits: int, killed: Mapping[str, float] | None = None) -> list[str]:
    """Return where more than `permits` were believed to be held at once, or a later request got the smaller token.

    `killed` has the moments at which holders were seen dead.
    """
    beliefs = list(_beliefs(lines, killed or {}))
    return _overfull(beliefs, permits) + _backwards(beliefs)


def backwards(lines: Iterable[Line]) -> list[str]:
    """Return where a later request got the smaller token of its `object`: true even where grants were lost."""
    apart: dict[str, list[Line]] = {}
    for line in lines:
        apart.setdefault(line.get("object", ""), []).append(line)
    return [violation for each in apart.values() for violation in _backwards(list(_beliefs(each, {})))]


def _beliefs(lines: Iterable[Line], killed: Mapping[str, float]) -> Iterable[_Belief]:
    open_ones: dict[tuple[str, int], _Belief] = {}
    asked: dict[str, float] = {}
    for line in lines:
        if line["op"] == "asks":
            asked[line["holder"]] = line["t"]
        if line["op"] not in {"held", "renewed", "gave"}:
            continue
        key = line["holder"], line["token"]
        if line["op"] == "held":
            until = min(line["until"], killed.get(line["holder"], line["until"]))
            open_ones[key] = _Belief(*key, line["permits"], asked.get(line["holder"], 0), line["t"], until)
        elif line["op"] == "renewed":
            open_ones[key].end = min(line["until"], killed.get(line["holder"], line["until"]))
        else:
            open_ones[key].end = min(open_ones[key].end, line["t"])
    return open_ones.values()


def _overfull(beliefs: list[_Belief], permits: int) -> list[str]:
    # At one and the same moment an end counts before a start.
    changes = sorted(
        [(belief.start, 1, belief) for belief in beliefs if belief.end > belief.start]
        + [(belief.end, 0, belief) for belief in beliefs if belief.end > belief.start],
        key=lambda change: change[:2],
    )
    held, violations = 0, []
    for when, starts, belief in changes:
        held += belief.permits if starts else -belief.permits
        if starts and held > permits:
            violations.append(f"{held} permits of {permits} believed to be held at {when:.6f}: {belief}")
    return violations


def _backwards(beliefs: list[_Belief]) -> list[str]:
    """Whoever asked after a token had been seen must get a greater one."""
    seen = sorted(beliefs, key=lambda belief: belief.start)
    highest, i, violations = 0, 0, []
    for belief in sorted(beliefs, key=lambda belief: belief.asked):
        while seen[i].start < belief.asked:
            highest = max(highest, seen[i].token)
            i += 1
        if belief.token <= highest:
            violations.append(f"asked after token {highest} was seen, and got a smaller one: {belief}")
    return violations


def check_barrier(events: Iterable[Event], lines: Iterable[Line], target: int) -> list[str]:
    """Return what is wrong with a barrier's whole history (of one epoch), and with what clients were told.

    Each id counts once a cycle, the count grows by one, a cycle opens once and with its last arrival, no acknowledged
    arrival is missing, and nobody was told of an opening that was none.
    """
    violations: list[str] = []
    arrived: dict[int, list[str]] = {}
    opened: Counter[int] = Counter()
    for event in events:
        if event.type == "arrived":
            cycle = int(event.detail.removeprefix("cycle="))
            ids = arrived.setdefault(cycle, [])
            if event.holder in ids:
                violations.append(f"counted twice: {event}")
            ids.append(event.holder)
            if event.permits != len(ids):
                violations.append(f"arrival number {len(ids)} says another number: {event}")
            if opened[cycle] and len(ids) <= target:
                violations.append(f"opened before it was full: {event}")
        elif event.type == "opened":
            cycle = int(event.detail.removeprefix("cycle="))
            opened[cycle] += 1
            if opened[cycle] > 1:
                violations.append(f"opened twice: {event}")
            if len(arrived.get(cycle, ())) < target:
                violations.append(f"opened with {len(arrived.get(cycle, ()))} of {target}: {event}")
    violations += [
        f"cycle {cycle} was full and did not open"
        for cycle, ids in arrived.items()
        if len(ids) >= target and not opened[cycle]
    ]
    return violations + _check_told(lines, arrived, opened)


def _check_told(lines: Iterable[Line], arrived: Mapping[int, list[str]], opened: Mapping[int, int]) -> list[str]:
    violations = []
    counted: Counter[tuple[int, str]] = Counter()
    for line in lines:
        if line["op"] == "arrived":
            key = line["cycle"], line["id"]
            counted[key] += bool(line["counted"])
            if line["id"] not in arrived.get(line["cycle"], ()):
                violations.append(f"an acknowledged arrival is lost: {line}")
            if counted[key] > 1:
                violations.append(f"acknowledged as counted twice: {line}")
        elif line["op"] == "opened" and not opened.get(line["cycle"]):
            violations.append(f"told of an opening that was none: {line}")
    return violations
