"""Forty processes take part in a wait group, some of them killed and started again, and ten wait."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from tests.checker_latches import check_history
from tests.servers import until

if TYPE_CHECKING:
    from tests.races.conftest import Place

MEMBERS = 40
WAITERS = 10
KILLED = 12
UNNAMED = 3


def test_none_is_lost_or_counted_twice_and_all_who_wait_return(place: Place) -> None:
    group, chance = place.k.waitgroup("all"), random.Random(5)
    group.define()
    group.add("the test")
    waiters = [place.crew.start("wait_for_group", name="all") for _ in range(WAITERS)]
    until(lambda: group.status().waiting == WAITERS, "all wait")
    waiters[0].kill()
    workers = []
    for number in range(MEMBERS):
        member = f"member-{number}"
        if number < KILLED:
            victim = place.crew.start("take_part", name="all", member=member, unnamed=0)
            threading.Event().wait(chance.uniform(0, 0.02))
            victim.kill()
        unnamed = 0 if number < KILLED else UNNAMED
        workers.append(place.crew.start("take_part", name="all", member=member, unnamed=unnamed))
    for worker in workers:
        worker.hear("done")
    status = group.status()
    assert (status.phase, status.counter, [member.id for member in status.members]) == ("Waiting", 1, ["the test"])
    added = 1 + MEMBERS + UNNAMED * (MEMBERS - KILLED)
    assert (status.added, status.finished_total) == (added, MEMBERS)
    group.done("the test")
    for waiter in waiters[1:]:
        assert waiter.hear("opened")["added"] == added
    with place.record("all", "waitgroup") as recorder:
        history = recorder.complete()
    events = [event.type for event in history]
    assert (events.count("added"), events.count("finished"), events.count("done")) == (added, added, 1)
    assert check_history(history) == []
    assert group.status().waiting == 0
