"""Everything that the library can do, once: what must work on every deployment and for every user."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from konductor_core import AsyncKonductor, Konductor, WaitTimeout
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TEAM", "tour", "tour_async"]

TEAM = "team-a"
"""The namespace of the tour."""


def tour(url: str) -> None:
    """Use every verb from threads, with waits that are woken and waits that time out. Leaves no object."""
    with Konductor(url, namespace=TEAM, holder="first") as k:
        _permits(k)
        _latches(k)
        assert k.objects() == []


def _permits(k: Konductor) -> None:
    semaphore = k.semaphore("s")
    semaphore.define(permits=2)
    lease = semaphore.acquire(permits=2)
    with _meanwhile(lambda: semaphore.acquire(holder="second", ttl="1m").release()):
        until(lambda: semaphore.status().waiting, "the second one waits")
        semaphore.acquire(permits=1)
    semaphore.define(permits=3, ttl="1m")
    lease.renew()
    lease.release()
    semaphore.acquire(ttl="100ms")
    until(lambda: not semaphore.status().in_use, "the lease has expired")
    semaphore.acquire(holder="other", ttl="0s", force=True)
    with pytest.raises(WaitTimeout):
        semaphore.acquire(permits=3, timeout="50ms")
    semaphore.force_release("other")
    assert semaphore.events(since_id=semaphore.events()[0].id)
    semaphore.reset()
    assert k.objects()
    assert semaphore.delete()


def _latches(k: Konductor) -> None:
    barrier = k.barrier("b")
    barrier.define(expected=2, cyclic=True, timeout="1m")
    with _meanwhile(lambda: barrier.arrive_and_wait("a", timeout="20s")):
        until(lambda: barrier.status().waiting, "the first one waits")
        barrier.arrive("b")
    with pytest.raises(WaitTimeout):
        barrier.wait(timeout="50ms")
    nudges = k.nudges(0.5)
    assert next(nudges) is None
    barrier.reset()
    assert next(changed for changed in nudges if changed)[1] == "b"
    nudges.close()
    assert barrier.delete()


class _meanwhile:  # noqa: N801 - reads as the context manager it is
    """Runs something in a thread beside a block, and joins it at the end."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(work,))

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below
            self._errors.append(error)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()
        for error in self._errors:
            raise error


def tour_async(url: str) -> None:
    """Use what waits, from tasks: queued acquires, barriers, a lease that is renewed. Leaves no object."""
    asyncio.run(_tour_async(url))


async def _tour_async(url: str) -> None:
    async with AsyncKonductor(url, namespace=TEAM) as k:
        semaphore, barrier = k.semaphore("s"), k.barrier("b")
        await semaphore.define(permits=1)
        await barrier.define(expected=2)
        async with semaphore.acquire(ttl="1500ms", renew=True) as lease:
            waiting = asyncio.create_task(semaphore.acquire(timeout="20s").__aenter__())
            await asyncio.gather(
                barrier.arrive_and_wait("a", timeout="20s"), barrier.arrive_and_wait("b", timeout="20s")
            )
            await lease.renew()
            with pytest.raises(WaitTimeout):
                await semaphore.acquire(timeout="50ms")
        await (await waiting).release()
        assert (await barrier.status()).phase == "Open"
        assert await semaphore.events()
        assert len(await k.objects()) == 2
        await barrier.delete()
        await semaphore.delete()
