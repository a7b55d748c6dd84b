"""The same promises for tasks of one event loop: leases, cancellation at any moment, closing."""

from __future__ import annotations

import asyncio
import random
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from konductor_core.aio import AsyncKonductor
from konductor_core.async_lease import withdrawn_if_cancelled
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


def test_a_request_that_is_cancelled_at_any_moment_of_its_grant_holds_nothing(
    redis_server: Server, k: Konductor
) -> None:
    """Also after its flow has ended, when nothing in it could give back any more."""
    semaphore = k.semaphore("one")
    ended: list[str] = []

    async def at(konductor: AsyncKonductor, turns: int) -> None:
        lease = semaphore.acquire(holder="before")
        task = asyncio.ensure_future(take(konductor))
        await asyncio.to_thread(until, lambda: semaphore.status().waiting == 1, "the task waits")
        lease.release()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await (await task).release()
            ended.append("held")
        except asyncio.CancelledError:
            ended.append("cancelled")
        status = semaphore.status()
        assert (status.in_use, status.waiting) == (0, 0), f"after {turns} turns of the loop"

    async def take(konductor: AsyncKonductor) -> AsyncLease:
        return await konductor.semaphore("one").acquire(holder="task")

    async def work(konductor: AsyncKonductor) -> None:
        for turns in range(60):
            await at(konductor, turns)

    run(redis_server.url, work)
    assert set(ended) == {"held", "cancelled"}


def test_what_a_flow_got_before_its_task_was_cancelled_is_given_back(redis_server: Server, k: Konductor) -> None:
    async def work(konductor: AsyncKonductor) -> None:
        verbs = konductor.semaphore("one")._verbs
        ask = verbs.ask(1, None, 0, "task", force=False)

        async def cancelled_late() -> None:
            async with withdrawn_if_cancelled(konductor.driver, ask):
                await konductor.driver.run(verbs.acquire(ask, 0, must_exist=False))
                assert holders(k) == ["task"]
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await cancelled_late()

    run(redis_server.url, work)
    assert holders(k) == []


def test_to_open_a_connection_to_wait_on_takes_no_longer_than_the_wait(redis_server: Server) -> None:
    """New connections hang in their first command, while those there are work."""
    took: list[float] = []

    async def impatient(verb: Awaitable[object]) -> None:
        start = monotonic()
        with pytest.raises(Unavailable, match="does not answer"):
            await verb
        took.append(monotonic() - start)

    with Proxy(redis_server) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/1"

        async def work(konductor: AsyncKonductor) -> None:
            await konductor.semaphore("one").define(permits=1)
            await konductor.barrier("all").define(expected=2)
            await konductor.semaphore("one").acquire(ttl=60, holder="first")
            proxy.swallow_reply("SELECT", times=100)
            await impatient(konductor.semaphore("one").acquire(timeout=0.4).__aenter__())
            await impatient(konductor.barrier("all").wait(timeout=0.4))

        run(url, work)
    assert max(took) < 4, took


def test_a_subscription_that_is_never_confirmed_is_asked_for_again(redis_server: Server, k: Konductor) -> None:
    """By a wait without a deadline, which would listen for ever to a connection that has died silently."""
    k.barrier("all").define(expected=1)

    async def work(konductor: AsyncKonductor) -> None:
        waiting = asyncio.ensure_future(konductor.barrier("all").wait())
        await asyncio.to_thread(until, lambda: proxy.seen("SUBSCRIBE") >= 1, "it subscribes")
        k.barrier("all").arrive("x")
        assert (await asyncio.wait_for(waiting, 20)).arrived == 1

    with Proxy(redis_server) as proxy:
        proxy.swallow_reply("SUBSCRIBE")
        run(proxy.url, work)


def test_a_connection_that_breaks_while_another_waiter_subscribes_on_it_is_replaced(
    redis_server: Server, k: Konductor
) -> None:
    """At each turn of the loop: the reader closes the connection at the moment at which a task writes to it."""
    k.barrier("other").define(expected=1)

    async def work(konductor: AsyncKonductor) -> None:
        for turns in range(25):
            k.barrier("all").reset()
            k.barrier("other").reset()
            first = asyncio.ensure_future(konductor.barrier("all").wait())
            await asyncio.to_thread(until, lambda: k.barrier("all").status().waiting == 1, "it waits")
            await asyncio.sleep(0.002)
            second = asyncio.ensure_future(konductor.barrier("other").wait())
            for _ in range(turns):
                await asyncio.sleep(0)
            with redis_server.client() as client:  # the loop stands still meanwhile, and then sees all at once
                client.client_kill_filter(_type="pubsub")
            await asyncio.sleep(0.002)
            k.barrier("other").arrive("x")
            k.barrier("all").arrive("x")
            k.barrier("all").arrive("y")
            await asyncio.wait_for(asyncio.gather(first, second), 20)

    run(redis_server.url, work)


def test_members_of_a_wait_group_are_added_done_and_waited_for(server: Server) -> None:
    async def main() -> None:
        async with AsyncKonductor(server.url, namespace="races") as k:
            group = k.waitgroup("g")
            await group.define()
            await group.add(count=TASKS)
            waits = [asyncio.create_task(group.wait(timeout=20)) for _ in range(TASKS)]
            await asyncio.gather(*(group.done(f"task-{number}") for number in range(TASKS)))
            assert [each.added for each in await asyncio.gather(*waits)] == [TASKS] * TASKS
            assert (await group.status()).phase == "Done"

    asyncio.run(main())


def test_a_gate_is_defined_opened_and_waited_for(server: Server) -> None:
    async def main() -> None:
        async with AsyncKonductor(server.url, namespace="races") as k:
            gate = k.gate("g")
            await gate.define(["job/migrate"], timeout="1h")
            waits = [asyncio.create_task(gate.wait(timeout=20)) for _ in range(TASKS)]
            assert (await gate.close()).phase == "Closed"
            assert (await gate.auto()).phase == "Waiting"
            assert (await gate.open()).phase == "Open"
            assert {each.summary for each in await asyncio.gather(*waits)} == {"open: by hand"}
            status = await gate.status()
            assert (status.override, status.verdict, status.waiting) == ("Open", "Waiting", 0)

    asyncio.run(main())


def test_of_many_tasks_one_does_it_and_an_error_leaves_it_to_the_next(server: Server) -> None:
    calls: list[int] = []

    async def main() -> None:
        async with AsyncKonductor(server.url, namespace="races") as k:
            once = k.once("o")
            await once.define(ttl="30s")

            async def work() -> str:
                calls.append(1)
                await asyncio.sleep(0.01)
                if len(calls) == 1:
                    raise OSError("no route")
                return "fine"

            found = await asyncio.gather(*(once.run(work) for _ in range(20)), return_exceptions=True)
            assert sum(isinstance(each, OSError) for each in found) == 1
            assert sum(each == "fine" for each in found) == 1
            status = await once.status()
            assert (status.phase, status.result, status.failures, len(calls)) == ("Done", "fine", 1, 2)

    asyncio.run(main())
