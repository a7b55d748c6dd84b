"""Sixteen processes on a semaphore of four permits: throughput, fairness, and who was turned away."""

from __future__ import annotations

from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

from benchmarks.crew import Crew
from benchmarks.figures import Line, at_least, at_most, jain, line, ratios
from benchmarks.harness import NAMESPACE, Place, plain, quiet
from benchmarks.peers import EVAL, LOCK, FailedToAcquireLock, eval_semaphore, python_redis_lock
from konductor_core import Konductor

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

__all__ = ["TITLE", "run"]

TITLE: Final = "Sixteen processes, four permits"
PROCESSES: Final = 16
PERMITS: Final = 4
OURS: Final = "Konductor"
ONE_AT_A_TIME: Final = f"{LOCK} (one holder at a time)"

# Each returns an operation: True when it held a permit, False when it was turned away.


def _konductor(url: str, hold: float) -> Callable[[], bool]:
    semaphore = Konductor(url, namespace=NAMESPACE).semaphore("x")

    def once() -> bool:
        lease = semaphore.acquire(timeout=60)
        sleep(hold)
        return lease.release() == "released"

    return once


def _eval(url: str, hold: float) -> Callable[[], bool]:
    client = plain(url)

    def once() -> bool:
        try:
            with eval_semaphore(client, "semaphore", PERMITS):
                sleep(hold)
        except FailedToAcquireLock:
            return False
        return True

    return once


def _lock(url: str, hold: float) -> Callable[[], bool]:
    client = plain(url)

    def once() -> bool:
        with python_redis_lock(client, "lock"):
            sleep(hold)
        return True

    return once


CONTENDERS: Final = {OURS: _konductor, EVAL: _eval, ONE_AT_A_TIME: _lock}


def _work(pipe: Connection, make: Callable[[], Callable[[], bool]]) -> None:
    """Get ready, then work from one moment to another: sends how often it worked and how often not."""
    once = make()
    once()
    pipe.send("ready")
    begin, end = pipe.recv()
    held = failed = 0
    with quiet():
        sleep(max(0.0, begin - monotonic()))
        while True:
            done = once()
            if monotonic() >= end:
                break
            held += done
            failed += not done
    pipe.send((held, failed))


def _round(make: Callable[[], Callable[[], bool]], seconds: float) -> tuple[list[int], int]:
    """Return how often each process held a permit, and how often any was turned away."""
    with Crew(PROCESSES, _work, make) as crew:
        crew.hear()
        begin = monotonic() + 0.1
        crew.tell((begin, begin + seconds))
        told = crew.hear()
    return [held for held, _ in told], sum(failed for _, failed in told)


def run(place: Place) -> list[Line]:
    """Let the contenders take turns, with no hold and with holds of a millisecond."""
    with place.konductor() as k:
        k.semaphore("x").define(PERMITS, ttl="60s")
    return [each for hold_ms in (0, 1) for each in _with_hold(place, hold_ms)]


def _with_hold(place: Place, hold_ms: int) -> list[Line]:
    seconds = 3.0 if not place.options.quick else 1.5
    speed: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    fair: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    failed = dict.fromkeys(CONTENDERS, 0)
    for _ in range(place.options.rounds(7, 3)):
        for name, make in CONTENDERS.items():
            counts, turned_away = _round(partial(make, place.url, hold_ms / 1000), seconds)
            speed[name].append(sum(counts) / seconds)
            fair[name].append(jain(counts))
            failed[name] += turned_away
    lines = []
    for name in CONTENDERS:
        ours = name == OURS
        label = f"hold {hold_ms} ms, {name}"
        lines += [
            line(f"{label}: throughput", speed[name], "/s"),
            line(f"{label}: Jain index", fair[name], target=at_least(0.99) if ours else None),
            Line(f"{label}: failed acquires", failed[name], target=at_most(0) if ours else None),
        ]
    beside = ratios(speed[OURS], speed[EVAL])
    lines.append(line(f"hold {hold_ms} ms, Konductor's throughput as a share of: {EVAL}", beside, target=at_least(1)))
    return lines
