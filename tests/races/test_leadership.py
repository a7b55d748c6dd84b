"""Leadership by a lease object: one serves at a time, and hears of a loss before its lease is over."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from konductor_core.aio import AsyncKonductor
from konductor_core.client import Konductor
from tests.proxy import Proxy
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from konductor_core.async_lease import AsyncLease
    from konductor_core.lease import Lease
    from tests.servers import Server

PATIENCE = 20.0


@pytest.fixture
def k(redis_server: Server) -> Iterator[Konductor]:
    with Konductor(redis_server.url, namespace="races") as konductor:
        konductor.lease("leader").define(ttl="30s")
        yield konductor


def leading(k: Konductor) -> str:
    return ", ".join(holder.holder for holder in k.lease("leader").status().holders)


def test_one_serves_and_the_next_one_takes_over_at_once(k: Konductor) -> None:
    served: list[str] = []
    end = {name: threading.Event() for name in "ab"}

    def serve(lease: Lease) -> str:
        served.append(lease.holder)
        assert end[lease.holder].wait(PATIENCE)
        return f"{lease.holder} is done"

    results: list[str] = []
    threads = [
        threading.Thread(target=lambda name=name: results.append(k.lease("leader").lead(serve, holder=name)))
        for name in "ab"
    ]
    threads[0].start()
    until(lambda: served == ["a"], "a leads")
    threads[1].start()
    until(lambda: k.lease("leader").status().waiting == 1, "b stands by")
    assert served == ["a"]
    end["a"].set()
    until(lambda: served == ["a", "b"], "b leads")
    assert leading(k) == "b"
    end["b"].set()
    for thread in threads:
        thread.join(PATIENCE)
    assert results == ["a is done", "b is done"]
    status = k.lease("leader").status()
    assert (status.phase, status.transitions, status.waiting) == ("Available", 1, 0)


def test_a_leader_whose_lease_was_taken_away_stands_again(k: Konductor) -> None:
    tokens: list[int] = []

    def serve(lease: Lease) -> str:
        tokens.append(lease.token)
        if len(tokens) == 1:
            k.lease("leader").force_release(lease.holder)
            assert lease.lost.wait(PATIENCE)
            return "of no use to anybody"
        return "served"

    assert k.lease("leader").lead(serve, ttl="600ms") == "served"
    assert tokens[0] < tokens[1]


def test_what_goes_wrong_while_leading_is_raised_and_the_lease_given_back(k: Konductor) -> None:
    def serve(_: Lease) -> None:
        raise ValueError("no more disk")

    with pytest.raises(ValueError, match="no more disk"):
        k.lease("leader").lead(serve)
    assert k.lease("leader").status().phase == "Available"


def test_a_leader_that_is_cut_off_stops_before_anybody_else_can_lead(redis_server: Server, k: Konductor) -> None:
    ended: list[float] = []

    def serve(lease: Lease) -> str:
        if ended:
            return "again"
        proxy.freeze()
        assert lease.lost.wait(PATIENCE)
        assert "could not be renewed in time" in lease.reason
        assert leading(k) == "a", "its lease is not over yet"
        ended.append(time.monotonic())
        proxy.heal()
        return "cut off"

    with Proxy(redis_server) as proxy, Konductor(proxy.url, namespace="races", holder="a") as mine:
        assert mine.lease("leader").lead(serve, ttl="3s") == "again"


def test_a_task_that_leads_is_cancelled_when_the_lease_is_lost(redis_server: Server, k: Konductor) -> None:
    cancelled: list[int] = []

    async def serve(lease: AsyncLease) -> str:
        if cancelled:
            return "served"
        k.lease("leader").force_release(lease.holder)
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            cancelled.append(lease.token)
            raise
        return "never"

    async def work() -> None:
        async with AsyncKonductor(redis_server.url, namespace="races") as konductor:
            assert await konductor.lease("leader").lead(serve, ttl="600ms") == "served"
            assert (await konductor.lease("leader").status()).phase == "Available"

    asyncio.run(work())
    assert cancelled


def test_leadership_that_is_cancelled_from_outside_ends_the_service_and_gives_back(
    redis_server: Server, k: Konductor
) -> None:
    ended: list[bool] = []

    async def work() -> None:
        serving = asyncio.Event()

        async def serve(_: AsyncLease) -> None:
            serving.set()
            try:
                await asyncio.sleep(PATIENCE)
            finally:
                ended.append(True)

        async with AsyncKonductor(redis_server.url, namespace="races", holder="a") as konductor:
            task = asyncio.create_task(konductor.lease("leader").lead(serve))
            await serving.wait()
            assert leading(k) == "a"
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(work())
    assert ended
    assert k.lease("leader").status().phase == "Available"


async def _fail(_: AsyncLease) -> None:
    raise ValueError("no more disk")


def test_what_goes_wrong_in_a_task_that_leads_is_raised(redis_server: Server, k: Konductor) -> None:
    async def work() -> None:
        async with AsyncKonductor(redis_server.url, namespace="races") as konductor:
            with pytest.raises(ValueError, match="no more disk"):
                await konductor.lease("leader").lead(_fail)

    asyncio.run(work())
    assert k.lease("leader").status().phase == "Available"
