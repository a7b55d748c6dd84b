"""Waiting for permits: order, ageing, no barging, claims, heartbeats, and who is woken for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from konductor_core.codes import Code
from konductor_core.durations import CLAIM_WINDOW, WAITER_TTL
from konductor_core.errors import WouldBlock

if TYPE_CHECKING:
    from tests.scripts.bench import Bench

SECOND = 1_000
MINUTE = 60 * SECOND


def fill(bench: Bench, permits: int = 1, **spec: Any) -> None:
    """Make semaphore `x`, held completely by `other`."""
    bench.semaphore(permits, **spec).acquire(permits, timeout=0, ttl="1h", holder="other")


def release(bench: Bench, holder: str = "other") -> None:
    assert bench.k.semaphore("x").release(holder) == "released"


# ------------------------------------------------------------------- order


def test_waiters_are_served_in_the_order_of_their_coming(bench: Bench) -> None:
    fill(bench)
    requests = bench.queue("a", "b", "c")
    holder = "other"
    for request in requests:
        release(bench, holder)
        assert request.wait().granted
        holder = request.holder
    assert [event.holder for event in bench.events() if event.type == "granted"] == ["other", "a", "b", "c"]


def test_a_waiters_reply_says_its_place_and_what_is_in_use(bench: Bench) -> None:
    fill(bench, 3)
    first, second = bench.queue("a", "b")
    reply = second.wait()
    assert (reply.position, reply.waiting, reply.in_use, reply.permits) == (2, 2, 3, 3)
    assert first.wait().position == 1


def test_a_heartbeat_keeps_the_place(bench: Bench) -> None:
    fill(bench)
    first, _second = bench.queue("a", "b")
    first.wait()
    assert bench.waiters() == ["a", "b"]


def test_higher_priorities_go_first_and_equals_in_the_order_of_their_coming(bench: Bench) -> None:
    fill(bench)
    for holder, priority in (("a", 0), ("b", 5), ("c", -1000), ("d", 5), ("e", 1000), ("f", 0)):
        bench.ask(holder, priority=priority).wait()
    assert bench.waiters() == ["e", "b", "d", "a", "f", "c"]


def test_a_waiter_older_than_max_bypass_outranks_every_priority(bench: Bench) -> None:
    fill(bench, max_bypass="30s")
    bench.ask("old", priority=-1000).wait()
    bench.clock.advance(20 * SECOND)
    bench.ask("middle", priority=-5).wait()
    bench.clock.advance(11 * SECOND)
    urgent = bench.ask("urgent", priority=1000)
    urgent.wait()
    release(bench)
    assert bench.holders() == {"old": 1}
    assert bench.waiters() == ["urgent", "middle"]


def test_the_aged_go_in_the_order_of_their_coming_not_of_their_priority(bench: Bench) -> None:
    fill(bench, max_bypass="10s")
    for holder, priority in (("a", 0), ("b", 9), ("c", 5)):
        bench.ask(holder, priority=priority).wait()
    bench.clock.advance(11 * SECOND)
    release(bench)
    assert (bench.holders(), bench.waiters()) == ({"a": 1}, ["b", "c"])


def test_a_max_bypass_of_zero_is_strictly_first_come_first_served(bench: Bench) -> None:
    fill(bench, max_bypass=0)
    bench.ask("a").wait()
    bench.ask("b", priority=1000).wait()
    release(bench)
    assert (bench.holders(), bench.waiters()) == ({"a": 1}, ["b"])


def test_the_order_is_one_sequence_over_all_objects_of_the_namespace(bench: Bench) -> None:
    for name in ("x", "y"):
        bench.semaphore(1, name=name).acquire(timeout=0, holder="other")
    requests = [bench.ask(holder, name=name) for holder, name in (("a", "x"), ("b", "y"), ("c", "x"))]
    for request in requests:
        request.wait()
    places = [bench.client.hget(f"konductor:{{team}}:request:{request.id}", "seq") for request in requests]
    assert places == ["1", "2", "3"]


# ---------------------------------------------------- barging and backfill


def test_a_try_never_overtakes_a_waiter(bench: Bench) -> None:
    fill(bench, 3)
    bench.k.semaphore("x").acquire(2, timeout=0, holder="other")
    bench.queue("a", permits=2)
    with pytest.raises(WouldBlock):
        bench.k.semaphore("x").acquire(1, timeout=0, holder="b")


def test_a_try_never_overtakes_a_waiter_under_backfill_either(bench: Bench) -> None:
    fill(bench, 3, policy="Backfill")
    bench.k.semaphore("x").acquire(2, timeout=0, holder="other")
    bench.queue("a", permits=2)
    with pytest.raises(WouldBlock):
        bench.k.semaphore("x").acquire(1, timeout=0, holder="b")


def test_a_new_waiter_stands_behind_the_head_under_strict(bench: Bench) -> None:
    fill(bench, 3)
    bench.k.semaphore("x").acquire(2, timeout=0, holder="other")
    bench.queue("a", permits=2)
    assert bench.ask("b", 1).wait().code == Code.QUEUED


def test_a_smaller_request_passes_a_head_that_does_not_fit_under_backfill(bench: Bench) -> None:
    fill(bench, 3, policy="Backfill")
    bench.k.semaphore("x").acquire(2, timeout=0, holder="other")
    bench.queue("a", permits=2)
    assert bench.ask("b", 1).wait().granted


def test_nobody_passes_a_head_older_than_max_bypass_under_backfill(bench: Bench) -> None:
    fill(bench, 3, policy="Backfill", max_bypass="30s")
    bench.k.semaphore("x").acquire(2, timeout=0, holder="other")
    bench.queue("a", permits=2)
    bench.clock.advance(31 * SECOND)
    assert bench.ask("b", 1).wait().code == Code.QUEUED
    release(bench)
    assert bench.holders() == {"a": 2, "b": 1}


def test_a_release_serves_all_heads_that_now_fit(bench: Bench) -> None:
    fill(bench, 5)
    first, second, third = bench.queue("a", "b", "c", permits=2)
    release(bench)
    assert bench.holders() == {"a": 2, "b": 2}
    assert first.messages()[0].startswith("granted ")
    assert second.messages()[0].startswith("granted ")
    assert not any(message.startswith("granted") for message in third.messages())


def test_a_request_that_fits_waits_behind_a_larger_head_under_strict(bench: Bench) -> None:
    fill(bench, 5)
    bench.queue("a", permits=5)
    bench.queue("b", permits=1)
    bench.k.semaphore("x").acquire(2, timeout=0, holder="other")
    assert (bench.holders(), bench.waiters()) == ({"other": 2}, ["a", "b"])


# ------------------------------------------------------------------- claims


def test_a_queued_grant_lives_for_the_claim_window_until_confirmed(bench: Bench) -> None:
    fill(bench)
    (request,) = bench.queue("a")
    release(bench)
    (holder,) = bench.k.semaphore("x").status().holders
    assert holder.pending
    assert holder.expires_ms == pytest.approx(bench.clock.now_ms() + CLAIM_WINDOW, abs=SECOND)
    reply = request.wait()
    assert reply.granted
    (holder,) = bench.k.semaphore("x").status().holders
    assert not holder.pending
    assert holder.expires_ms == pytest.approx(bench.clock.now_ms() + 5 * MINUTE, abs=SECOND)
    assert reply.token == holder.token


def test_the_message_of_a_grant_names_the_token_that_the_confirmation_returns(bench: Bench) -> None:
    fill(bench)
    (request,) = bench.queue("a")
    release(bench)
    (message,) = request.messages()
    assert message == f"granted {request.wait().token}"


def test_an_unconfirmed_grant_goes_to_the_next(bench: Bench) -> None:
    fill(bench)
    _dead, alive = bench.queue("a", "b")
    release(bench)
    bench.clock.advance(CLAIM_WINDOW + SECOND)
    assert alive.wait().granted
    assert "lapsed" in bench.event_types()
    assert bench.k.semaphore("x").status().counters["expiries"] == 0, "a lapse is no expiry"


def test_a_waiter_that_was_skipped_alive_keeps_its_place(bench: Bench) -> None:
    fill(bench)
    slow, quick, _last = bench.queue("a", "b", "c")
    release(bench)
    bench.clock.advance(CLAIM_WINDOW + SECOND)
    assert quick.wait().granted
    assert slow.wait().code == Code.QUEUED
    assert bench.waiters() == ["a", "c"]


def test_a_waiter_that_slept_over_its_grant_and_its_ttl_does_not_hold(bench: Bench) -> None:
    fill(bench)
    slow, quick = bench.queue("a", "b")
    release(bench)
    bench.clock.advance(CLAIM_WINDOW + SECOND)
    quick.wait()
    bench.clock.advance(30 * SECOND)
    assert slow.wait().code == Code.QUEUED
    assert bench.holders() == {"b": 1}


def test_a_dead_waiter_is_passed_over(bench: Bench) -> None:
    fill(bench)
    _dead, alive = bench.queue("a", "b")
    bench.clock.advance(WAITER_TTL // 2)
    alive.wait()
    bench.clock.advance(WAITER_TTL // 2 + SECOND)
    release(bench)
    assert bench.holders() == {"b": 1}
    assert "abandoned" in bench.event_types()
    assert bench.waiters() == []


def test_a_waiter_that_was_forgotten_comes_back_at_the_end(bench: Bench) -> None:
    fill(bench)
    (first,) = bench.queue("a")
    bench.clock.advance(WAITER_TTL - SECOND)
    bench.queue("b")
    bench.clock.advance(2 * SECOND)
    assert first.wait().position == 2
    assert bench.waiters() == ["b", "a"]


def test_a_dead_waiter_does_not_make_a_try_block(bench: Bench) -> None:
    bench.semaphore(2).acquire(1, timeout=0, ttl="1h", holder="other")
    bench.queue("a", permits=2)
    bench.clock.advance(WAITER_TTL + SECOND)
    assert bench.k.semaphore("x").acquire(1, timeout=0, holder="b").token


def test_an_expiry_serves_the_head_at_the_next_look(bench: Bench) -> None:
    bench.semaphore(1).acquire(timeout=0, ttl="10s", holder="other")
    (request,) = bench.queue("a")
    bench.clock.advance(11 * SECOND)
    assert request.wait().granted


# ------------------------------------------------- when to look, who is woken


def test_the_head_is_told_to_look_at_the_next_expiry(fake: Bench) -> None:
    fake.semaphore(2).acquire(timeout=0, ttl="10s", holder="other")
    fake.k.semaphore("x").acquire(timeout=0, ttl="20s", holder="more")
    first, second = fake.ask("a"), fake.ask("b")
    assert first.wait().next_change_ms == 10_000
    assert second.wait().next_change_ms == 10_025, "the next ones look a little later, should the head be dead"


def test_a_waiter_behind_a_lease_without_an_end_is_never_told_to_look(bench: Bench) -> None:
    bench.semaphore(1)
    bench.ask("other", ttl_ms=0).attempt()
    assert bench.ask("a").wait().next_change_ms == -1


def test_a_new_head_is_told_when_to_look(bench: Bench) -> None:
    bench.semaphore(1).acquire(timeout=0, ttl="1m", holder="other")
    first, second = bench.queue("a", "b")
    first.cancel()
    (message,) = second.messages()
    word, ms = message.split()[:2]
    assert word == "arm"
    assert int(ms) == pytest.approx(MINUTE, abs=SECOND)


def test_the_head_is_told_when_the_next_expiry_comes_closer(bench: Bench) -> None:
    bench.semaphore(1).acquire(timeout=0, ttl="1h", holder="other")
    first, second = bench.queue("a", "b")
    bench.k.semaphore("x").renew("other", ttl="10s")
    (message,) = first.messages()
    assert message.startswith("arm ")
    assert int(message.split()[1]) == pytest.approx(10 * SECOND, abs=SECOND)
    (watch,) = second.messages()
    assert watch.startswith("watch "), "it looks shortly after, should the head be dead"


def test_a_renewal_that_moves_the_end_away_wakes_nobody(bench: Bench) -> None:
    bench.semaphore(1).acquire(timeout=0, ttl="10s", holder="other")
    first, second = bench.queue("a", "b")
    bench.k.semaphore("x").renew("other", ttl="1h")
    assert (first.messages(), second.messages()) == ([], [])


def test_a_grant_wakes_the_granted_and_arms_the_new_head(bench: Bench) -> None:
    fill(bench)
    first, second, third = bench.queue("a", "b", "c")
    release(bench)
    assert first.messages()[0].startswith("granted ")
    (armed,) = second.messages()
    assert armed.startswith("arm ")
    assert int(armed.split()[1]) == pytest.approx(CLAIM_WINDOW, abs=SECOND)
    (watch,) = third.messages()
    assert watch.startswith("watch "), "it looks shortly after, should the new head be dead"


def test_a_head_behind_free_permits_is_told_when_ageing_changes_the_order(fake: Bench) -> None:
    fake.semaphore(3, max_bypass="30s").acquire(2, timeout=0, ttl="1h", holder="other")
    assert fake.ask("a", 3).wait().next_change_ms == 30 * SECOND


def test_wake_lists_and_requests_carry_a_ttl_from_their_first_write(bench: Bench) -> None:
    fill(bench)
    bench.queue("a", "b")
    release(bench)
    ours = [key for key in bench.all_keys() if ":request:" in key or ":wake:" in key or key.endswith(":seq")]
    assert len(ours) == 5
    assert all(0 < bench.client.pttl(key) <= 2 * WAITER_TTL for key in ours)


def test_waits_are_counted(bench: Bench) -> None:
    fill(bench)
    first, second = bench.queue("a", "b")
    bench.clock.advance(10 * SECOND)
    release(bench)
    first.wait()
    bench.clock.advance(5 * SECOND)
    release(bench, "a")
    second.wait()
    counters = bench.k.semaphore("x").status().counters
    assert counters["longestWaitMs"] == pytest.approx(15 * SECOND, abs=SECOND)
    assert counters["waitedMs"] == pytest.approx(25 * SECOND, abs=SECOND)


def test_a_wait_while_the_clock_went_back_counts_as_none(fake: Bench) -> None:
    fill(fake)
    (request,) = fake.queue("a")
    fake.clock.advance(-10 * SECOND)
    release(fake)
    request.wait()
    assert fake.k.semaphore("x").status().counters["waitedMs"] == 0


def test_a_clock_that_goes_back_keeps_order_and_leases(fake: Bench) -> None:
    fill(fake)
    first, second = fake.queue("a", "b")
    fake.clock.advance(-30 * SECOND)
    third = fake.ask("c")
    third.wait()
    assert fake.waiters() == ["a", "b", "c"]
    release(fake)
    assert first.wait().granted
    assert second.wait().code == Code.QUEUED
    assert fake.holders() == {"a": 1}
