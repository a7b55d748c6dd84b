"""What a failover loses of what was acknowledged: `make measure-loss`, or python -m tests.faults.measure [ROUNDS].

Each round, a client acquires and arrives as fast as it can, the master is killed, and its replica takes over. Counted
is what the client was told and the new master does not know. The replica follows over a link that takes LAG ms, or
over loopback; a killed process leaves what it had handed to the kernel, which a machine that loses power does not.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from konductor_core.client import Konductor
from konductor_core.config import Settings
from konductor_core.errors import KonductorError
from tests.proxy import Proxy
from tests.servers import Server, until

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Loss", "measure"]

NAMESPACE = "faults"
LAGS_MS = (0, 20)
SECONDS = 0.4


class Loss(NamedTuple):
    """Of how many acknowledged grants and arrivals how many vanished."""

    grants: int
    lost_grants: int
    arrivals: int
    lost_arrivals: int


def measure(lag_ms: int, min_replicas: int) -> Loss:
    """Run one round."""
    with Server("redis", _directory(), tcp=True) as master, Server("redis", _directory(), tcp=True) as replica:
        with Proxy(master) as link, replica.client(decode_responses=True) as client:
            client.replicaof("127.0.0.1", str(link.port))
            until(lambda: client.role()[3] == "connected", "the replica follows", timeout=30)
            link.delay(lag_ms / 1000)
            grants, arrivals = _use(master, min_replicas)
            link.cut()  # what was on its way is lost
            link.refuse()
        client = replica.client(decode_responses=True)
        with client:
            client.replicaof("NO", "ONE")
            leases = set(client.zrange(f"konductor:{{{NAMESPACE}}}:semaphore:dock:leases", 0, -1))
            arrived = set(client.zrange(f"konductor:{{{NAMESPACE}}}:barrier:round:arrivals", 0, -1))
    return Loss(len(grants), len(grants - leases), len(arrivals), len(arrivals - arrived))


def _use(master: Server, min_replicas: int) -> tuple[set[str], set[str]]:
    """Acquire in one thread and arrive in another until the master is killed; return what was acknowledged."""
    settings = {"redis_url": master.tcp_url, "namespace": NAMESPACE, "min_replicas": min_replicas, "retries": 0}
    with Konductor(settings=Settings.load(settings)) as k:
        semaphore, barrier = k.semaphore("dock"), k.barrier("round")
        semaphore.define(permits=1_000_000, ttl="5m")
        barrier.define(expected=1_000_000)
        grants, arrivals = set[str](), set[str]()
        threads = [
            _repeat(lambda name: semaphore.acquire(holder=name, timeout=0), grants),
            _repeat(lambda name: barrier.arrive(holder=name), arrivals),
        ]
        threading.Event().wait(SECONDS)
        master.kill()
        for thread in threads:
            thread.join()
    return grants, arrivals


def _repeat(act: Callable[[str], object], done: set[str]) -> threading.Thread:
    def run() -> None:
        for number in range(1_000_000):
            try:
                act(f"id-{number}")
            except KonductorError:
                return
            done.add(f"id-{number}")

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _directory() -> Path:
    return Path(tempfile.mkdtemp(prefix="konductor-"))


def main(rounds: int) -> None:
    """Print a table."""
    print(f"{rounds} rounds each, {time.strftime('%Y-%m-%d')}: acknowledged, and lost with the master")  # noqa: T201
    for lag in LAGS_MS:
        for replicas in (0, 1):
            total = Loss(*map(sum, zip(*(measure(lag, replicas) for _ in range(rounds)), strict=True)))
            print(  # noqa: T201
                f"link {lag:3} ms, KONDUCTOR_MIN_REPLICAS={replicas}: {total.lost_grants} of {total.grants} grants, "
                f"{total.lost_arrivals} of {total.arrivals} arrivals"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
