"""The checkers accept a good history, and catch every kind of bad one."""

from __future__ import annotations

import pytest

from tests.checker import Rules, check_permits
from tests.checker_clients import Line, check_barrier, check_beliefs
from tests.history import Event


def created(permits: int = 1) -> Event:
    return Event(0, "created", permits=permits, detail="by cli")


def queued(at: int, holder: str, seq: int, priority: int = 0, permits: int = 1) -> Event:
    return Event(at, "queued", holder, permits=permits, detail=f"seq={seq} priority={priority}")


LATER = 10**9
"""Microseconds: the tokens of these histories are later than all their moments, as after a clock that went back."""


def granted(at: int, holder: str, token: int, permits: int = 1) -> Event:
    return Event(at, "granted", holder, LATER + token, permits)


def released(at: int, holder: str, token: int) -> Event:
    return Event(at, "released", holder, LATER + token)


def ended(at: int, holder: str, expiry: int, kind: str = "expired") -> Event:
    return Event(at, kind, holder, detail=str(expiry))


GOOD = [
    created(2),
    granted(10, "a", 1),
    granted(11, "b", 2),
    queued(20, "low", 1),
    queued(21, "high", 2, priority=5),
    released(400, "a", 1),
    granted(400, "high", 3),
    ended(1_500, "b", 1_480),
    granted(1_500, "low", 4),
    queued(1_600, "gone", 3),
    Event(1_700, "timeout", "gone"),
    ended(6_500, "high", 6_500, "lapsed"),
    released(6_600, "low", 4),
]


def test_a_good_history_has_no_violations() -> None:
    assert check_permits(GOOD) == []


@pytest.mark.parametrize(
    "history, complaint",
    [
        ([created(1), granted(1, "a", 1), granted(2, "b", 2)], "2 permits live of 1"),
        ([created(3), granted(1, "a", 1, 2), granted(2, "b", 2, 2)], "4 permits live of 3"),
        ([created(2), granted(1, "a", 1), Event(2, "resized", "a", 1, 3)], "3 permits live of 2"),
        ([created(9), granted(1, "a", 5), granted(2, "b", 5)], "token did not grow"),
        ([created(9), granted(1, "a", 1), granted(2, "a", 2)], "holds already"),
        ([created(1), granted(1, "a", 1), released(2, "a", 1), released(3, "a", 1)], "not live"),
        ([created(1), granted(1, "a", 7), released(2, "a", 6)], "another token"),
        ([created(1), granted(1, "a", 1), ended(50, "a", 60)], "10 ms before its TTL"),
        ([created(1), Event(1, "vanished", "a")], "unknown type"),
        ([created(1), granted(9, "a", 1), released(5, "a", 1)], "back in time"),
    ],
)
def test_a_lease_that_breaks_a_promise_is_named(history: list[Event], complaint: str) -> None:
    assert any(complaint in violation for violation in check_permits(history)), check_permits(history)


BUSY = [created(1), granted(1, "a", 1)]


@pytest.mark.parametrize(
    "history, complaint",
    [
        ([queued(2, "x", 1), queued(3, "y", 2), released(9, "a", 1), granted(9, "y", 2)], "x (seq 1) stood before"),
        ([queued(2, "x", 1), queued(3, "y", 2, 5), released(9, "a", 1), granted(9, "x", 2)], "y (seq 2) stood before"),
        ([queued(2, "x", 1), released(9, "a", 1), granted(9, "barger", 2)], "x (seq 1) stood before"),
        ([queued(2, "x", 1), released(9, "a", 1), granted(50, "x", 2)], "would have fitted for 41 ms"),
        ([queued(2, "x", 1), released(9, "a", 1), Event(50, "updated", permits=1)], "would have fitted for 41 ms"),
        ([queued(2, "x", 1), released(9, "a", 1), granted(9, "x", 2, 3)], "another amount"),
    ],
)
def test_a_turn_that_is_skipped_is_named(history: list[Event], complaint: str) -> None:
    found = check_permits(BUSY + history)
    assert any(complaint in violation for violation in found), found


def test_a_waiter_past_its_patience_goes_before_every_priority() -> None:
    history = [*BUSY, queued(2, "old", 1), queued(800, "high", 2, 5), released(900, "a", 1)]
    rules = Rules(bypass_ms=500)
    assert check_permits([*history, granted(900, "old", 2)], rules) == []
    assert "old (seq 1) stood before" in check_permits([*history, granted(900, "high", 2)], rules)[0]


def test_backfill_passes_a_waiter_that_does_not_fit_and_no_other() -> None:
    history = [created(3), granted(1, "a", 1, 2), queued(2, "big", 1, permits=3), queued(9, "small", 2)]
    small = granted(9, "small", 2)
    assert "big (seq 1) stood before" in check_permits([*history, small])[0]
    assert check_permits([*history, small], Rules(policy="Backfill")) == []
    assert "big (seq 1) stood before" in check_permits([*history, small], Rules(policy="Backfill", bypass_ms=5))[0]


LATE = [*BUSY, queued(100, "x", 1), queued(100, "y", 2)]


def test_an_expiry_that_nobody_notices_for_too_long_is_named() -> None:
    assert check_permits([*LATE, ended(1_200, "a", 1_000), granted(1_200, "x", 2)]) == []
    found = check_permits([*LATE, ended(1_201, "a", 1_000), granted(1_201, "x", 2)])
    assert "nobody noticed for 201 ms" in found[0]
    assert "201 ms late" in found[1]


