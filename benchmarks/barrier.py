"""A thousand waiters in four processes: from the last arrival until all of them know, beside bare pub/sub."""

from __future__ import annotations

import asyncio
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

from benchmarks.crew import Crew
from benchmarks.figures import Line, at_most, line, ratios
from benchmarks.harness import NAMESPACE, Place, plain, quiet, settle
from konductor_core import AsyncKonductor, Konductor

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    import redis

__all__ = ["TITLE", "run"]

TITLE: Final = "A barrier with a thousand waiters in four processes"
PROCESSES: Final = 4
EACH: Final = 250
SETTLE: Final = 0.3
"""Seconds after the last waiter has subscribed."""

FLOOR: Final = "bare pub/sub, a connection each (threads)"
OURS: Final = "Konductor, a connection each (threads)"
FLOOR_SHARED: Final = "bare pub/sub, a connection per process (tasks)"
OURS_SHARED: Final = "Konductor, a connection per process (tasks)"


def _in_threads(wait: Callable[[], float]) -> float:
    """Return the moment when the last of the threads knew."""
    moments: list[float] = []

    def once() -> None:
        moments.append(wait())

    threads = [threading.Thread(target=once) for _ in range(EACH)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(moments)


def _pubsub(url: str, name: str) -> float:
    client = plain(url, max_connections=10_000)

    def wait() -> float:
        pubsub = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        pubsub.subscribe(name)
        while pubsub.get_message(timeout=None) is None:
            pass
        moment = monotonic()
        pubsub.close()
        return moment

    return _in_threads(wait)


def _konductor(url: str, name: str) -> float:
    with Konductor(url, namespace=NAMESPACE) as k:
        barrier = k.barrier(name)

        def wait() -> float:
            barrier.wait()
            return monotonic()

        return _in_threads(wait)


def _pubsub_shared(url: str, name: str) -> float:
    async def main() -> float:
        from redis.asyncio import Redis

        opened = asyncio.Event()

        async def wait() -> float:
            await opened.wait()
            return monotonic()

        client = Redis.from_url(url, socket_timeout=None)
        pubsub = client.pubsub(ignore_subscribe_messages=True)
        await pubsub.subscribe(name)
        waits = [asyncio.create_task(wait()) for _ in range(EACH)]
        while await pubsub.get_message(timeout=None) is None:
            pass
        opened.set()
        last = max(await asyncio.gather(*waits))
        await pubsub.aclose()  # type: ignore[no-untyped-call]
        await client.aclose()
        return last

    return asyncio.run(main())


def _konductor_shared(url: str, name: str) -> float:
    async def main() -> float:
        async with AsyncKonductor(url, namespace=NAMESPACE) as k:
            barrier = k.barrier(name)

            async def wait() -> float:
                await barrier.wait()
                return monotonic()

            return max(await asyncio.gather(*[wait() for _ in range(EACH)]))

    return asyncio.run(main())


WAITS: Final = {FLOOR: _pubsub, OURS: _konductor, FLOOR_SHARED: _pubsub_shared, OURS_SHARED: _konductor_shared}
CONNECTIONS: Final = {FLOOR: PROCESSES * EACH, OURS: PROCESSES * EACH, FLOOR_SHARED: PROCESSES, OURS_SHARED: PROCESSES}


def _wait(pipe: Connection, wait: Callable[[str, str], float], url: str, name: str) -> None:
    with quiet():
        pipe.send(wait(url, name))


def _once(place: Place, client: redis.Redis, kind: str, name: str) -> float:
    """Return the seconds from the last arrival, or the publication, until the last waiter knew."""
    with place.konductor() as k:
        barrier = k.barrier(name)
        ours = kind in {OURS, OURS_SHARED}
        if ours:
            barrier.define(1)
        channel = f"konductor:{{{NAMESPACE}}}:barrier:{name}:state" if ours else name
        with Crew(PROCESSES, _wait, WAITS[kind], place.url, name) as crew:
            settle(lambda: client.pubsub_numsub(channel)[0][1] == CONNECTIONS[kind])
            if ours:
                settle(lambda: barrier.status().waiting == PROCESSES * EACH)
            sleep(SETTLE)
            began = monotonic()
            if ours:
                barrier.arrive("the-last")
            else:
                client.publish(name, "open")
            return float(max(crew.hear())) - began


def run(place: Place) -> list[Line]:
    """Let the four kinds of waiting take turns."""
    client = place.client()
    seconds: dict[str, list[float]] = {kind: [] for kind in WAITS}
    for number in range(place.options.rounds(10, 3)):
        for turn, kind in enumerate(WAITS):
            seconds[kind].append(_once(place, client, kind, f"round-{number}-{turn}"))
    return [
        *[line(kind, [each * 1e3 for each in times], "ms") for kind, times in seconds.items()],
        line(f"{OURS}, as a multiple of: {FLOOR}", ratios(seconds[OURS], seconds[FLOOR]), target=at_most(1.5)),
        line(
            f"{OURS_SHARED}, as a multiple of: {FLOOR}",
            ratios(seconds[OURS_SHARED], seconds[FLOOR]),
            target=at_most(0.5),
        ),
    ]
