"""A holder is killed: how long after its TTL somebody else holds, by the server's clock."""

from __future__ import annotations

from contextlib import suppress
from time import sleep
from typing import TYPE_CHECKING, Final, Protocol

from benchmarks.crew import Crew
from benchmarks.figures import Line, at_most, line
from benchmarks.harness import NAMESPACE, Place, plain
from benchmarks.peers import EVAL, LOCK, PY_LOCK, FailedToAcquireLock, eval_semaphore, python_redis_lock
from konductor_core import Konductor

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["TITLE", "run"]

TITLE: Final = "The next holder after a killed one"
TTL_S: Final = 1


class Contender(Protocol):
    """One way to hold something that ends by itself."""

    def __init__(self, url: str) -> None: ...

    def hold(self) -> None:
        """Get it, waiting as long as that takes."""

    def ends_ms(self) -> float:
        """Return when the present holder's time is up: the server's milliseconds."""

    def free(self) -> None:
        """Let everything be as before."""


class _Plain:
    """What the peers have in common."""

    def __init__(self, url: str) -> None:
        self.client = plain(url)

    def free(self) -> None:
        self.client.flushall()


class _Konductor:
    def __init__(self, url: str) -> None:
        self._client = plain(url)
        self._semaphore = Konductor(url, namespace=NAMESPACE).semaphore("x")
        self._semaphore.define(1)

    def hold(self) -> None:
        self._semaphore.acquire(ttl=TTL_S)

    def ends_ms(self) -> float:
        return float(self._client.zrange(f"konductor:{{{NAMESPACE}}}:semaphore:x:leases", 0, 0, withscores=True)[0][1])

    def free(self) -> None:
        self._semaphore.reset()


class _RedisPy(_Plain):
    def hold(self) -> None:
        self.client.lock("lock", timeout=TTL_S).acquire()

    def ends_ms(self) -> float:
        return float(self.client.pexpiretime("lock"))


class _Lock(_Plain):
    def hold(self) -> None:
        python_redis_lock(self.client, "lock", ttl=TTL_S).acquire()

    def ends_ms(self) -> float:
        return float(self.client.pexpiretime("lock:lock"))


class _Eval(_Plain):
    """It asks twice at most, so a user who wants a permit asks again; its moments are whole seconds."""

    def hold(self) -> None:
        while True:
            self._permit = eval_semaphore(self.client, "semaphore", 1, ttl=TTL_S, timeout=1)
            with suppress(FailedToAcquireLock):
                self._permit.__enter__()
                return

    def ends_ms(self) -> float:
        return float(self.client.zrange("semaphore", 0, 0, withscores=True)[0][1]) * 1000


CONTENDERS: Final[dict[str, type[Contender]]] = {
    "Konductor": _Konductor,
    PY_LOCK: _RedisPy,
    LOCK: _Lock,
    EVAL: _Eval,
}


def _hold(pipe: Connection, kind: type[Contender], url: str) -> None:
    holder = kind(url)
    holder.hold()
    pipe.send("held")
    pipe.recv()  # never: it is killed


def run(place: Place) -> list[Line]:
    """Kill a holder of each kind in turn, while one waits."""
    late: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    clock = place.client()
    for number in range(place.options.rounds(15, 4)):
        for name, kind in CONTENDERS.items():
            waiter = kind(place.url)
            with Crew(1, _hold, kind, place.url) as crew:
                crew.hear()
                crew.kill()
                ends_ms = waiter.ends_ms()
                sleep(0.01 * (number % 7))  # so that polls and timers meet it at different phases
                waiter.hold()
            seconds, micros = clock.time()
            late[name].append(seconds * 1000 + micros / 1000 - ends_ms)
            waiter.free()
    return [
        line(f"{name}: after the TTL, one waiting", times, "ms", at_most(20) if name == "Konductor" else None)
        for name, times in late.items()
    ]
