"""Many look at one gate at once, some of them killed, while its conditions come true; others wait for it."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from tests.servers import until

if TYPE_CHECKING:
    from tests.races.conftest import Place

WAITERS = 8
LOOKERS = 5
BARRIERS = 4


def test_all_who_wait_pass_when_the_last_condition_holds_and_nobody_before(place: Place) -> None:
    k, chance = place.k, random.Random(3)
    names = [f"b{number}" for number in range(BARRIERS)]
    for name in names:
        k.barrier(name).define(expected=2)
    gate = k.gate("g")
    gate.define([f"barrier/{name}" for name in names])
    waiters = [place.crew.start("wait_for_gate", name="g") for _ in range(WAITERS)]
    until(lambda: gate.status().waiting == WAITERS, "all wait")
    waiters[0].kill()
    lookers = [place.crew.start("keep_looking", name="g") for _ in range(LOOKERS)]
    for looker in lookers:
        looker.hear("looks")
    arrivals = [(name, who) for name in names for who in "ab"]
    chance.shuffle(arrivals)
    for number, (name, who) in enumerate(arrivals):
        assert gate.status().phase == "Waiting"
        if number == 2:
            lookers[0].kill()
        threading.Event().wait(chance.uniform(0, 0.05))
        k.barrier(name).arrive(who)
    for waiter in waiters[1:]:
        passed = waiter.hear("passed")
        assert (passed["met"], passed["total"]) == (BARRIERS, BARRIERS)
    for looker in lookers[1:]:
        looker.hear("done")
    events = [event.type for event in gate.events(1000)]
    assert events == ["created", "opened"]
    assert gate.status().waiting == 0
