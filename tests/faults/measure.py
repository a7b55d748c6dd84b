"""What a failover loses of what was acknowledged: `make measure-loss`, or python -m tests.faults.measure [ROUNDS].

Each round, clients acquire and arrive as fast as they can, and their master is replaced: it is killed and its replica
promoted by hand, or a Sentinel does it: after a kill, or because it is told to, and then the former master takes writes
until it is demoted. Counted is what clients were told and the new master does not know. The replica follows over a link
that takes some ms, or over loopback; a killed process leaves what it had handed to the kernel, which a machine that
loses power does not.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from konductor_core.client import Konductor
from konductor_core.config import Settings
from konductor_core.errors import KonductorError
from tests.proxy import Proxy
from tests.sentinels import SentinelSet
from tests.servers import Server, until

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

__all__ = ["Loss", "measure", "measure_sentinel"]

NAMESPACE = "faults"
LAGS_MS = (0, 20)
SECONDS = 1.0
CLIENTS = 4
"""Threads that acquire, and as many that arrive."""


class Loss(NamedTuple):
    """Of how many acknowledged grants and arrivals how many vanished."""

    grants: int
    lost_grants: int
    arrivals: int
    lost_arrivals: int


def measure(lag_ms: int, min_replicas: int) -> Loss:
    """Run one round in which the master is killed, and its replica promoted by hand."""
    with Server("redis", _directory(), tcp=True) as master, Server("redis", _directory(), tcp=True) as replica:
        with Proxy(master) as link, replica.client(decode_responses=True) as client:
            client.replicaof("127.0.0.1", str(link.port))
            until(lambda: client.role()[3] == "connected", "the replica follows", timeout=30)
            link.delay(lag_ms / 1000)
            told = _use(master.tcp_url, min_replicas, master.kill)
            link.cut()  # what was on its way is lost
            link.refuse()
        with replica.client(decode_responses=True) as client:
            client.replicaof("NO", "ONE")
            return _compare(client, *told)


def measure_sentinel(min_replicas: int, *, ordered: bool) -> Loss:
    """Run one round in which a Sentinel promotes the replica: told to, or because the master was killed."""
    with SentinelSet("redis", _directory()) as sentinels:
        before = sentinels.master
        told = _use(sentinels.url, min_replicas, sentinels.failover if ordered else before.kill)
        sentinels.await_other_master(before, timeout=40)
        with sentinels.client(decode_responses=True) as client:
            return _compare(client, *told)


def _compare(client: redis.Redis, grants: set[str], arrivals: set[str]) -> Loss:
    leases: Any = client.zrange(f"konductor:{{{NAMESPACE}}}:semaphore:dock:leases", 0, -1)
    arrived: Any = client.zrange(f"konductor:{{{NAMESPACE}}}:barrier:round:arrivals", 0, -1)
    return Loss(len(grants), len(grants - set(leases)), len(arrivals), len(arrivals - set(arrived)))


def _use(url: str, min_replicas: int, strike: Callable[[], None]) -> tuple[set[str], set[str]]:
    """Acquire and arrive until the master is gone; return what was acknowledged."""
    settings = Settings.load({"redis_url": url, "namespace": NAMESPACE, "min_replicas": min_replicas, "retries": 0})
    with Konductor(settings=settings) as k:
        semaphore, barrier = k.semaphore("dock"), k.barrier("round")
        semaphore.define(permits=1_000_000, ttl="5m")
        barrier.define(expected=1_000_000)
        grants, arrivals = set[str](), set[str]()
        threads = [
            _repeat(client, act, done)
            for client in range(CLIENTS)
            for act, done in (
                (lambda name: semaphore.acquire(holder=name, timeout=0), grants),
                (lambda name: barrier.arrive(holder=name), arrivals),
            )
        ]
        threading.Event().wait(SECONDS)
        strike()
        for thread in threads:
            thread.join()
    return grants, arrivals


def _repeat(client: int, act: Callable[[str], object], done: set[str]) -> threading.Thread:
    def run() -> None:
        for number in range(1_000_000):
            name = f"id-{client}-{number}"
            try:
                act(name)
            except KonductorError:
                return
            done.add(name)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _directory() -> Path:
    return Path(tempfile.mkdtemp(prefix="konductor-"))


def main(rounds: int) -> None:
    """Print a table."""
    print(f"{rounds} rounds each, {time.strftime('%Y-%m-%d')}: acknowledged, and lost with the master")  # noqa: T201
    ways: list[tuple[str, Callable[[int], Loss]]] = [
        *((f"by hand, link {lag} ms", partial(measure, lag)) for lag in LAGS_MS),
        ("Sentinel, master killed", partial(measure_sentinel, ordered=False)),
        ("Sentinel, told to", partial(measure_sentinel, ordered=True)),
    ]
    for way, once in ways:
        for replicas in (0, 1):
            total = Loss(*map(sum, zip(*(once(replicas) for _ in range(rounds)), strict=True)))
            print(  # noqa: T201
                f"{way}, KONDUCTOR_MIN_REPLICAS={replicas}: {total.lost_grants} of {total.grants} grants, "
                f"{total.lost_arrivals} of {total.arrivals} arrivals",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
