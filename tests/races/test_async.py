"""The same promises for tasks of one event loop: leases, cancellation at any moment, closing."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from konductor_core.aio import AsyncKonductor
from konductor_core.client import Konductor
from konductor_core.errors import LeaseLost, Unavailable
from konductor_core.flows.leases import Released
from tests.proxy import Proxy
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from konductor_core.async_lease import AsyncLease
    from tests.servers import Server

TTL = 0.5
TASKS = 12


@pytest.fixture
def k(redis_server: Server) -> Iterator[Konductor]:
    """The sync library on the same server, to look at things from outside."""
    with Konductor(redis_server.url, namespace="races") as konductor:
        konductor.semaphore("one").define(permits=1)
        konductor.barrier("all").define(expected=2)
        yield konductor


def run(url: str, work: Callable[[AsyncKonductor], Awaitable[None]]) -> None:
    """Run `work` with a library object of its own in a new event loop."""

    async def main() -> None:
        async with AsyncKonductor(url, namespace="races") as konductor:
            await work(konductor)

    asyncio.run(main())


def holders(k: Konductor) -> list[str]:
    return [row.holder for row in k.semaphore("one").status().holders]


def test_a_renewed_lease_is_kept_over_several_ttls(redis_server: Server, k: Konductor) -> None:
    async def work(konductor: AsyncKonductor) -> None:
        async with konductor.semaphore("one").acquire(ttl=TTL, renew=True, holder="a") as lease:
            await asyncio.sleep(3 * TTL)
            assert holders(k) == ["a"]
            assert not lease.lost.is_set()
            k.semaphore("one").force_release("a")
            await asyncio.wait_for(lease.lost.wait(), TTL)
            assert lease.expires_in == 0

    with pytest.raises(LeaseLost):
        run(redis_server.url, work)


def test_a_renewed_lease_may_be_given_a_shorter_ttl(redis_server: Server, k: Konductor) -> None:
    async def work(konductor: AsyncKonductor) -> None:
        async with konductor.semaphore("one").acquire(ttl="30s", renew=True, holder="a") as lease:
            await lease.renew(TTL)
            await asyncio.sleep(3 * TTL)
            assert holders(k) == ["a"]
            assert not lease.lost.is_set()

    run(redis_server.url, work)


def test_a_renewed_lease_is_lost_at_its_deadline(redis_server: Server, k: Konductor) -> None:
    async def work(konductor: AsyncKonductor) -> None:
        said: list[AsyncLease] = []
        lease = await konductor.semaphore("one").acquire(ttl=0.9, renew=True, on_lost=said.append)
        proxy.freeze()
        await asyncio.wait_for(lease.lost.wait(), 0.9 + 0.5)
        assert lease.expires_in == 0
        assert said == [lease]
        proxy.heal()

    with Proxy(redis_server) as proxy:
        run(proxy.url, work)


def test_tasks_may_share_a_guard(redis_server: Server, k: Konductor) -> None:
    k.semaphore("one").define(permits=2)

    async def work(konductor: AsyncKonductor) -> None:
        guard, both, tokens = konductor.semaphore("one").guard(ttl="30s"), asyncio.Barrier(2), set()

        async def use() -> None:
            async with guard as lease:
                await both.wait()
                tokens.add(lease.token)
                await both.wait()

        await asyncio.gather(use(), use())
        assert len(tokens) == 2

    run(redis_server.url, work)
    assert holders(k) == []


def test_a_failing_release_does_not_hide_why_the_block_failed(redis_server: Server, k: Konductor) -> None:
    async def work(konductor: AsyncKonductor) -> None:
        async with konductor.semaphore("one").acquire(ttl="30s"):
            proxy.refuse()
            raise ZeroDivisionError

    with Proxy(redis_server) as proxy, pytest.raises(ZeroDivisionError):
        run(proxy.url, work)


def test_a_wait_that_is_cancelled_leaves_nothing_behind(redis_server: Server, k: Konductor) -> None:
    chance = random.Random(4)

    async def contend(konductor: AsyncKonductor) -> None:
        while True:
            async with konductor.semaphore("one").acquire(holder="other"):
                await asyncio.sleep(chance.uniform(0, 0.003))
            await asyncio.sleep(chance.uniform(0, 0.003))

    async def wait(konductor: AsyncKonductor, turn: int) -> bool:
        """Tell whether a lease was got before the cancellation came."""
        acquiring: Any = konductor.semaphore("one").acquire(ttl="30s", timeout="20s", holder=f"turn-{turn}")
        task = asyncio.ensure_future(acquiring)
        await asyncio.sleep(chance.uniform(0, 0.006))
        task.cancel()
        try:
            lease: AsyncLease = await task
        except asyncio.CancelledError:
            return False
        assert await lease.release() is Released.RELEASED
        return True

    async def work(konductor: AsyncKonductor) -> None:
        rival = asyncio.ensure_future(contend(konductor))
        got = [await wait(konductor, turn) for turn in range(300)]
        rival.cancel()
        await asyncio.gather(rival, return_exceptions=True)
        assert True in got
        assert False in got
        status = await konductor.semaphore("one").status()
        assert ([row for row in status.holders if row.holder != "other"], status.waiters) == ([], ())

    run(redis_server.url, work)


def test_closing_ends_every_wait_and_closes_every_connection(redis_server: Server, k: Konductor) -> None:
    k.semaphore("one").acquire(holder="other")
    with redis_server.client() as client:
        before = len(client.client_list())

        async def work(konductor: AsyncKonductor) -> None:
            waits: list[Any] = [konductor.semaphore("one").acquire() for _ in range(TASKS)]
            waits += [konductor.barrier("all").wait() for _ in range(TASKS)]
            tasks = [asyncio.ensure_future(each) for each in waits]
            for waited_for in (k.semaphore("one"), k.barrier("all")):
                await asyncio.to_thread(until, lambda: waited_for.status().waiting == TASKS, "all wait")  # noqa: B023
            await konductor.close()
            ends = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
            assert [type(end) for end in ends] == [Unavailable] * len(tasks)

        run(redis_server.url, work)
        until(lambda: len(client.client_list()) == before, "no connection is left")
