"""Waits that really block, in threads, on real servers and in real time: who is woken by what."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from konductor_core import Konductor
from konductor_core.errors import BarrierFailed, Impossible, LeaseLost, Replaced, WaitTimeout
from tests.scripts.bench import NAMESPACE
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.scripts.bench import Bench

SOON = 5.0
"""Seconds: much less than the heartbeat of 25, so that only a message can have ended a wait."""


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def start(bench: Bench, pool: ThreadPoolExecutor, wait: Callable[..., Any], **arguments: Any) -> Future[Any]:
    """Start a wait in a thread and return once its object counts it."""
    handle: Any = wait.__self__  # type: ignore[attr-defined]
    before = handle.status().waiting
    future = pool.submit(wait, **arguments)
    until(lambda: future.done() or handle.status().waiting > before, "the wait is counted")
    return future


def test_a_release_wakes_the_waiter(real: Bench, pool: ThreadPoolExecutor) -> None:
    sem = real.semaphore(1)
    lease = sem.acquire(timeout=0)
    waiting = start(real, pool, sem.acquire, holder="w")
    lease.release()
    assert waiting.result(SOON).holder == "w"
    assert real.holders() == {"w": 1}


def test_an_expiry_wakes_the_head(real: Bench, pool: ThreadPoolExecutor) -> None:
    sem = real.semaphore(1)
    sem.acquire(timeout=0, ttl="300ms", holder="dead")
    began = monotonic()
    waiting = start(real, pool, sem.acquire, holder="w")
    assert waiting.result(SOON).holder == "w"
    assert monotonic() - began < SOON
    assert sem.status().counters["expiries"] == 1


def test_a_twin_goes_with_its_lease_and_nobody_running(real: Bench) -> None:
    real.semaphore(1).acquire(timeout=0, ttl="150ms", holder="a")
    twin = f"{real.keys().meta}:lease:a"
    assert real.client.exists(twin)
    until(lambda: not real.client.exists(twin), "the twin has ended")
    until(lambda: real.k.semaphore("x").status().in_use == 0, "the permit is free")


@pytest.mark.parametrize("change", ["grow", "reset", "force-release", "made anew"])
def test_a_change_of_the_object_wakes_the_waiter(real: Bench, pool: ThreadPoolExecutor, change: str) -> None:
    sem = real.semaphore(1)
    sem.acquire(timeout=0, holder="other")
    waiting = start(real, pool, sem.acquire, holder="w")
    if change == "grow":
        sem.define(2)
    elif change == "reset":
        sem.reset()
    elif change == "force-release":
        sem.force_release("other")
    else:
        sem.delete()
        until(lambda: real.client.exists(real.keys().meta + ":queue"), "the waiter stands in the queue again")
        sem.define(1)
    assert waiting.result(SOON).holder == "w"


def test_a_shrunk_semaphore_tells_a_waiter_that_it_asks_too_much(real: Bench, pool: ThreadPoolExecutor) -> None:
    sem = real.semaphore(3)
    sem.acquire(timeout=0, holder="other")
    waiting = start(real, pool, sem.acquire, permits=3)
    sem.define(2)
    with pytest.raises(Impossible, match="has 2 permits: 3 can never be granted"):
        waiting.result(SOON)
    assert real.waiters() == []


def test_a_timeout_leaves_the_queue_and_says_how_far_it_was(real: Bench) -> None:
    sem = real.semaphore(1)
    sem.acquire(timeout=0, holder="other")
    with pytest.raises(WaitTimeout, match="position 1 in the queue, 1/1 permits in use"):
        sem.acquire(timeout="200ms")
    assert real.waiters() == []
    assert sem.status().counters["timeouts"] == 1


def test_threads_that_share_a_library_exclude_each_other(real: Bench, pool: ThreadPoolExecutor) -> None:
    sem = real.semaphore(1)
    inside: list[str] = []

    def work(name: str) -> None:
        with sem.acquire(renew=True):
            inside.append(f"{name} in")
            inside.append(f"{name} out")

    for future in [pool.submit(work, str(n)) for n in range(8)]:
        future.result(4 * SOON)
    assert [line.split()[1] for line in inside] == ["in", "out"] * 8
    assert sem.status().in_use == 0


def test_a_renewed_lease_outlives_its_ttl_and_a_lost_one_says_so(real: Bench) -> None:
    sem = real.semaphore(1)
    lost: list[str] = []
    lease = sem.acquire(timeout=0, ttl="300ms", renew=True, on_lost=lambda lease: lost.append(lease.holder))
    until(lambda: sem.status().counters["renewals"] >= 5, "it was renewed over more than its TTL")
    assert not lease.lost.is_set()
    sem.force_release(lease.holder)
    assert lease.lost.wait(SOON)
    until(lambda: bool(lost), "on_lost was called")
    with pytest.raises(LeaseLost):
        lease.renew()


def test_the_last_arrival_wakes_all_who_wait(real: Bench, pool: ThreadPoolExecutor) -> None:
    barrier = real.barrier(2)
    waits = [start(real, pool, barrier.wait) for _ in range(4)]
    barrier.arrive("a")
    barrier.arrive("b")
    assert {wait.result(SOON).arrived for wait in waits} == {2}


def test_a_deadline_ends_the_wait_with_the_reason(real: Bench, pool: ThreadPoolExecutor) -> None:
    barrier = real.barrier(2, timeout="400ms")
    waiting = start(real, pool, barrier.wait)
    with pytest.raises(BarrierFailed, match="timeout with 0/2 arrived"):
        waiting.result(SOON)


def test_a_reset_replaces_an_arrival_that_waits_and_not_a_plain_wait(real: Bench, pool: ThreadPoolExecutor) -> None:
    barrier = real.barrier(2)
    arrival = start(real, pool, barrier.arrive_and_wait, holder="a")
    plain = start(real, pool, barrier.wait)
    barrier.reset()
    with pytest.raises(Replaced):
        arrival.result(SOON)
    barrier.define(1)
    barrier.arrive("b")
    assert plain.result(SOON).arrived == 1


def test_an_arrival_waits_for_a_barrier_that_is_made_a_little_later(real: Bench, pool: ThreadPoolExecutor) -> None:
    barrier = real.k.barrier("b")
    arriving = pool.submit(barrier.arrive, "a")
    channel = real.keys("b", barrier._verbs.kind).state
    until(lambda: dict(real.client.pubsub_numsub(channel))[channel] == 1, "the arrival listens")
    barrier.define(1)
    assert arriving.result(SOON).phase == "Open"


def test_an_interrupted_wait_leaves_the_queue(real: Bench) -> None:
    real.semaphore(1).acquire(timeout=0, holder="other")

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        real.k.semaphore("x").acquire(on_progress=interrupt)
    assert real.waiters() == []


def test_waiters_of_many_connections_are_served_in_order(real: Bench, pool: ThreadPoolExecutor) -> None:
    sem = real.semaphore(1)
    first = sem.acquire(timeout=0, holder="first")
    url = real.k.settings.redis_url
    with Konductor(url, namespace=NAMESPACE) as second:
        waits = [
            start(real, pool, (real.k if n % 2 else second).semaphore("x").acquire, holder=f"w{n}") for n in range(6)
        ]
        first.release()
        order = []
        for wait in waits:
            lease = wait.result(SOON)
            order.append(lease.holder)
            lease.release()
        assert order == [f"w{n}" for n in range(6)]
