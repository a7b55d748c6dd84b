"""The checkers catch what must never happen to an RWMutex, to what is done once, and to a wait group."""

from __future__ import annotations

import pytest

from konductor_core.amounts import SHARES
from tests.checker import check_permits
from tests.checker_clients import Line, backwards
from tests.checker_latches import check_completions, check_gate, check_waitgroup
from tests.checker_several import check_several, check_visible
from tests.history import Event
from tests.races.test_checker import created, ended, granted, queued, released

READ, WRITE = SHARES["read"], SHARES["write"]


@pytest.mark.parametrize("first, second", [(READ, WRITE), (WRITE, READ), (WRITE, WRITE)])
def test_a_writer_beside_anybody_else_is_named(first: int, second: int) -> None:
    history = [created(WRITE), granted(1, "a", 1, first), granted(2, "b", 2, second)]
    assert f"{first + second} permits live of {WRITE}" in check_permits(history)[0]


def test_readers_beside_each_other_and_a_writer_after_them_are_right() -> None:
    readers = [granted(1, "a", 1), granted(2, "b", 2), released(3, "a", 1), released(4, "b", 2)]
    assert check_permits([created(WRITE), *readers, granted(5, "c", 3, WRITE)]) == []


def completed(at: int, holder: str, token: int) -> Event:
    return Event(at, "completed", holder, 10**9 + token)


RUN = [created(), granted(1, "a", 1), Event(2, "failed", "a", 10**9 + 1), granted(3, "b", 2), ended(4, "b", 4)]
DONE = [*RUN, granted(5, "c", 3), completed(6, "c", 3)]


def test_what_is_done_once_by_the_third_who_tried_and_again_after_a_reset_is_right() -> None:
    assert check_permits([*DONE, Event(7, "reset"), granted(8, "a", 4), completed(9, "a", 4)]) == []


@pytest.mark.parametrize(
    "history, complaint",
    [
        ([*DONE, completed(7, "c", 3)], "completed twice"),
        ([*DONE, granted(7, "d", 4)], "granted after it was done"),
        ([*RUN, completed(6, "b", 2)], "not live"),
        ([*RUN, granted(5, "c", 3), completed(6, "c", 2)], "another token"),
    ],
)
def test_a_completion_that_breaks_a_promise_is_named(history: list[Event], complaint: str) -> None:
    assert any(complaint in violation for violation in check_permits(history)), check_permits(history)


def test_an_acknowledged_completion_that_the_server_does_not_know_is_named() -> None:
    told = [{"t": 1.0, "op": "completed", "holder": "c", "token": 10**9 + 3}]
    assert check_completions(DONE, told) == []
    assert "is lost" in check_completions(RUN, told)[0]


def added(member: str, count: int, counter: int) -> Event:
    return Event(1, "added", member, permits=count, detail=f"counter={counter}")


def finished(member: str, count: int, counter: int) -> Event:
    return Event(2, "finished", member, permits=count, detail=f"counter={counter}")


def done(total: int, number: int = 1) -> Event:
    return Event(3, "done", permits=total, detail=f"round={number}")


BEGUN = [Event(0, "created"), added("a", 1, 1), added("", 4, 5), finished("", 3, 2)]
ENDED = [*BEGUN, finished("a", 1, 1), finished("stands for one without a name", 1, 0), done(5)]


def said(op: str, name: str, count: int = 1) -> Line:
    return {"t": 1.0, "op": op, "id": name, "count": count}


def opened(number: int) -> Line:
    return {"t": 2.0, "op": "opened", "cycle": number}


ASKED = [said("adds", "a"), said("adds", "", 4), said("finishes", "a"), said("finishes", "", 3)]


def test_a_good_wait_group_has_no_violations_and_its_second_round_neither() -> None:
    lines = [*ASKED, said("added", "a"), said("adds", "b"), said("finishes", "b"), opened(1), opened(2)]
    assert check_waitgroup([*ENDED, added("b", 1, 1), finished("b", 1, 0), done(6, 2)], lines) == []


@pytest.mark.parametrize(
    "history, complaint",
    [
        ([*BEGUN, added("a", 1, 3)], "added before is added"),
        ([*ENDED, added("a", 1, 1)], "added before is added"),
        ([*BEGUN, finished("a", 1, 1), finished("a", 1, 0)], "done twice"),
        ([*BEGUN, finished("", 2, 0)], "without a name there are -1"),
        ([*BEGUN, finished("", 1, 0)], "it says another number"),
        ([*BEGUN, done(5)], "the round ended with 2 left"),
        ([*ENDED, done(5, 2)], "the round ended with 0 left"),
        ([*ENDED[:-1], added("b", 1, 1)], "the round did not end"),
        (ENDED[:-1], "at the end"),
        ([*ENDED, added("b", 1, 1), finished("b", 1, 0), done(6)], "has ended before"),
        ([*ENDED[:-1], done(4)], "it says another number"),
        ([*BEGUN, Event(4, "opened")], "unknown type"),
    ],
)
def test_a_wait_group_that_breaks_a_promise_is_named(history: list[Event], complaint: str) -> None:
    found = check_waitgroup(history, ASKED)
    assert any(complaint in violation for violation in found), found


