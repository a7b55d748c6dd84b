"""One holder asks again: the same lease, another amount, a second waiter, a request that is repeated or cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core.codes import Code
from konductor_core.durations import CLAIM_WINDOW, PROBE_WINDOW, WAITER_TTL
from konductor_core.errors import Impossible, WouldBlock
from tests.scripts.bench import ODD_NAMES

if TYPE_CHECKING:
    from tests.scripts.bench import Bench


def test_the_same_amount_again_is_the_same_grant_with_a_new_end(bench: Bench) -> None:
    sem = bench.semaphore(3)
    first = sem.acquire(permits=2, timeout=0, ttl="30s", holder="a")
    bench.clock.advance(20_000)
    second = sem.acquire(permits=2, timeout=0, ttl="30s", holder="a")
    assert second.token == first.token
    bench.clock.advance(20_000)
    assert bench.holders() == {"a": 2}
    assert sem.status().counters["grants"] == 1


def test_the_same_amount_again_passes_waiters_and_a_pause(bench: Bench) -> None:
    sem = bench.semaphore(1)
    token = sem.acquire(timeout=0, holder="a").token
    bench.queue("b")
    sem.define(0)
    assert sem.acquire(timeout=0, holder="a").token == token


def test_a_repeated_request_is_granted_once(bench: Bench) -> None:
    sem = bench.semaphore(3)
    request = bench.ask("a", 2)
    assert request.attempt().token == request.attempt().token == request.wait().token
    assert sem.status().in_use == 2
    assert bench.event_types().count("granted") == 1


def test_a_repeated_request_after_its_lease_ended_is_granted_anew(bench: Bench) -> None:
    bench.semaphore(1)
    request = bench.ask("a", ttl_ms=10_000)
    first = request.attempt().token
    bench.clock.advance(11_000)
    assert request.attempt().token > first


def test_a_smaller_amount_shrinks_the_lease_and_serves_waiters(bench: Bench) -> None:
    sem = bench.semaphore(5)
    token = sem.acquire(permits=5, timeout=0, holder="a").token
    (waiter,) = bench.queue("b", permits=3)
    assert sem.acquire(permits=2, timeout=0, holder="a").token == token
    assert waiter.wait().granted
    assert bench.holders() == {"a": 2, "b": 3}


def test_a_larger_amount_grows_the_lease_if_it_fits(bench: Bench) -> None:
    sem = bench.semaphore(5)
    token = sem.acquire(permits=1, timeout=0, holder="a").token
    assert sem.acquire(permits=5, timeout=0, holder="a").token == token
    assert sem.status().in_use == 5


def test_a_larger_amount_that_does_not_fit_is_refused_and_never_queues(bench: Bench) -> None:
    sem = bench.semaphore(5)
    sem.acquire(permits=2, timeout=0, holder="a")
    sem.acquire(permits=2, timeout=0, holder="b")
    with pytest.raises(WouldBlock):
        sem.acquire(permits=4, holder="a", timeout="1h")
    assert bench.holders() == {"a": 2, "b": 2}
    assert bench.waiters() == []


def test_a_larger_amount_does_not_overtake_waiters(bench: Bench) -> None:
    sem = bench.semaphore(5)
    sem.acquire(permits=3, timeout=0, holder="a")
    bench.queue("b", permits=3)
    with pytest.raises(WouldBlock):
        sem.acquire(permits=4, timeout=0, holder="a")


def test_a_dead_waiter_keeps_no_lease_from_growing(bench: Bench) -> None:
    sem = bench.semaphore(5)
    sem.acquire(permits=2, timeout=0, ttl="1h", holder="a")
    bench.queue("dead", permits=4)
    bench.clock.advance(WAITER_TTL + 1_000)
    assert sem.acquire(permits=5, timeout=0, holder="a").permits == 5


def test_an_amount_beyond_the_limit_is_impossible_for_a_holder_too(bench: Bench) -> None:
    sem = bench.semaphore(5)
    sem.acquire(permits=3, timeout=0, holder="a")
    with pytest.raises(Impossible):
        sem.acquire(permits=6, timeout=0, holder="a")


def test_asking_again_with_another_ttl_changes_what_a_renewal_gives(bench: Bench) -> None:
    sem = bench.semaphore(1, ttl="1m")
    sem.acquire(timeout=0, ttl="10s", holder="a")
    sem.acquire(timeout=0, holder="a")
    assert sem.renew("a").ttl_ms == 60_000


def test_a_second_live_waiter_of_one_holder_is_refused(bench: Bench) -> None:
    bench.semaphore(1).acquire(timeout=0, holder="other")
    (first,) = bench.queue("a")
    second = bench.ask("a")
    reply = second.wait()
    assert (reply.code, reply.next_change_ms) == (Code.PROBING, PROBE_WINDOW)
    assert first.messages() == ["probe"]
    assert first.wait().code == Code.QUEUED
    assert second.wait().code == Code.DUPLICATE
    assert bench.waiters() == ["a"]


def test_a_dead_waiters_place_is_taken_over_after_the_probe(bench: Bench) -> None:
    sem = bench.semaphore(1)
    sem.acquire(timeout=0, holder="other")
    bench.queue("a", "b")
    second = bench.ask("a")
    assert second.wait().code == Code.PROBING
    bench.clock.advance(PROBE_WINDOW + 1)
    reply = second.wait()
    assert (reply.code, reply.position, reply.waiting) == (Code.QUEUED, 1, 2)
    sem.release("other")
    assert second.wait().granted


def test_a_request_that_takes_a_place_over_gets_its_own_amount_and_ttl(bench: Bench) -> None:
    sem = bench.semaphore(5)
    sem.acquire(permits=5, timeout=0, holder="other")
    bench.ask("a", 1, ttl_ms=2_000, priority=7).wait()
    second = bench.ask("a", 4, ttl_ms=60_000)
    second.wait()
    bench.clock.advance(PROBE_WINDOW + 1)
    second.wait()
    (waiter,) = sem.status().waiters
    assert (waiter.permits, waiter.priority, waiter.request) == (4, 0, second.id)
    sem.release("other")
    assert second.wait().left_ms == (60_000,)
    bench.clock.advance(30_000)
    assert bench.holders() == {"a": 4}


def test_a_waiter_whose_place_was_taken_over_learns_that_it_is_a_duplicate(bench: Bench) -> None:
    bench.semaphore(1).acquire(timeout=0, holder="other")
    (first,) = bench.queue("a")
    second = bench.ask("a")
    second.wait()
    bench.clock.advance(PROBE_WINDOW + 1)
    second.wait()
    assert first.wait().code == Code.PROBING
    second.wait()
    assert first.wait().code == Code.DUPLICATE


def test_a_forgotten_waiters_place_is_free_at_once(bench: Bench) -> None:
    bench.semaphore(1).acquire(timeout=0, holder="other")
    bench.queue("a")
    bench.clock.advance(WAITER_TTL + 1)
    assert bench.ask("a").wait().code == Code.QUEUED


def test_a_cancelled_wait_leaves_at_once_and_lets_the_next_one_go(bench: Bench) -> None:
    sem = bench.semaphore(3)
    sem.acquire(permits=1, timeout=0, holder="other")
    (big,) = bench.queue("big", permits=3)
    (small,) = bench.queue("small", permits=2)
    assert big.cancel() == Code.CANCELLED
    assert small.messages()[-1].startswith("granted ")
    assert small.wait().granted
    assert "big" not in bench.waiters()


def test_a_cancelled_wait_gives_back_the_grant_that_raced_it(bench: Bench) -> None:
    sem = bench.semaphore(1)
    sem.acquire(timeout=0, holder="other")
    first, second = bench.queue("a", "b")
    sem.release("other")
    assert bench.holders() == {"a": 1}
    first.cancel("timeout")
    assert bench.holders() == {"b": 1}
    assert second.wait().granted
    assert sem.status().counters["timeouts"] == 1


def test_a_cancelled_request_is_not_granted_by_an_acquire_that_arrives_late(bench: Bench) -> None:
    sem = bench.semaphore(1)
    for send in ("attempt", "wait"):
        request = bench.ask("a")
        request.cancel()
        assert getattr(request, send)().code == Code.CANCELLED
    assert sem.status().in_use == 0
    assert bench.waiters() == []


def test_a_cancelled_try_gives_back_what_it_got(bench: Bench) -> None:
    sem = bench.semaphore(1)
    request = bench.ask("a")
    request.attempt()
    request.cancel()
    request.cancel()
    assert sem.status().in_use == 0


def test_cancelling_one_request_leaves_another_of_the_same_holder_alone(bench: Bench) -> None:
    sem = bench.semaphore(1)
    sem.acquire(timeout=0, holder="a")
    stranger = bench.ask("a")
    stranger.cancel()
    assert sem.status().in_use == 1


def test_a_late_cancel_does_not_take_the_lease_from_who_went_on_with_it(bench: Bench) -> None:
    sem = bench.semaphore(1)
    before, restarted = bench.ask("a"), bench.ask("a")
    assert before.attempt().token == restarted.attempt().token
    before.cancel()
    assert sem.status().in_use == 1
    restarted.cancel()
    assert sem.status().in_use == 1, "it was there before"


def test_cancelling_a_waiter_leaves_no_trace_of_its_request_but_that_it_was_cancelled(bench: Bench) -> None:
    bench.semaphore(1).acquire(timeout=0, holder="other")
    (request,) = bench.queue("a")
    request.cancel()
    (left,) = [key for key in bench.all_keys() if request.id in key]
    assert bench.client.hgetall(left) == {"cancelled": "cancelled"}
    assert bench.client.pttl(left) > 0


def test_a_restarted_container_goes_on_with_a_grant_that_its_first_run_never_confirmed(bench: Bench) -> None:
    sem = bench.semaphore(1)
    sem.acquire(timeout=0, holder="other")
    bench.queue("a")
    sem.release("other")
    reply = bench.ask("a").wait()
    assert reply.granted
    bench.clock.advance(CLAIM_WINDOW + 1_000)
    assert bench.holders() == {"a": 1}
    assert sem.status().waiting == 0


@pytest.mark.parametrize("holder", ODD_NAMES)
def test_any_printable_text_is_a_holder(bench: Bench, holder: str) -> None:
    sem = bench.semaphore(2)
    sem.acquire(permits=2, timeout=0, holder="other")
    request = bench.ask(holder, 2)
    assert request.wait().code == Code.QUEUED
    assert bench.waiters() == [holder]
    sem.release("other")
    lease = request.wait()
    assert bench.holders() == {holder: 2}
    assert sem.renew(holder, lease.token).token == lease.token
    assert sem.events(1)[0].holder in {holder, None, "other"}
    assert sem.release(holder, lease.token) == "released"
    assert bench.holders() == {}


@pytest.mark.parametrize("argument", ["x", "", "1.5", "-1", "0", "inf", "nan", "1e300", "9007199254740993000"])
def test_a_malformed_number_fails_before_anything_is_written(bench: Bench, argument: str) -> None:
    bench.semaphore(5)
    before = bench.dump()
    keys = bench.keys().permits
    with pytest.raises(Exception, match="KONDUCTOR argument permits must be a whole number"):
        bench.script("permit_acquire", keys, "r", "a", "wait", 0, -1, "", "", "", argument)
    with pytest.raises(Exception, match="KONDUCTOR argument priority must be a whole number"):
        bench.script("permit_acquire", keys, "r", "a", "wait", 1001, -1, "", "", "", 1)
    assert bench.dump() == before


def test_a_second_request_gets_the_grant_that_the_first_one_gets_at_that_moment(bench: Bench) -> None:
    sem = bench.semaphore(1)
    sem.acquire(timeout=0, ttl="10s", holder="other")
    (first,) = bench.queue("a")
    bench.clock.advance(11_000)
    second = bench.ask("a").wait()
    assert second.granted
    assert first.wait().token == second.token
    assert (bench.waiters(), bench.holders()) == ([], {"a": 1})
