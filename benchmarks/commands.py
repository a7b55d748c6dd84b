"""What a hand-over and a quiet wait cost in commands, as MONITOR shows them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from time import sleep
from typing import TYPE_CHECKING, Any, Final

from benchmarks.crew import Crew
from benchmarks.figures import Line, at_most
from benchmarks.handover import OURS, SIDES, Chain
from benchmarks.harness import NAMESPACE, Place, plain, settle
from benchmarks.peers import LOCK, PY_LOCK, python_redis_lock
from konductor_core import Konductor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    import redis

__all__ = ["TITLE", "run"]

TITLE: Final = "Commands"
HANDOVERS: Final = 50
IDLE: Final = 10
"""Waiters of each kind."""


@contextmanager
def _watched(client: redis.Redis) -> Iterator[list[Any]]:
    """Fill a list with what the server is told, in order; complete when the context ends."""
    seen: list[Any] = []
    with client.monitor() as monitor:  # type: ignore[no-untyped-call]

        def listen() -> None:
            for entry in monitor.listen():
                if entry["command"] == "ECHO end of watch":
                    return
                seen.append(entry)

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield seen
        finally:
            client.echo("end of watch")
            thread.join()


def run(place: Place) -> list[Line]:
    """Count per hand-over from one waiter to the next, then per waiter and second of waiting."""
    return _handovers(place) + _idle(place)


def _handovers(place: Place) -> list[Line]:
    lines = []
    for name, kind in SIDES.items():
        client = place.client()
        with (chain := Chain(kind, place.url, "counted", 1)).crew:
            chain.begin()
            for _ in range(5):
                _calm_hand_over(client, chain)
            with _watched(client) as seen:
                for _ in range(HANDOVERS):
                    _calm_hand_over(client, chain)
        told = [entry for entry in seen if not entry["command"].startswith("INFO")]
        sent = sum(entry["client_type"] != "lua" for entry in told)
        lines += [
            Line(f"{name}: commands sent per hand-over (release, wake, queue again)", sent / HANDOVERS),
            Line(f"{name}: commands run, those inside scripts too", len(told) / HANDOVERS),
            Line(f"{name}: round trips between a release and the next holder", TRIPS[name]),
        ]
    return lines


TRIPS: Final = {"bare BLPOP wake, redis-py": 1, OURS: 2, LOCK: 2}
"""A push or release that wakes, and for all but the bare one the woken waiter's own question."""


def _calm_hand_over(client: redis.Redis, chain: Chain) -> None:
    settle(lambda: client.info("clients")["blocked_clients"] == chain.count)
    sleep(0.002)
    chain.hand_over()


# Each waits for what never comes.


def _semaphore(url: str) -> Callable[[], object]:
    semaphore = Konductor(url, namespace=NAMESPACE).semaphore("idle-semaphore")
    return semaphore.acquire


def _barrier(url: str) -> Callable[[], object]:
    barrier = Konductor(url, namespace=NAMESPACE).barrier("idle-barrier")
    return barrier.wait


def _lock(url: str) -> Callable[[], object]:
    client = plain(url)
    return lambda: python_redis_lock(client, "idle-lock", ttl=3600).acquire()


def _redis_py(url: str) -> Callable[[], object]:
    client = plain(url)
    return lambda: client.lock("idle-redis-py", timeout=3600).acquire()


WAITS: Final = {
    "idle-semaphore": ("Konductor semaphore", _semaphore),
    "idle-barrier": ("Konductor barrier", _barrier),
    "idle-lock": (LOCK, _lock),
    "idle-redis-py": (PY_LOCK, _redis_py),
}


def _wait(pipe: Connection, make: Callable[[str], Callable[[], object]], url: str) -> None:
    wait = make(url)
    threads = [threading.Thread(target=wait, daemon=True) for _ in range(IDLE)]
    for thread in threads:
        thread.start()
    pipe.send("waiting")
    threads[0].join()


def _idle(place: Place) -> list[Line]:
    """Watch all kinds of waiters at once for a while; wake lists of Konductor have no object's name in theirs."""
    seconds = place.options.rounds(60, 30)
    client = place.client()
    with place.konductor() as k:
        k.semaphore("idle-semaphore").define(1)
        k.semaphore("idle-semaphore").acquire(ttl="1h")
        k.barrier("idle-barrier").define(2)
    python_redis_lock(client, "idle-lock", ttl=3600).acquire()
    client.lock("idle-redis-py", timeout=3600).acquire()
    crews = [Crew(1, _wait, make, place.url) for _, make in WAITS.values()]
    try:
        for crew in crews:
            crew.hear()
        sleep(2)  # their first questions are not what this counts
        with _watched(place.client()) as seen:
            sleep(seconds)
    finally:
        for crew in crews:
            crew.kill()
    lines = []
    for key, (label, _) in WAITS.items():
        mine = sum(e["client_type"] != "lua" and _is_of(e["command"], key) for e in seen)
        what = f"{label}: commands per second of an idle waiter, over {seconds} s"
        target = at_most(0.1) if label.startswith(OURS) else None
        lines.append(Line(what, mine / seconds / IDLE, target=target))
    return lines


def _is_of(command: str, key: str) -> bool:
    return key.replace("-", ":", 1) in command or key in command or (key == "idle-semaphore" and ":wake:" in command)
