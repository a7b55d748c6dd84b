"""Processes race for a mutex, a lease and an RWMutex while some of them are killed; nobody starves."""

from __future__ import annotations

import itertools
import random
import threading
import time
from typing import TYPE_CHECKING

import pytest

from konductor_core.amounts import SHARES
from tests.checker import Rules, check_permits
from tests.checker_clients import check_beliefs
from tests.history import server_ms
from tests.races.test_race_for_permits import FOREVER_MS, holder_of, victim_among
from tests.servers import until

if TYPE_CHECKING:
    from konductor_core.handles.locks import RWMutex
    from tests.races.conftest import Lag, Place
    from tests.races.crew import Worker

RACERS = 20
SECONDS = 3.0
KILLS = 4
ALL = SHARES["write"]


CASES = {"mutex": ((1, 1, 1), (0, 0)), "lease": ((1, 1, 1), (0, 5)), "rwmutex": ((1, ALL, ALL), (0, 0))}
"""Which amounts and which priorities are asked for."""


@pytest.mark.parametrize("kind", CASES)
def test_a_lock_is_held_by_one_or_by_readers_alone_while_racers_are_killed(kind: str, place: Place, lag: Lag) -> None:
    (amounts, priorities), total = CASES[kind], ALL if kind == "rwmutex" else 1
    handle, chance = place.k.permits(f"{kind}/dock"), random.Random(11)
    getattr(place.k, kind)("dock").define(ttl="500ms")
    away: dict[str, list[tuple[int, int]]] = {}
    killed: dict[str, float] = {}
    numbers = itertools.count()
    start = time.monotonic()

    def race() -> Worker:
        number, left = next(numbers), start + SECONDS - time.monotonic()
        base, ref = f"racer-{number}", f"{kind}/dock"
        options = {"base": base, "seed": number, "seconds": left, "amounts": amounts, "priorities": priorities}
        return place.crew.start("compete", name=ref, **options)

    with place.record("dock", kind) as recorder:
        racing = [race() for _ in range(RACERS)]
        for number in range(KILLS):
            moment = start + (number + 1) * SECONDS / (KILLS + 2)
            until(lambda: time.monotonic() >= moment, "it is time for the next kill")  # noqa: B023 - used at once
            victim = victim_among(racing, chance, holding=True)
            before = server_ms(place.client)
            victim.kill()
            away[holder_of(victim)] = [(before, FOREVER_MS)]
            killed[holder_of(victim)] = time.monotonic()
            racing[racing.index(victim)] = race()
        for racer in racing:
            assert racer.over.wait(30), "a racer never came to its end"
        handle.take(total, timeout=20).release()
        events = recorder.complete()

    slow = lag.worst_ms
    assert check_permits(events, Rules(late_ms=200 + slow, script_ms=2 + slow, away=away)) == []
    assert check_beliefs(place.crew.lines(), total, killed) == []
    status = handle.status()
    assert (status.holders_total, status.waiting) == (0, 0)
    assert sum(event.type == "granted" for event in events) > 12, "they raced"


def _stream(rw: RWMutex, mode: str, stop: threading.Event) -> threading.Thread:
    """Start a thread that locks again and again, so that with another one there is always somebody."""

    def go_on() -> None:
        while not stop.is_set():
            with getattr(rw, mode)(ttl="10s", timeout="30s"):
                stop.wait(0.02)

    thread = threading.Thread(target=go_on)
    thread.start()
    return thread


@pytest.mark.parametrize("stream,other", [("read", "write"), ("write", "read")])
def test_a_steady_stream_of_one_side_never_starves_the_other(stream: str, other: str, place: Place) -> None:
    rw, stop, waits = place.k.rwmutex("dock"), threading.Event(), []
    rw.define()
    with place.record("dock", "rwmutex") as recorder:
        threads = [_stream(rw, stream, stop) for _ in range(5)]
        try:
            until(lambda: rw.status().holders_total > 0, "the stream flows")
            for _ in range(10):
                before = time.monotonic()
                with getattr(rw, other)(ttl="10s", timeout="20s"):
                    waits.append(time.monotonic() - before)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        events = recorder.complete()
    assert check_permits(events, Rules(script_ms=200)) == []
    turns = [event.permits for event in events if event.type == "granted"]
    assert turns.count(SHARES["write"]) >= 10
    assert turns.count(SHARES["read"]) >= 10
    assert max(waits) < 5, "each came to its turn after those who stood before it"
