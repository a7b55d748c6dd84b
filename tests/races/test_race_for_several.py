"""Forty processes ask for random ones of six objects in random order, and some of them are killed."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.servers import until

if TYPE_CHECKING:
    from tests.races.conftest import Place
    from tests.races.crew import Worker

RACERS = 40
SECONDS = 3.0
KILLS = 2
AMOUNTS = {f"semaphore/{name}": 2 for name in "abc"} | {f"mutex/{name}": 1 for name in "de"} | {"lease/f": 1}
"""The most that is asked of each object: all that it has."""
SCRIPT_MS = 50
"""How long one script may take: older servers note each event's own moment within it."""
WORST = 20.0
"""Seconds for the longest wait: each victim may cost a claim window, and those of one object add up."""


def waits(workers: list[Worker]) -> list[float]:
    """How long each request took that was served."""
    asked: dict[str, float] = {}
    found = []
    for worker in workers:
        for line in worker.lines:
            if line["op"] == "asks":
                asked[line["holder"]] = line["t"]
            elif line["op"] == "held":
                found.append(line["t"] - asked[line["holder"]])
    return found


def test_several_at_once_never_block_each_other_for_ever_and_never_hold_a_part(place: Place) -> None:
    for ref in AMOUNTS:
        kind, _, name = ref.partition("/")
        place.k.semaphore(name).define(2) if kind == "semaphore" else getattr(place.k, kind)(name).define()
    chance, start = random.Random(3), time.monotonic()
    with ExitStack() as stack:
        recorders = {
            ref: stack.enter_context(place.record(ref.partition("/")[2], ref.partition("/")[0])) for ref in AMOUNTS
        }
        racing = [
            place.crew.start("compete_for_several", base=f"racer-{i}", seed=i, amounts=AMOUNTS, seconds=SECONDS)
            for i in range(RACERS)
        ]
        for number in range(KILLS):
            moment = start + (number + 1) * SECONDS / (KILLS + 2)
            until(lambda: time.monotonic() >= moment, "it is time for the next kill")  # noqa: B023 - used at once
            racing.pop(chance.randrange(len(racing))).kill()
        for racer in racing:
            assert racer.over.wait(60), "a racer waits for ever"
        grants: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for ref, recorder in recorders.items():
            for event in recorder.complete():
                if event.type == "granted":
                    grants[event.holder][ref].append(event.at_ms)

    objects = {line["holder"]: set(line["objects"]) for line in place.crew.lines() if line["op"] == "asks"}
    for holder, moments in grants.items():
        assert set(moments) == objects[holder], f"{holder} got a part"
        for together in zip(*moments.values(), strict=True):
            assert max(together) - min(together) <= SCRIPT_MS, f"{holder} got one after the other"
    assert len(grants) > 50, "they raced"
    assert max(waits(racing)) < WORST
    for ref in AMOUNTS:
        place.k.permits(ref).take(AMOUNTS[ref], timeout=WORST).release()
        status = place.k.permits(ref).status()
        assert (status.holders_total, status.waiting) == (0, 0)
