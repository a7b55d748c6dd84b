"""What each kind costs one process beside a semaphore: two calls each, with nobody in the way."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Line, at_most, line, ratios
from benchmarks.harness import Place, interleave
from benchmarks.peers import TTL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from konductor_core import Konductor
    from konductor_core.handles.once import Once

__all__ = ["TITLE", "run"]

TITLE: Final = "Every kind beside a semaphore, one process"

EACH: Final = 50
SEMAPHORE: Final = "semaphore: acquire+release"
LEASE: Final = "lease: acquire+release"
MUTEX: Final = "mutex: lock+unlock"
TARGETS: Final = {LEASE: at_most(1.1), MUTEX: at_most(1.1)}


def run(place: Place) -> list[Line]:
    """Time one pair of calls after the other."""
    rounds = place.options.rounds(60, 15)
    with place.konductor() as k:
        seconds = interleave(_permits(k) | _latches(k, EACH * (rounds + 1)), rounds=rounds, each=EACH)
    found = [line(name, [each * 1e6 for each in times], "µs") for name, times in seconds.items()]
    for name, times in seconds.items():
        if name != SEMAPHORE:
            beside = ratios(times, seconds[SEMAPHORE])
            found.append(line(f"times a semaphore's: {name}", beside, target=TARGETS.get(name)))
    return found


def _permits(k: Konductor) -> dict[str, Callable[[], object]]:
    semaphore, lease, mutex, rwmutex = k.semaphore("x"), k.lease("x"), k.mutex("x"), k.rwmutex("x")
    semaphore.define(4, ttl=TTL)
    for each in (lease, mutex, rwmutex):
        each.define(ttl=TTL)
    return {
        SEMAPHORE: lambda: semaphore.acquire(timeout=10).release(),
        LEASE: lambda: lease.acquire(timeout=10).release(),
        MUTEX: lambda: mutex.lock(timeout=10).release(),
        "rwmutex: read+unlock": lambda: rwmutex.read(timeout=10).release(),
        "rwmutex: write+unlock": lambda: rwmutex.write(timeout=10).release(),
    }


def _latches(k: Konductor, number: int) -> dict[str, Callable[[], object]]:
    """Return those; what is done once is there `number` times, because it is done for good."""
    barrier, group, arrivals = k.barrier("x"), k.waitgroup("x"), cycle(("a", "b"))
    barrier.define(expected=2, cyclic=True)
    group.define()
    gate = k.gate("x")
    gate.define()
    gate.open()
    onces, members = _onces(k, number), map("member-{}".format, range(number))

    def arrive() -> None:
        barrier.arrive(next(arrivals))
        barrier.arrive(next(arrivals))

    def count() -> None:
        group.add()
        group.done()

    def name() -> None:
        member = next(members)
        group.add(member)
        group.done(member)

    def pass_through() -> None:
        gate.wait()
        gate.wait()

    return {
        "gate: two waits for an open one": pass_through,
        "once: begin+complete": lambda: next(onces).begin(timeout=10).complete(),
        "waitgroup: add+done": count,
        "waitgroup: add+done by name": name,
        "barrier: two arrivals, with which a cycle opens": arrive,
    }


def _onces(k: Konductor, number: int) -> Iterator[Once]:
    found = [k.once(f"x-{n}") for n in range(number)]
    for each in found:
        each.define(ttl=TTL)
    return iter(found)
