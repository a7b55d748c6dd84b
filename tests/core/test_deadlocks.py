"""Who waits for each other: rings that are found, rings that are none, and the ways out."""

from __future__ import annotations

from typing import Any

import pytest

from konductor_core.identity import Kind
from konductor_core.models import SemaphoreSpec
from tests.scenes import MINUTE, barrier, commands, group, lease, listener, mutex, permits, told, waiter

A_AND_B = (mutex("a", "p", "q"), mutex("b", "q", "p"))


def semaphore(name: str, limit: int, holders: tuple[str, ...], *waiters: Any, **spec: Any) -> Any:
    held = tuple(lease(each) for each in holders)
    queue = tuple(waiter(each, place) if isinstance(each, str) else each for place, each in enumerate(waiters, 1))
    return permits(Kind.SEMAPHORE, name, held, queue, spec=SemaphoreSpec(permits=limit, **spec))


def ring(what: str, *statuses: Any) -> list[tuple[str, str, str]]:
    """Return the steps of the deadlock that explains a name: who waits, for what, because of whom."""
    found = told(what, *statuses).to_dict()
    assert bool(found["cycle"]) is found["deadlock"]
    return [(step["holder"], step["waitsFor"], step["blockedBy"]) for step in found["cycle"]]


def test_two_that_wait_for_each_others_lock_are_a_deadlock_from_either_side() -> None:
    assert ring("p", *A_AND_B) == [("p", "mutex/b", "q"), ("q", "mutex/a", "p")]
    assert ring("q", *A_AND_B) == [("q", "mutex/a", "p"), ("p", "mutex/b", "q")]
    assert ring("mutex/a", *A_AND_B) == [("q", "mutex/a", "p"), ("p", "mutex/b", "q")]
    found = told("p", *A_AND_B)
    assert found.summary == "deadlock: p waits for mutex/b, which q holds; q waits for mutex/a, which p holds"
    assert found.to_dict()["certain"] is True


def test_the_ways_out_of_a_deadlock_break_one_of_its_links() -> None:
    found = told("p", *A_AND_B)
    assert commands(found) == [
        "koncli mutex force-release b q",
        "koncli mutex force-release a p",
        "koncli acquire mutex/a mutex/b",
    ]
    assert [each.text for each in found.remedies if not each.command] == [
        "stop one of p, q, or delete its pod: what it holds is freed, its wait ends",
        "wait: the lease that q has of mutex/b ends in 4m, unless it is renewed",
    ]


def test_who_waits_behind_a_deadlock_is_told_of_it_and_is_not_part_of_it() -> None:
    found = told("r", *A_AND_B, mutex("c", "p", "r"))
    assert found.summary == (
        "deadlock: r waits behind others: p waits for mutex/b, which q holds; q waits for mutex/a, which p holds"
    )
    assert found.deadlock is not None
    assert not found.deadlock.inside


def test_a_ring_of_many_is_named_in_its_order() -> None:
    names = "pqrstu"
    objects = [mutex(f"m-{each}", each, before) for before, each in zip("upqrst", names, strict=True)]
    assert [step[0] for step in ring("r", *objects)] == list("rstupq")


@pytest.mark.parametrize(
    "statuses",
    [
        (mutex("a", "p", "q"), mutex("b", "q")),
        (mutex("a", "p", "q"), mutex("b", "r", "p")),
        (semaphore("s", 2, ("q", "free"), "p"), mutex("a", "p", "q")),
        (semaphore("s", 3, ("q",), "p"), mutex("a", "p", "q")),
        (semaphore("s", 0, ("q",), "p"), mutex("a", "p", "q")),
        (semaphore("s", 1, ("q",), waiter("p", permits=2)), mutex("a", "p", "q")),
    ],
    ids=["q-waits-only", "r-goes-on", "another-holder-goes-on", "there-is-room", "paused", "impossible"],
)
def test_where_somebody_can_still_go_on_there_is_no_deadlock(statuses: tuple[Any, ...]) -> None:
    for what in ("p", "q"):
        assert ring(what, *statuses) == []


def test_a_semaphore_is_part_of_a_ring_if_enough_of_its_holders_are() -> None:
    both = (semaphore("s", 2, ("q", "r"), "p"), mutex("a", "p", "q", "r"))
    assert ring("p", *both) == [("p", "semaphore/s", "q"), ("q", "mutex/a", "p")]
    assert "koncli semaphore create s --permits 3 --ttl 5m --policy Strict --max-bypass 1m" in commands(
        told("p", *both)
    )


def test_a_head_that_cannot_go_on_blocks_who_stands_behind_it() -> None:
    queue = (waiter("big", permits=2), waiter("small", 2))
    objects = (semaphore("s", 2, ("p",), *queue), mutex("m", "small", "p"))
    assert ring("p", *objects) == [
        ("p", "mutex/m", "small"),
        ("small", "semaphore/s", "big"),
        ("big", "semaphore/s", "p"),
    ]
    assert "small waits for semaphore/s behind big" in told("p", *objects).summary


