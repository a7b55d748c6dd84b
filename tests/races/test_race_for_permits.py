"""Forty processes race for seven permits while some of them are killed."""

from __future__ import annotations

import itertools
import random
import time
from typing import TYPE_CHECKING

from tests.checker import Rules, check_permits
from tests.checker_clients import check_beliefs
from tests.history import server_ms
from tests.servers import until

if TYPE_CHECKING:
    from tests.races.conftest import Lag, Place
    from tests.races.crew import Worker

RACERS = 40
PERMITS = 7
SECONDS = 4.5
KILLS = 12
WAITERS_KILLED = 3
"""Of the first victims. Each costs a claim window, in which its grant blocks permits."""
CLAIM_MS = 5_000
FOREVER_MS = 1 << 52


def holder_of(worker: Worker) -> str:
    """The holder of a racer's last request."""
    return next((line["holder"] for line in reversed(worker.lines) if line["op"] == "asks"), "")


def is_holding(worker: Worker) -> bool:
    return bool(worker.lines) and worker.lines[-1]["op"] in {"held", "renewed"}


def victim_among(racing: list[Worker], chance: random.Random, *, holding: bool) -> Worker:
    candidates = [racer for racer in chance.sample(racing, len(racing)) if not racer.over.is_set()]
    until(lambda: any(is_holding(racer) == holding for racer in candidates), "somebody can be killed")
    return next((racer for racer in candidates if is_holding(racer) == holding), candidates[0])


def test_never_more_than_the_permits_live_while_racers_are_killed(place: Place, lag: Lag) -> None:
    semaphore = place.k.semaphore("dock")
    chance = random.Random(7)
    semaphore.define(permits=PERMITS, ttl="500ms", max_bypass="400ms")
    away: dict[str, list[tuple[int, int]]] = {}
    killed: dict[str, float] = {}
    numbers = itertools.count()

    def race(seconds: float) -> Worker:
        number = next(numbers)
        return place.crew.start("compete", name="dock", base=f"racer-{number}", seed=number, seconds=seconds)

    with place.record("dock") as recorder:
        racing = [race(SECONDS) for _ in range(RACERS)]
        start = time.monotonic()
        for number in range(KILLS):
            moment = start + (number + 1) * SECONDS / (KILLS + 2)
            until(lambda: time.monotonic() >= moment, "it is time for the next kill")  # noqa: B023 - used at once
            victim = victim_among(racing, chance, holding=number >= WAITERS_KILLED)
            before = server_ms(place.client)
            victim.kill()
            away[holder_of(victim)] = [(before, FOREVER_MS)]
            killed[holder_of(victim)] = time.monotonic()
            racing[racing.index(victim)] = race(start + SECONDS - time.monotonic())
        for racer in racing:
            assert racer.over.wait(30), "a racer never came to its end"
        with semaphore.acquire(permits=PERMITS, timeout=WAITERS_KILLED * CLAIM_MS / 1000):
            pass
        events = recorder.complete()

    slow = lag.worst_ms
    assert check_permits(events, Rules(bypass_ms=400, late_ms=200 + slow, script_ms=2 + slow, away=away)) == []
    assert check_beliefs(place.crew.lines(), PERMITS, killed) == []
    status = semaphore.status()
    assert (status.in_use, status.holders_total, status.waiting) == (0, 0, 0)
    assert sum(event.type == "granted" for event in events) > 150, "they raced"