def test_an_expiry_may_be_late_when_all_who_wait_are_dead_or_new() -> None:
    away = {"x": [(500, 99_999)], "y": [(500, 99_999)]}
    assert check_permits([*LATE, ended(9_000, "a", 1_000), granted(9_000, "x", 2)], Rules(away=away)) == []
    new = [*BUSY, queued(950, "x", 1), ended(9_000, "a", 1_000), granted(9_000, "x", 2)]
    assert check_permits(new) == []


def test_a_dead_waiter_ahead_costs_one_claim_window_and_no_more() -> None:
    dead = [*LATE, ended(1_010, "a", 1_000), granted(1_010, "x", 2)]
    rules = Rules(away={"x": [(500, 99_999)]})
    assert check_permits([*dead, ended(6_030, "x", 6_010, "lapsed"), granted(6_030, "y", 3)], rules) == []
    slow = [*dead, ended(6_201, "x", 6_010, "lapsed"), granted(6_201, "y", 3)]
    assert "nobody noticed for 191 ms (10 ms before)" in check_permits(slow, rules)[0]


def held(t: float, holder: str, token: int, until: float, permits: int = 1) -> Line:
    return {"t": t, "op": "held", "holder": holder, "token": token, "permits": permits, "until": until}


def test_beliefs_that_do_not_overlap_are_fine() -> None:
    renewed = {"t": 1.5, "op": "renewed", "holder": "a", "token": 1, "until": 3.0}
    gave = {"t": 2.5, "op": "gave", "holder": "a", "token": 1}
    assert check_beliefs([held(1, "a", 1, 2), renewed, gave, held(2.5, "b", 2, 9)], 1) == []


def test_two_beliefs_at_once_are_named() -> None:
    assert "2 permits of 1" in check_beliefs([held(1, "a", 1, 2), held(1.5, "b", 2, 3)], 1)[0]
    assert check_beliefs([held(1, "a", 1, 2), held(1.5, "b", 2, 3)], 2) == []
    assert check_beliefs([held(1, "a", 1, 2), held(1.5, "b", 2, 3)], 1, killed={"a": 1.4}) == []


def test_a_later_request_with_a_smaller_token_is_named() -> None:
    first, second = held(1, "a", 5, 2), held(3, "b", 4, 5)
    assert check_beliefs([{"t": 0.9, "op": "asks", "holder": "b"}, first, second], 1) == []
    assert "asked after token 5" in check_beliefs([first, {"t": 2.0, "op": "asks", "holder": "b"}, second], 1)[0]


def arrived(at: int, who: str, number: int, cycle: int = 1) -> Event:
    return Event(at, "arrived", who, permits=number, detail=f"cycle={cycle}")


def opened(at: int, cycle: int = 1) -> Event:
    return Event(at, "opened", permits=2, detail=f"cycle={cycle}")


FULL = [arrived(1, "x", 1), arrived(2, "y", 2), opened(2)]


def test_a_good_barrier_has_no_violations() -> None:
    told = [
        {"t": 1, "op": "arrived", "id": "x", "counted": True, "cycle": 1},
        {"t": 2, "op": "arrived", "id": "x", "counted": False, "cycle": 1},
        {"t": 3, "op": "opened", "cycle": 1},
    ]
    assert check_barrier([*FULL, arrived(5, "x", 1, cycle=2)], told, 2) == []


@pytest.mark.parametrize(
    "history, complaint",
    [
        ([arrived(1, "x", 1), arrived(2, "x", 2), opened(2)], "counted twice"),
        ([arrived(1, "x", 1), arrived(2, "y", 3), opened(2)], "another number"),
        ([*FULL, opened(9)], "opened twice"),
        ([arrived(1, "x", 1), opened(2)], "opened with 1 of 2"),
        ([arrived(1, "x", 1), opened(2), arrived(3, "y", 2)], "opened before it was full"),
        ([arrived(1, "x", 1), arrived(2, "y", 2)], "did not open"),
    ],
)
def test_a_barrier_that_breaks_a_promise_is_named(history: list[Event], complaint: str) -> None:
    found = check_barrier(history, [], 2)
    assert any(complaint in violation for violation in found), found


@pytest.mark.parametrize(
    "line, complaint",
    [
        ({"op": "arrived", "id": "z", "counted": True, "cycle": 1}, "lost"),
        ({"op": "opened", "cycle": 2}, "none"),
    ],
)
def test_what_clients_were_told_must_be_in_the_history(line: Line, complaint: str) -> None:
    assert complaint in check_barrier(FULL, [{"t": 5, **line}], 2)[0]


def test_one_arrival_acknowledged_as_counted_to_two_is_named() -> None:
    line = {"t": 5, "op": "arrived", "id": "x", "counted": True, "cycle": 1}
    assert "counted twice" in check_barrier(FULL, [line, line], 2)[0]


@pytest.mark.parametrize("began, held_up", [(400, True), (430, False)])
def test_a_script_that_was_held_up_did_not_let_a_waiter_wait(began: int, *, held_up: bool) -> None:
    """It freed and granted at one moment, and wrote down the one later than the other. Two scripts would be wrong."""
    history = [
        created(),
        Event(10, "granted", "a", 10_000, 1),
        queued(20, "b", 1),
        Event(405, "released", "a", 10_000),
        Event(431, "granted", "b", began * 1_000, 1),
    ]
    found = check_permits(history)
    assert (found == []) is held_up, found