@pytest.mark.parametrize("age,stuck", [(MINUTE // 2, False), (2 * MINUTE, True)])
def test_with_backfill_a_head_blocks_once_it_is_old(age: int, *, stuck: bool) -> None:
    queue = (waiter("big", permits=2, age=age), waiter("small", 2))
    objects = (semaphore("s", 2, ("p",), *queue, policy="Backfill", max_bypass_ms=MINUTE), mutex("m", "small", "p"))
    assert bool(ring("p", *objects)) is stuck


def test_a_request_for_several_is_stuck_if_one_of_them_never_comes() -> None:
    objects = (
        permits(Kind.MUTEX, "a", (lease("q"),), (waiter("p", request="both"),)),
        permits(Kind.MUTEX, "b", (), (waiter("p", request="both"),)),
        mutex("c", "p", "q"),
    )
    assert ring("p", *objects) == [("p", "mutex/a", "q"), ("q", "mutex/c", "p")]


def test_a_reader_behind_a_writer_that_waits_for_it_is_a_deadlock() -> None:
    rw = permits(Kind.RWMUTEX, "x", (lease("r1", mode="read"),), (waiter("w", permits=1_000_000, mode="write"),))
    assert ring("w", rw, mutex("m", "w", "r1")) == [("w", "rwmutex/x", "r1"), ("r1", "mutex/m", "w")]


def test_a_run_that_waits_for_what_its_waiter_holds_is_a_deadlock() -> None:
    once = permits(Kind.ONCE, "o", (lease("r"),), listeners=(listener("w"),), listening=1)
    found = told("w", once, mutex("m", "w", "r"))
    assert found.summary == "deadlock: w waits for once/o, which r runs; r waits for mutex/m, which w holds"
    assert "koncli once fail o --holder r" in commands(found)


def test_two_processes_of_one_name_are_no_ring_of_one() -> None:
    held = permits(Kind.MUTEX, "m", (lease("h/1111111111", pod="h"),), (waiter("h/2222222222", pod="h"),))
    assert ring("h", held) == []


def test_processes_of_a_pod_make_a_ring_that_is_likely_only() -> None:
    a = permits(Kind.MUTEX, "a", (lease("p/1", pod="p"),), (waiter("q/2", pod="q"),))
    b = permits(Kind.MUTEX, "b", (lease("q/1", pod="q"),), (waiter("p/2", pod="p"),))
    found = told("p", a, b)
    assert (
        found.summary == "likely a deadlock: p/2 waits for mutex/b, which q holds; q/2 waits for mutex/a, which p holds"
    )
    assert found.to_dict()["certain"] is False


def test_a_barriers_waiters_that_hold_what_the_missing_wait_for_are_likely_a_deadlock() -> None:
    objects = (barrier("b", 4, ("w1", "w2"), ("w1", "w2")), semaphore("s", 2, ("w1", "w2"), "w3", "w4"))
    assert ring("w1", *objects) == [("w1", "barrier/b", "w3"), ("w3", "semaphore/s", "w1")]
    assert ring("w4", *objects)
    found = told("w3", *objects)
    assert found.summary == (
        "likely a deadlock: w3 waits for semaphore/s, which w1 holds; w1 waits for barrier/b, where w3 has not arrived"
    )
    assert "koncli barrier arrive b w3" in commands(found)


@pytest.mark.parametrize(
    "statuses",
    [
        (barrier("b", 4, ("w1", "w2"), ("w1", "w2")), semaphore("s", 3, ("w1", "w2"), "w3")),
        (barrier("b", 3, ("w1", "w3"), ("w1",)), semaphore("s", 1, ("w1",), "w3")),
        (barrier("b", 3, ("w1",), ("w1",)), semaphore("s", 1, ("other",), "w3")),
        (barrier("b", 1, ("w1",), ("w1",), phase="Open"), semaphore("s", 1, ("w1",), "w3")),
        (barrier("b", 3, ("w1",), ("w1",)), *A_AND_B),
    ],
    ids=["there-is-room", "it-has-arrived", "held-by-another", "open", "an-unrelated-deadlock"],
)
def test_a_barrier_is_no_deadlock_where_the_missing_can_come_or_are_others(statuses: tuple[Any, ...]) -> None:
    assert ring("w1", *statuses) == []


def test_a_member_that_waits_for_what_a_waiter_of_its_group_holds_is_likely_a_deadlock() -> None:
    found = told("w", group(("m1",), 0, ("w",)), mutex("m", "w", "m1"))
    assert found.summary == (
        "likely a deadlock: w waits for waitgroup/g, of which m1 is a member; m1 waits for mutex/m, which w holds"
    )
    assert "koncli waitgroup done g m1" in commands(found)


def test_leases_without_an_end_are_not_waited_for() -> None:
    objects = (
        permits(Kind.MUTEX, "a", (lease("p", ends_in=None),), (waiter("q"),)),
        permits(Kind.MUTEX, "b", (lease("q", ends_in=None),), (waiter("p"),)),
    )
    assert not [each for each in told("p", *objects).remedies if each.text.startswith("wait:")]


@pytest.mark.parametrize("holder,stuck", [("free", False), ("p", True)])
def test_a_ring_is_found_behind_a_thousand_waiters(holder: str, *, stuck: bool) -> None:
    queue = tuple(waiter(f"w{n}", n + 1) for n in range(1_000))
    objects = (permits(Kind.MUTEX, "a", (lease(holder),), (*queue, waiter("q", 1_001))), mutex("b", "q", "p"))
    assert bool(ring("p", *objects)) is stuck
