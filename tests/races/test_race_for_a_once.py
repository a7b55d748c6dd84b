"""Sixteen processes want to do something once; runners are killed, fail and hang, and one completes."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from tests.checker import Rules, check_permits
from tests.checker_latches import check_completions
from tests.races.test_race_for_permits import FOREVER_MS
from tests.servers import until

if TYPE_CHECKING:
    from tests.races.conftest import Place

RUNNERS = 16
ROUNDS = 2


def test_there_are_never_two_completions_whatever_is_killed(place: Place) -> None:
    schema, chance = place.k.once("schema"), random.Random(7)
    schema.define(ttl="400ms")
    for round_ in range(ROUNDS):
        workers = [
            place.crew.start("do_once", name="schema", seed=100 * round_ + number, until_failures=6)
            for number in range(RUNNERS // ROUNDS)
        ]
        for _ in range(3):
            threading.Event().wait(chance.uniform(0, 0.3))
            victim = chance.choice(workers)
            if not victim.over.is_set():
                victim.kill()
        with place.record("schema", "once") as recorder:
            place.crew.start("do_once", name="schema", seed=round_, until_failures=0)
            until(lambda: schema.status().phase == "Done", "one has done it", timeout=20)
            for worker in workers:
                assert worker.over.wait(20), "all others end when it is done"
            events = recorder.complete()
        assert sum(event.type == "completed" for event in events) == round_ + 1
        assert check_permits(events, Rules(late_ms=FOREVER_MS)) == []
        assert check_completions(events, place.crew.lines()) == []
        done = schema.status()
        assert (done.waiting, done.holders) == (0, ())
        schema.reset()
    assert len([line for line in place.crew.lines() if line["op"] == "completed"]) <= ROUNDS
