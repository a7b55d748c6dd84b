"""Forty processes ask for random ones of six objects in random order, and some of them are killed."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from konductor_core.amounts import SHARES
from tests.checker import Rules, check_permits
from tests.checker_several import Amounts, Sample, check_several, check_visible
from tests.history import server_ms
from tests.races.conftest import NAMESPACE
from tests.races.test_race_for_permits import holder_of, victim_among
from tests.servers import until

if TYPE_CHECKING:
    from typing import Self

    from tests.races.conftest import Place

RACERS = 40
SECONDS = 3.0
KILLS = 4
"""Half of them while they hold, half while they wait, which costs a claim window each."""
CHOICES = {
    **{f"semaphore/{name}": [1, 2] for name in "abc"},
    "rwmutex/d": list(SHARES.values()),
    "mutex/e": [1],
    "lease/f": [1],
}
"""What is asked of each object; the most is all that it has."""
WORST = 25.0
"""Seconds for the longest wait: each waiter killed may cost a claim window, and those of one object add up."""


class Witness:
    """Reads again and again who holds what, of all objects at one moment."""

    def __init__(self, place: Place) -> None:
        self.samples: list[Sample] = []
        self._place = place
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._ending.wait(0.005):
            before, now = time.monotonic(), server_ms(self._place.client)
            with self._place.client.pipeline(transaction=True) as pipe:
                for ref in CHOICES:
                    pipe.zrange(f"konductor:{{{NAMESPACE}}}:{ref.replace('/', ':')}:leases", 0, -1, withscores=True)
                found = pipe.execute()
            held: dict[str, set[str]] = {}
            for ref, leases in zip(CHOICES, found, strict=True):
                for holder, end in leases:
                    if end > now:
                        held.setdefault(holder.decode(), set()).add(ref)
            self.samples.append((before, time.monotonic(), held))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()


def waits(place: Place) -> list[float]:
    """How long each request took that was served."""
    asked: dict[str, float] = {}
    found = []
    for line in place.crew.lines():
        if line["op"] == "asks":
            asked[line["holder"]] = line["t"]
        elif line["op"] == "held":
            found.append(line["t"] - asked[line["holder"]])
    return found


def test_several_at_once_never_block_each_other_for_ever_and_never_hold_a_part(place: Place) -> None:
    """Nobody is overtaken by who came later and wants one of the same objects: so turns are bounded."""
    for ref in CHOICES:
        kind, _, name = ref.partition("/")
        place.k.semaphore(name).define(2) if kind == "semaphore" else getattr(place.k, kind)(name).define()
    chance, start, dead = random.Random(3), time.monotonic(), set()
    with ExitStack() as stack:
        recorders = {ref: stack.enter_context(place.record(*reversed(ref.split("/")))) for ref in CHOICES}
        witness = stack.enter_context(Witness(place))
        racing = [
            place.crew.start("compete_for_several", base=f"racer-{i}", seed=i, amounts=CHOICES, seconds=SECONDS)
            for i in range(RACERS)
        ]
        for number in range(KILLS):
            moment = start + (number + 1) * SECONDS / (KILLS + 2)
            until(lambda: time.monotonic() >= moment, "it is time for the next kill")  # noqa: B023 - used at once
            victim = victim_among(racing, chance, holding=number % 2 == 0)
            victim.kill()
            dead.add(holder_of(victim))
            racing.remove(victim)
        for racer in racing:
            assert racer.over.wait(60), "a racer waits for ever"
        histories = {ref: recorder.complete() for ref, recorder in recorders.items()}

    lines = place.crew.lines()
    asked: dict[str, Amounts] = {line["holder"]: line["objects"] for line in lines if line["op"] == "asks"}
    assert check_several(histories, asked, dead) == []
    gives = {line["holder"]: line["t"] for line in lines if line["op"] == "gives"}
    assert check_visible(witness.samples, asked, gives) == []
    rules = Rules(several=True, late_ms=int(WORST * 1000))
    assert {ref: check_permits(events, rules) for ref, events in histories.items()} == {ref: [] for ref in CHOICES}
    assert len(gives) > 50, "they raced"
    assert sum(len(held) > 1 for _, _, held in witness.samples) > 50, "the witness saw it"
    assert max(waits(place)) < WORST
    for ref, amounts in CHOICES.items():
        place.k.permits(ref).take(max(amounts), timeout=WORST).release()
        status = place.k.permits(ref).status()
        assert (status.holders_total, status.waiting) == (0, 0)
