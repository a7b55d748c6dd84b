"""Fifty processes arrive at a barrier, some of them killed and started again, and twenty wait."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from tests.checker_clients import check_barrier
from tests.servers import until

if TYPE_CHECKING:
    from tests.races.conftest import Place

ARRIVALS = 50
WAITERS = 20
KILLED = 15


def test_it_opens_once_and_all_who_wait_return(place: Place) -> None:
    barrier, chance = place.k.barrier("all"), random.Random(3)
    barrier.define(expected=ARRIVALS, timeout="2m")
    with place.record("all", "barrier") as recorder:
        waiters = [place.crew.start("wait_for_barrier", name="all") for _ in range(WAITERS)]
        until(lambda: barrier.status().waiting == WAITERS, "all wait")
        stopped, killed = waiters[0], waiters[1]
        stopped.stop()
        killed.kill()
        for number in range(ARRIVALS):
            if number < KILLED:
                victim = place.crew.start("arrive_once", name="all", arrival=f"id-{number}")
                threading.Event().wait(chance.uniform(0, 0.02))
                victim.kill()
            place.crew.start("arrive_once", name="all", arrival=f"id-{number}")
        for waiter in waiters[2:]:
            assert waiter.hear("opened")["cycle"] == 1
        assert not stopped.over.is_set()
        stopped.go_on()
        stopped.hear("opened", timeout=2)
        until(lambda: sum(line["op"] == "arrived" for line in place.crew.lines()) >= ARRIVALS, "all have arrived")
        events = recorder.complete()
    assert check_barrier(events, place.crew.lines(), ARRIVALS) == []
    assert sum(event.type == "opened" for event in events) == 1
    status = barrier.status()
    assert (status.phase, status.arrived, status.waiting) == ("Open", ARRIVALS, 0)


def test_cycles_open_one_after_the_other(place: Place) -> None:
    """Three threads' worth of processes go round; nobody is ever a cycle ahead of the others."""
    barrier = place.k.barrier("round")
    barrier.define(expected=3, cyclic=True)
    with place.record("round", "barrier") as recorder:
        workers = [place.crew.start("go_round", name="round", arrival=f"id-{number}", turns=20) for number in range(3)]
        for worker in workers:
            assert worker.over.wait(30)
        events = recorder.complete()
    lines = place.crew.lines()
    assert check_barrier(events, lines, 3) == []
    assert [line["cycle"] for line in lines if line["op"] == "opened"] == [n for n in range(1, 21) for _ in range(3)]
