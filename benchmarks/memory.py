"""What a held permit takes of the server's memory."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Line, at_most
from benchmarks.peers import EVAL, LOCK, eval_semaphore, python_redis_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from benchmarks.harness import Place

__all__ = ["TITLE", "run"]

TITLE: Final = "Memory per held permit"
OWNER: Final = {
    "POD_NAME": "warehouse-loader-7c9d5b6f48-2xk9p",
    "POD_UID": "3f1c2f9e-7d1b-4c55-9a54-0d6a3f6e2b11",
    "NODE_NAME": "ip-10-0-134-207.eu-central-1.compute.internal",
}


@contextmanager
def _in_a_pod() -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(OWNER)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _all_keys(client: redis.Redis) -> int:
    """Return the bytes of all keys, each measured whole."""
    keys = list(client.scan_iter("*", count=1000))
    total = 0
    for start in range(0, len(keys), 1000):
        pipeline = client.pipeline(transaction=False)
        for key in keys[start : start + 1000]:
            pipeline.memory_usage(key, samples=0)
        total += sum(pipeline.execute())
    return total


def _used(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])


def run(place: Place) -> list[Line]:
    """Fill a semaphore, then the same with peers, and measure after each."""
    count = place.options.rounds(10_000, 2_000)
    client = place.client()
    before = _used(client)
    with _in_a_pod(), place.konductor() as k:
        semaphore = k.semaphore("x")
        semaphore.define(count)
        for number in range(count):
            semaphore.acquire(holder=f"warehouse-loader-7c9d5b6f48/{number:012d}")
    lines = [
        Line(
            "Konductor: MEMORY USAGE of all keys, 40-character holders, owner set",
            _all_keys(client) / count,
            "B",
            target=at_most(600),
        ),
        Line("Konductor: growth of used_memory", (_used(client) - before) / count, "B"),
    ]
    client.flushall()
    for number in range(count):
        python_redis_lock(client, str(number), f"warehouse-loader-7c9d5b6f48/{number:012d}", ttl=300)
        client.set(f"lock:{number}", f"warehouse-loader-7c9d5b6f48/{number:012d}", ex=300)
    lines.append(Line(f"{LOCK}: a key for each", _all_keys(client) / count, "B"))
    client.flushall()
    held = [eval_semaphore(client, "semaphore", count) for _ in range(count)]
    for permit in held:
        permit.__enter__()
    lines.append(Line(f"{EVAL}: ids and expiries in one zset", _all_keys(client) / count, "B"))
    return lines
