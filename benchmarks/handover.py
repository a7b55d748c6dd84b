"""From a release to the next holder, with one waiter and with a hundred: beside a bare BLPOP that is woken.

The waiters are threads of another process. Each tells when it has got its turn, and waits again under a new name; the
benchmark lets things calm down and then releases on behalf of whoever has the turn.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final, Protocol

from benchmarks.crew import Crew
from benchmarks.figures import Line, at_most, line, median, ratios
from benchmarks.harness import NAMESPACE, Place, plain, quiet, settle
from benchmarks.peers import LOCK, python_redis_lock
from konductor_core import Konductor

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["FLOOR", "OURS", "SIDES", "TITLE", "Chain", "run"]

TITLE: Final = "Hand-over to a waiter"
MANY: Final = 100
PAUSE: Final = 0.002
"""Seconds between the last thing a waiter did and the next release."""

OURS: Final = "Konductor"
FLOOR: Final = "bare BLPOP wake, redis-py"


class Side(Protocol):
    """One end of a way to hand something over: it waits for its turn, or gives the turn to the next."""

    def __init__(self, url: str, name: str) -> None: ...

    def begin(self) -> None:
        """Let the first waiter have its turn."""

    def wait(self) -> str:
        """Return once it is our turn: what to release."""

    def release(self, held: str) -> None:
        """Give the turn to the next."""


class KonductorSide:
    """A semaphore of one permit."""

    def __init__(self, url: str, name: str) -> None:
        self._semaphore = Konductor(url, namespace=NAMESPACE).semaphore(name)

    def begin(self) -> None:
        self._semaphore.define(1, ttl="10m")

    def wait(self) -> str:
        return self._semaphore.acquire().holder

    def release(self, held: str) -> None:
        self._semaphore.release(held)


class LockSide:
    """A lock of python-redis-lock."""

    def __init__(self, url: str, name: str) -> None:
        self._client = plain(url)
        self._name = name

    def begin(self) -> None:
        pass

    def wait(self) -> str:
        lock = python_redis_lock(self._client, self._name, ttl=600)
        lock.acquire()
        return str(lock.id)

    def release(self, held: str) -> None:
        python_redis_lock(self._client, self._name, held).release()


class BlpopSide:
    """An item pushed to a list on which all waiters block: the least that can wake one of them."""

    def __init__(self, url: str, name: str) -> None:
        self._client = plain(url)
        self._name = f"list:{name}"

    def begin(self) -> None:
        self.release("turn")

    def wait(self) -> str:
        self._client.blpop([self._name], 0)
        return "turn"

    def release(self, held: str) -> None:
        self._client.rpush(self._name, held)


SIDES: Final[dict[str, type[Side]]] = {FLOOR: BlpopSide, OURS: KonductorSide, LOCK: LockSide}


def _waiters(pipe: Connection, kind: type[Side], url: str, name: str, count: int) -> None:
    """Keep `count` threads waiting; sends the moment of each turn and what to release."""
    side = kind(url, name)
    telling = threading.Lock()

    def stay() -> None:
        while True:
            held = side.wait()
            moment = monotonic()
            with telling:
                pipe.send((moment, held))

    with quiet():
        threads = [threading.Thread(target=stay, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        threads[0].join()


class Chain:
    """A number of waiters, and the turn that one of them has."""

    def __init__(self, kind: type[Side], url: str, name: str, count: int) -> None:
        self.count = count
        self.crew = Crew(1, _waiters, kind, url, name, count)
        self._pipe = self.crew.pipes[0]
        self._side = kind(url, name)
        self._held = ""

    def begin(self) -> None:
        """Give out the first turn. No process may be forked after this."""
        self._side.begin()
        _, self._held = self._pipe.recv()

    def hand_over(self) -> float:
        """Release and return the seconds until the next holder knew of its turn."""
        began = monotonic()
        self._side.release(self._held)
        moment, self._held = self._pipe.recv()
        return float(moment) - began


def run(place: Place) -> list[Line]:
    """Let the contenders take turns, each with one waiter and with a hundred."""
    found: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as stack:
        chains = {
            (name, count): Chain(kind, place.url, f"of-{count}", count)
            for name, kind in SIDES.items()
            for count in (1, MANY)
        }
        for chain in chains.values():
            stack.enter_context(chain.crew)
        for chain in chains.values():
            chain.begin()
        client = place.client()
        everybody = sum(chain.count for chain in chains.values())
        with quiet():
            for number in range(place.options.rounds(40, 10) + 1):
                for key, chain in chains.items():
                    times = []
                    for _ in range(15):
                        settle(lambda: client.info("clients")["blocked_clients"] == everybody)
                        sleep(PAUSE)
                        times.append(chain.hand_over())
                    if number:
                        found.setdefault(key, []).append(median(times))
    return _report(found)


def _report(found: dict[tuple[str, int], list[float]]) -> list[Line]:
    lines = [
        line(f"{name}, {'1 waiter' if count == 1 else f'{count} waiters'}", [each * 1e3 for each in seconds], "ms")
        for (name, count), seconds in found.items()
    ]
    one, many = found[OURS, 1], found[OURS, MANY]
    lines.append(line(f"Konductor as a multiple of: {FLOOR}", ratios(one, found[FLOOR, 1]), target=at_most(2.5)))
    lines.append(line(f"Konductor with {MANY} waiters as a multiple of one", ratios(many, one), target=at_most(1.3)))
    return lines + [
        line(f"Konductor as a multiple of: {LOCK}, {count} waiting", ratios(found[OURS, count], found[LOCK, count]))
        for count in (1, MANY)
    ]
