"""One request for permits of several objects: all of them or none, in one order, without a deadlock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core.codes import Code
from konductor_core.durations import CLAIM_WINDOW, PROBE_WINDOW
from tests.scripts.audit import assert_leases_agree

if TYPE_CHECKING:
    from tests.scripts.bench import Bench, Request

SECOND = 1_000


@pytest.fixture
def two(bench: Bench) -> Bench:
    """Two semaphores, `x` and `y`, of two permits each."""
    for name in ("x", "y"):
        bench.semaphore(2, name=name)
    return bench


def both(bench: Bench, holder: str, x: int = 1, y: int = 1, *, priority: int = 0) -> Request:
    return bench.ask(holder, several={"x": x, "y": y}, priority=priority)


def take(bench: Bench, name: str, holder: str = "other", permits: int = 2) -> None:
    bench.k.semaphore(name).acquire(permits, timeout=0, ttl="1h", holder=holder)


def held(bench: Bench) -> tuple[dict[str, int], dict[str, int]]:
    for name in ("x", "y"):
        assert_leases_agree(bench, name)
    return bench.holders("x"), bench.holders("y")


def test_a_request_gets_all_it_names_with_a_token_each(two: Bench) -> None:
    reply = both(two, "a", 2, 1).attempt()
    assert reply.granted
    assert (len(reply.tokens), len(reply.left_ms)) == (2, 2)
    assert held(two) == ({"a": 2}, {"a": 1})


def test_a_try_that_gets_one_but_not_the_other_gets_neither(two: Bench) -> None:
    take(two, "y")
    reply = both(two, "a").attempt()
    assert (reply.code, reply.object) == (Code.REFUSED, "semaphore/y")
    assert held(two) == ({}, {"other": 2})


def test_one_impossible_amount_makes_the_request_impossible(two: Bench) -> None:
    reply = both(two, "a", 1, 3).wait()
    assert (reply.code, reply.object) == (Code.IMPOSSIBLE, "semaphore/y")
    assert two.waiters("x") == two.waiters("y") == []


def test_an_absent_object_refuses_a_try_and_is_waited_for(bench: Bench) -> None:
    bench.semaphore(2, name="x")
    request = both(bench, "a")
    assert (request.attempt().code, request.attempt().object) == (Code.ABSENT, "semaphore/y")
    assert request.wait().code == Code.ABSENT
    bench.semaphore(2, name="y")
    assert request.wait().granted


def test_a_waiter_holds_nothing_until_it_gets_everything(two: Bench) -> None:
    take(two, "y")
    request = both(two, "a")
    assert (request.wait().code, request.wait().object) == (Code.QUEUED, "semaphore/y")
    assert held(two) == ({}, {"other": 2})
    assert (two.waiters("x"), two.waiters("y")) == (["a"], ["a"])
    two.k.semaphore("y").release("other")
    assert request.messages()[-1].startswith("granted ")
    assert len(request.wait().tokens) == 2
    assert held(two) == ({"a": 1}, {"a": 1})
    assert (two.waiters("x"), two.waiters("y")) == ([], [])


def test_waiters_of_both_are_served_in_the_order_of_their_coming(two: Bench) -> None:
    take(two, "x")
    take(two, "y")
    first, second, third = both(two, "a", 2, 2), two.ask("b", 2, name="x"), both(two, "c", 1, 1)
    for request in (first, second, third):
        request.wait()
    two.k.semaphore("x").release("other")
    assert held(two)[0] == {}, "the head of x waits for y"
    two.k.semaphore("y").release("other")
    assert first.wait().granted
    two.k.semaphore("x").release("a")
    assert second.wait().granted
    two.k.semaphore("y").release("a")
    assert third.wait().code == Code.QUEUED
    two.k.semaphore("x").release("b")
    assert third.wait().granted


def test_a_release_of_one_object_serves_who_waits_for_it_in_the_other_too(two: Bench) -> None:
    """`a` frees the way in y by taking its turn through x."""
    take(two, "x")
    first = both(two, "a", 1, 1)
    first.wait()
    behind = two.ask("b", 1, name="y")
    assert behind.wait().code == Code.QUEUED
    two.k.semaphore("x").release("other")
    assert first.wait().granted
    assert behind.messages()[-1].startswith("granted ")
    assert behind.wait().granted


def test_a_grant_that_frees_the_way_in_an_earlier_object_serves_there_again(two: Bench) -> None:
    """`first` frees y for `both`, and `both` frees x for `last`: all in the script of one release."""
    take(two, "x")
    two.k.semaphore("y").acquire(2, timeout=0, ttl="10s", holder="expires")
    first = two.ask("first", name="y")
    second, last = both(two, "both"), two.ask("last", name="x")
    for request in (first, second, last):
        assert request.wait().code == Code.QUEUED
    two.clock.advance(11 * SECOND)
    two.k.semaphore("x").release("other")
    for request in (first, second, last):  # before a look, which would serve as well
        assert request.messages()[-1].startswith("granted ")
    assert held(two) == ({"both": 1, "last": 1}, {"first": 1, "both": 1})


def test_requests_that_name_the_objects_in_another_order_do_not_deadlock(two: Bench) -> None:
    take(two, "x")
    take(two, "y")
    one = two.ask("a", several={"x": 2, "y": 2})
    other = two.ask("b", several={"y": 2, "x": 2})
    one.wait()
    other.wait()
    two.k.semaphore("y").release("other")
    two.k.semaphore("x").release("other")
    assert one.wait().granted
    for name in ("x", "y"):
        two.k.semaphore(name).release("a")
    assert other.wait().granted


def test_priority_and_age_count_the_same_in_all_queues(two: Bench) -> None:
    take(two, "x")
    take(two, "y")
    low, high = both(two, "low", 2, 2), both(two, "high", 2, 2, priority=5)
    low.wait()
    high.wait()
    assert two.waiters("x") == two.waiters("y") == ["high", "low"]
    for _ in range(2):
        two.clock.advance(31 * SECOND)
        low.wait()
        high.wait()
    two.k.semaphore("y").release("other")
    two.k.semaphore("x").release("other")
    assert low.wait().granted, "older than a minute"


def test_cancelling_leaves_all_queues_and_gives_back_everything(two: Bench) -> None:
    take(two, "y")
    waiting, granted = both(two, "a"), two.ask("b", several={"x": 1})
    waiting.wait()
    waiting.cancel()
    assert (two.waiters("x"), two.waiters("y")) == ([], [])
    granted.attempt()
    raced = both(two, "c")
    raced.wait()
    two.k.semaphore("y").release("other")
    assert held(two)[0] == {"b": 1, "c": 1}
    raced.cancel()
    assert held(two) == ({"b": 1}, {})


def test_a_lapsed_grant_lapses_everywhere(two: Bench) -> None:
    take(two, "y")
    both(two, "dead").wait()
    alive = both(two, "alive", 2, 2)
    alive.wait()
    two.k.semaphore("y").release("other")
    assert held(two) == ({"dead": 1}, {"dead": 1})
    two.clock.advance(CLAIM_WINDOW + SECOND)
    assert alive.wait().granted
    assert held(two) == ({"alive": 2}, {"alive": 2})


def test_changing_several_amounts_changes_all_or_none(two: Bench) -> None:
    take(two, "y", permits=1)
    assert both(two, "a").attempt().granted
    assert both(two, "a", 2, 2).attempt().code == Code.REFUSED
    assert held(two) == ({"a": 1}, {"other": 1, "a": 1})
    two.k.semaphore("y").release("other")
    assert both(two, "a", 2, 2).attempt().granted
    assert held(two) == ({"a": 2}, {"a": 2})


def test_a_holder_of_a_part_is_refused(two: Bench) -> None:
    take(two, "x", "a", 1)
    reply = both(two, "a").wait()
    assert (reply.code, reply.object) == (Code.FIXED, "semaphore/x")
    assert two.waiters("y") == []


def test_an_object_named_twice_is_refused_before_anything_is_written(two: Bench) -> None:
    before = two.dump()
    keys = two.keys("x")
    with pytest.raises(Exception, match="semaphore/x is named twice"):
        two.script("permit_acquire", (*keys.permits, *keys.permit), "r", "a", "wait", 0, -1, "", "", "", 1, 1)
    assert two.dump() == before


def test_a_dead_waiters_places_are_taken_over_in_all_queues(two: Bench) -> None:
    take(two, "x")
    take(two, "y")
    both(two, "a", 1, 1).wait()
    two.ask("b", name="x").wait()
    second = both(two, "a", 2, 2)
    assert second.wait().code == Code.PROBING
    two.clock.advance(PROBE_WINDOW + 1)
    assert second.wait().code == Code.QUEUED
    assert (two.waiters("x"), two.waiters("y")) == (["a", "b"], ["a"])
    for name in ("x", "y"):
        two.k.semaphore(name).release("other")
    assert second.wait().granted
    assert held(two) == ({"a": 2}, {"a": 2})


def test_a_dead_waiters_other_places_are_given_up_by_who_takes_one_over(two: Bench) -> None:
    take(two, "x")
    take(two, "y")
    both(two, "a").wait()
    second = two.ask("a", name="x")
    second.wait()
    two.clock.advance(PROBE_WINDOW + 1)
    second.wait()
    assert (two.waiters("x"), two.waiters("y")) == (["a"], [])


def test_deleting_one_object_leaves_the_request_in_the_other_queue(two: Bench) -> None:
    take(two, "y")
    request = both(two, "a")
    request.wait()
    two.k.semaphore("y").delete()
    assert request.messages()[-1] == "deleted"
    assert request.wait().code == Code.ABSENT
    assert two.waiters("x") == ["a"]
    two.semaphore(2, name="y")
    assert request.wait().granted


def test_a_request_only_for_what_exists_leaves_all_queues_when_one_is_deleted(two: Bench) -> None:
    take(two, "y")
    request = both(two, "a")
    two.run(request.spec.call("must-exist"))
    assert two.waiters("x") == ["a"]
    two.k.semaphore("y").delete()
    assert two.run(request.spec.call("must-exist"))[0] == Code.ABSENT
    assert two.waiters("x") == []


@pytest.mark.parametrize("end", ["reset", "delete", "force-release"])
def test_a_grant_of_which_a_part_has_ended_is_given_back_and_asked_for_again(two: Bench, end: str) -> None:
    take(two, "x")
    request = both(two, "a", 1, 2)
    request.wait()
    two.k.semaphore("x").release("other")
    assert held(two) == ({"a": 1}, {"a": 2})
    if end == "reset":
        two.k.semaphore("x").reset()
        take(two, "x")
    elif end == "delete":
        two.k.semaphore("x").delete()
    else:
        two.k.semaphore("x").force_release("a")
        take(two, "x")
    assert request.wait().code in {Code.QUEUED, Code.ABSENT}
    assert two.holders("y") == {}
    assert two.waiters("y") == ["a"]
    if end == "delete":
        two.semaphore(2, name="x")
    else:
        two.k.semaphore("x").release("other")
    assert request.wait().granted
    assert held(two) == ({"a": 1}, {"a": 2})


def test_a_request_that_lost_the_shorter_of_its_leases_gives_back_the_longer(bench: Bench) -> None:
    bench.semaphore(1, name="x", ttl="10s")
    bench.semaphore(1, name="y", ttl="1h")
    request = both(bench, "a")
    first = request.attempt()
    bench.clock.advance(11 * SECOND)
    again = request.attempt()
    assert again.granted
    assert all(new > old for new, old in zip(again.tokens, first.tokens, strict=True))


def test_a_resize_that_makes_it_impossible_ejects_a_request_from_all_queues(two: Bench) -> None:
    take(two, "x")
    request = both(two, "a", 1, 2)
    request.wait()
    two.k.semaphore("y").define(1)
    assert (two.waiters("x"), two.waiters("y")) == ([], [])
    assert request.messages()[-1] == "look"
    assert request.wait().code == Code.IMPOSSIBLE


def test_each_object_gives_its_own_ttl(bench: Bench) -> None:
    bench.semaphore(1, name="x", ttl="1m")
    bench.semaphore(1, name="y", ttl="5m")
    reply = both(bench, "a").attempt()
    assert reply.left_ms == (60_000, 300_000)


def test_every_object_that_changed_is_nudged(two: Bench) -> None:
    two.client.delete("konductor:{team}:dirty")
    both(two, "a").attempt()
    assert sorted(two.client.zrange("konductor:{team}:dirty", 0, -1)) == ["semaphore/x", "semaphore/y"]
