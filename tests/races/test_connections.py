"""One library object in many threads: what it keeps open, what it closes, and when."""

from __future__ import annotations

import os
import random
import threading
from typing import TYPE_CHECKING

import pytest

from konductor_core.client import Konductor
from konductor_core.errors import Unavailable, WaitTimeout, WouldBlock
from tests.checker import Rules, check_permits
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from tests.races.conftest import Lag, Place
    from tests.servers import Server

THREADS = 12


def connections(client: redis.Redis) -> int:
    """How many connections the server has, beside the one that asks."""
    return len(client.client_list()) - 1


def run_all(work: Callable[[int], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    return threads


def test_many_threads_share_one_library_object(place: Place, lag: Lag) -> None:
    semaphore = place.k.semaphore("one")
    semaphore.define(permits=3)

    def work(number: int) -> None:
        chance = random.Random(number)
        for _ in range(12):
            with semaphore.acquire(chance.choice((1, 1, 2)), ttl="20s", timeout="30s"):
                threading.Event().wait(chance.uniform(0, 0.01))

    with place.record("one") as recorder:
        for thread in run_all(work):
            thread.join(60)
        events = recorder.complete()
    assert check_permits(events, Rules(script_ms=2 + lag.worst_ms)) == []
    assert sum(event.type == "released" for event in events) == THREADS * 12
    assert semaphore.status().in_use == 0


def test_waits_that_end_keep_no_connections(redis_server: Server) -> None:
    with redis_server.client() as client, Konductor(redis_server.url, namespace="races") as k:
        k.semaphore("one").define(permits=1)
        k.barrier("all").define(expected=2)
        k.semaphore("one").acquire(holder="other")
        before = connections(client)
        for _ in range(10):
            with pytest.raises(WouldBlock):
                k.semaphore("one").acquire(timeout=0)
            with pytest.raises(WaitTimeout):
                k.semaphore("one").acquire(timeout="20ms")
            with pytest.raises(WaitTimeout):
                k.barrier("all").wait(timeout="20ms")
        until(lambda: connections(client) <= before + 1, "only what is used again stays open")


def test_a_forked_child_that_closes_leaves_its_parents_connections_alone(redis_server: Server) -> None:
    with Konductor(redis_server.url, namespace="races") as k, redis_server.client() as client:
        k.semaphore("one").define(permits=1)
        before = connections(client)
        child = os.fork()
        if child == 0:
            try:
                k.close()
            finally:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert connections(client) == before
        assert k.semaphore("one").status().spec.permits == 1


def test_closing_ends_every_wait_and_closes_every_connection(redis_server: Server) -> None:
    ended: list[type[Exception]] = []
    with redis_server.client() as client:
        k = Konductor(redis_server.url, namespace="races")
        k.semaphore("one").define(permits=1)
        k.barrier("all").define(expected=2)
        k.semaphore("one").acquire(holder="other")

        def wait(number: int) -> None:
            try:
                k.semaphore("one").acquire() if number % 2 else k.barrier("all").wait()
            except Unavailable as error:
                ended.append(type(error))

        threads = run_all(wait)
        until(lambda: k.semaphore("one").status().waiting == THREADS // 2, "half of them wait for a permit")
        until(lambda: k.barrier("all").status().waiting == THREADS // 2, "half of them wait for the barrier")
        k.close()
        for thread in threads:
            thread.join(10)
        assert ended == [Unavailable] * THREADS
        until(lambda: connections(client) == 0, "no connection is left")


def test_nudges_that_are_closed_give_their_connection_back(redis_server: Server) -> None:
    with redis_server.client() as client, Konductor(redis_server.url, namespace="races") as k:
        for _ in range(3):
            nudges = k.nudges(interval=5)
            assert next(nudges) is None
            assert client.pubsub_numsub("konductor:{races}:nudge")[0][1] == 1
            nudges.close()
            until(lambda: client.pubsub_numsub("konductor:{races}:nudge")[0][1] == 0, "nobody listens")
