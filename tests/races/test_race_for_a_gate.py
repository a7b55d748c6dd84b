"""Several look at a gate at once, some of them killed and stopped, while what it waits for comes true in any order."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from tests.checker_latches import check_gate
from tests.history import server_ahead_ms
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.races.conftest import Place

ROUNDS = 4
LOOKERS = 3
WAITERS = 5
CONDITIONS = ("barrier/loaded", "once/schema", "waitgroup/crew", "mutex/door", "semaphore/dock:2")


def acts(place: Place) -> dict[str, Callable[[], object]]:
    """Make all that the gate waits for, none of which holds yet; return what makes each come true."""
    k = place.k
    for each in (k.barrier("loaded"), k.once("schema"), k.waitgroup("crew")):
        each.reset()
    k.waitgroup("crew").add("member")
    door, dock = k.mutex("door").lock(timeout=20), k.semaphore("dock").acquire(timeout=20)
    run = k.once("schema").begin(timeout=20)
    return {
        "barrier/loaded": lambda: k.barrier("loaded").arrive("a"),
        "once/schema": run.complete,
        "waitgroup/crew": lambda: k.waitgroup("crew").done("member"),
        "mutex/door": door.release,
        "semaphore/dock": dock.release,
    }


LAST = {"barrier": "opened", "once": "completed", "waitgroup": "done", "mutex": "released", "semaphore": "released"}
"""With which event of each object its condition comes true."""


def came_true(place: Place, ref: str) -> int:
    kind, _, name = ref.partition("/")
    with place.record(name, kind) as recorder:
        return max(event.at_ms for event in recorder.complete() if event.type == LAST[kind])


def test_it_opens_once_when_all_conditions_hold_whatever_the_order_and_whoever_looks(place: Place) -> None:
    """A looker that was stopped goes on with facts of before, and is not believed when the gate has begun anew."""
    k, chance = place.k, random.Random(9)
    k.barrier("loaded").define(expected=1)
    k.once("schema").define()
    k.waitgroup("crew").define()
    k.mutex("door").define()
    k.semaphore("dock").define(permits=2)
    gate = k.gate("deploy")
    todo = acts(place)
    gate.define(CONDITIONS)
    lookers = [place.crew.start("tests.races.gates:look_after", name="deploy") for _ in range(LOOKERS)]
    for number in range(ROUNDS):
        waiters = [place.crew.start("tests.races.gates:pass_through", name="deploy", times=1) for _ in range(WAITERS)]
        until(lambda: gate.status().waiting == WAITERS, "all wait")
        waiters.pop().kill()
        victim = lookers.pop(0)
        victim.kill() if number % 2 else victim.stop()
        lookers.append(place.crew.start("tests.races.gates:look_after", name="deploy"))
        for ref in chance.sample(sorted(todo), len(todo)):
            assert gate.status().phase == "Waiting", f"it is open before {ref} holds"
            threading.Event().wait(chance.choice((0, 0, 0.05)))
            todo[ref]()
        for waiter in waiters:
            assert waiter.hear("passed")["met"] == len(CONDITIONS)
        if not number % 2:
            victim.go_on()
        with place.record("deploy", "gate") as recorder:
            opened = [event.at_ms for event in recorder.complete() if event.type == "opened"]
        assert len(opened) == number + 1
        assert opened[-1] >= max(came_true(place, ref) for ref in todo)
        held, looks = k.mutex("door").lock(timeout=20), len(lookers[0].lines)
        until(lambda: len(lookers[0].lines) > looks + 1, "somebody looks at a condition that holds no more")  # noqa: B023
        assert gate.status().phase == "Open", "that it was open is final"
        held.release()
        todo = acts(place)
        gate.reset()


def test_hands_that_race_open_and_close_it_in_turn_and_nobody_passes_while_it_is_closed(place: Place) -> None:
    gate, seconds = place.k.gate("deploy"), 1.5
    gate.define()
    ahead_ms = server_ahead_ms(place.client)
    with place.record("deploy", "gate") as recorder:
        hands = [
            place.crew.start("tests.races.gates:lend_a_hand", name="deploy", seed=number, seconds=seconds)
            for number in range(5)
        ]
        waiters = [place.crew.start("tests.races.gates:pass_through", name="deploy", times=20) for _ in range(WAITERS)]
        hands[0].kill()
        waiters[0].kill()
        for hand in hands:
            assert hand.over.wait(30)
        gate.open()
        for waiter in waiters:
            assert waiter.over.wait(30)
        events = recorder.complete()
    assert check_gate(events, place.crew.lines(), ahead_ms) == []
    assert gate.status().waiting == 0