@pytest.mark.parametrize(
    "lines, complaint",
    [
        ([*ASKED, said("adds", "b"), said("added", "b")], "added b: asked 1, told 1, counted 0 times"),
        ([*ASKED, said("finishes", "", 9), said("finished", "", 9)], "finished 9: asked 1, told 1, counted 0 times"),
        ([*ASKED, opened(1)], "an end that was none"),
    ],
)
def test_what_a_client_was_told_and_is_not_so_is_named(lines: list[Line], complaint: str) -> None:
    found = check_waitgroup(BEGUN, lines)
    assert any(complaint in violation for violation in found), found


def test_a_done_that_counted_twice_is_named() -> None:
    """A number that was asked for once, and taken off twice."""
    history = [Event(0, "created"), added("", 6, 6), finished("", 3, 3), finished("", 3, 0), done(6)]
    assert (
        "asked 1, told 0, counted 2 times"
        in check_waitgroup(history, [said("adds", "", 6), said("finishes", "", 3)])[0]
    )


def phase(at: int, kind: str) -> Event:
    return Event(at, kind, detail="by hand")


def passed(asked: float, at: float) -> Line:
    return {"t": at, "op": "passed", "asked": asked}


def test_who_passes_a_gate_that_was_closed_all_the_time_is_named() -> None:
    history = [Event(0, "created"), phase(1_000, "opened"), phase(2_000, "closed"), phase(5_000, "opened")]
    right = [passed(0.5, 1.1), passed(1.9, 2.1), passed(3, 5.1), passed(6, 6.1)]
    assert check_gate(history, right, (0, 0)) == []
    for wrong in (passed(0.1, 0.9), passed(2.1, 4.9)):
        assert "closed all the time" in check_gate(history, [wrong], (0, 0))[0]
    assert "came to what it was" in check_gate([*history, phase(6_000, "opened")], [], (0, 0))[0]


def test_tokens_are_compared_object_by_object() -> None:
    def lines(objects: tuple[str, str]) -> list[Line]:
        return [
            {"t": 2 * n + m, "object": ref, "holder": str(n), "token": 9 - n, "permits": 1, "until": 9.0, "op": op}
            for n, ref in enumerate(objects)
            for m, op in enumerate(("asks", "held"))
        ]

    assert backwards(lines(("mutex/a", "mutex/b"))) == []
    assert "smaller one" in backwards(lines(("mutex/a", "mutex/a")))[0]


ASKS = {"first": {"mutex/a": 1, "mutex/b": 1}, "second": {"mutex/b": 1, "mutex/a": 1}}
LATER = 9_999
"""Microseconds between two scripts."""


def served(*order: tuple[str, int]) -> list[Event]:
    """Both came one after the other, and were served so."""
    return [queued(1, "first", 1), queued(2, "second", 2), *(granted(9, holder, token) for holder, token in order)]


IN_TURN = served(("first", 1), ("second", LATER))


def test_requests_for_several_that_were_served_in_turn_are_right() -> None:
    """Two tokens of one script differ where another was granted before in one of the objects."""
    assert check_several({"mutex/a": IN_TURN, "mutex/b": served(("first", 2), ("second", LATER))}, ASKS, ()) == []


@pytest.mark.parametrize(
    "other, complaint",
    [
        (served(("second", LATER)), "first was granted {'mutex/a': 1} of"),
        (served(("first", 2 * LATER), ("second", LATER)), "first was granted {'mutex/b': 1} of"),
        (served(("first", 1)), "second was granted {'mutex/a': 1} of"),
    ],
)
def test_a_part_of_what_was_asked_for_is_named(other: list[Event], complaint: str) -> None:
    found = check_several({"mutex/a": IN_TURN, "mutex/b": other}, ASKS, ())
    assert any(complaint in violation for violation in found), found


def test_whoever_is_overtaken_or_never_served_is_named() -> None:
    overtaken = served(("second", 1), ("first", LATER))
    complaint = "second was served before first, which stood before it: ['mutex/a', 'mutex/b']"
    assert check_several(dict.fromkeys(ASKS["first"], overtaken), ASKS, ()) == [complaint]
    assert check_several(dict.fromkeys(ASKS["first"], overtaken), ASKS, {"first"}) == []
    found = check_several(dict.fromkeys(ASKS["first"], served(("first", 1))), ASKS, ())
    assert found == ["second was never served"]


def test_a_part_that_is_seen_before_it_is_given_back_is_named() -> None:
    samples = [(1.0, 1.1, {"first": {"mutex/a", "mutex/b"}}), (2.0, 2.1, {"first": {"mutex/b"}})]
    assert check_visible(samples, ASKS, {"first": 1.9}) == []
    assert check_visible(samples, ASKS, {"first": 2.2}) == ["first was seen with ['mutex/b'] of ['mutex/a', 'mutex/b']"]
