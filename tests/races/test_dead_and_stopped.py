"""Holders and waiters that are killed or stopped: who gets their permits, when, and what the stopped then believe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.checker import Rules, check_permits
from tests.history import server_ms
from tests.servers import until

if TYPE_CHECKING:
    from tests.checker import Absence
    from tests.races.conftest import Lag, Place
    from tests.races.crew import Worker

CLAIM_MS = 5_000
LATE_MS = 200
FOREVER_MS = 1 << 52


def holder(place: Place, name: str, who: str, ttl: str) -> Worker:
    """Start a process that holds a permit."""
    worker = place.crew.start()
    worker.ask("acquire", "held", name=name, holder=who, ttl=ttl)
    return worker


def waiter(place: Place, name: str, who: str, ttl: str = "30s") -> Worker:
    """Start a process that waits in the queue, and return once it does."""
    worker = place.crew.start()
    worker.tell("acquire", name=name, holder=who, ttl=ttl)
    worker.hear_text("position")
    return worker


def die(worker: Worker, ttl: str) -> None:
    """Let a holder renew its lease for the last time, then kill it. Whoever was to wait waits by then."""
    worker.ask("renew", "renewed", ttl=ttl)
    worker.kill()


def test_a_killed_holder_hands_on_within_200_ms_of_its_ttl(place: Place, lag: Lag) -> None:
    place.k.semaphore("one").define(permits=1)
    late = []
    with place.record("one") as recorder:
        for turn in range(4):
            dying = holder(place, "one", f"dead-{turn}", "30s")
            heir = waiter(place, "one", f"heir-{turn}")
            die(dying, "400ms")
            heir.hear("held")
            ttl_end = int(recorder.find("expired", f"dead-{turn}").detail)
            late.append(recorder.find("granted", f"heir-{turn}").at_ms - ttl_end)
            heir.ask("release", "released")
        assert (
            check_permits(recorder.complete(), Rules(late_ms=LATE_MS + lag.worst_ms, script_ms=2 + lag.worst_ms)) == []
        )
    assert all(0 <= ms <= LATE_MS + lag.worst_ms for ms in late), late


def holding(place: Place) -> list[str]:
    return [row.holder for row in place.k.semaphore("one").status().holders]


def waiting(place: Place) -> list[str]:
    return [row.holder for row in place.k.semaphore("one").status().waiters]


class _Line:
    """A holder, dead waiters, and a living one behind them."""

    def __init__(self, place: Place, name: str, ttl: str, dead: int) -> None:
        place.k.semaphore(name).define(permits=1)
        self.name = name
        self.recorder = place.record(name)
        self.holder = holder(place, name, "holder", ttl)
        victims = [waiter(place, name, f"dead-{number}") for number in range(dead)]
        self.heir = waiter(place, name, "heir")
        self.away: dict[str, list[Absence]] = {}
        for number, victim in enumerate(victims):
            victim.kill()
            self.away[f"dead-{number}"] = [(server_ms(place.client), FOREVER_MS)]

    def judge(self, late_ms: int) -> int:
        """Wait until the heir has got the permit, and return how long that took."""
        with self.recorder:
            self.heir.hear("held", timeout=(2 * CLAIM_MS + 5_000) / 1000)
            assert (
                check_permits(self.recorder.complete(), Rules(late_ms=late_ms, script_ms=late_ms, away=self.away)) == []
            )
            if self.name == "abandoned":
                freed_ms = int(self.recorder.find("expired", "holder").detail)
            else:
                freed_ms = self.recorder.find("released", "holder").at_ms
            return self.recorder.find("granted", "heir").at_ms - freed_ms


def test_dead_waiters_ahead_cost_the_first_living_one_at_most_two_claim_windows(places: list[Place], lag: Lag) -> None:
    """One for the first, and one in which all the others miss the moment at which they were going to look.

    So much for as many as are told when to look; beyond those it is the heartbeat and one claim window. In one line
    the holder releases, in another it is killed as well.
    """
    lines = []
    for place in places:
        few = _Line(place, "few", "5m", dead=2)
        many = _Line(place, "many", "5m", dead=5)
        abandoned = _Line(place, "abandoned", "5m", dead=2)
        die(abandoned.holder, "2s")
        few.holder.ask("release", "released")
        many.holder.ask("release", "released")
        lines += [few, many, abandoned]
    late_ms = LATE_MS + lag.worst_ms
    took = [line.judge(late_ms) for line in lines]
    assert max(took) <= 2 * CLAIM_MS + late_ms, took


def test_a_waiter_stopped_over_its_grant_does_not_believe_in_it_and_keeps_its_place(
    places: list[Place], lag: Lag
) -> None:
    stories = []
    for place in places:
        place.k.semaphore("one").define(permits=1)
        first = holder(place, "one", "first", "5m")
        stopped, second = waiter(place, "one", "stopped"), waiter(place, "one", "second")
        stopped.stop()
        first.ask("release", "released")
        stories.append((place, stopped, second))
    for place, stopped, second in stories:
        token = second.hear("held", timeout=CLAIM_MS / 1000 + 5)["token"]
        third = waiter(place, "one", "third")
        stopped.go_on()
        until(lambda: waiting(place) == ["stopped", "third"], "the stopped one is back in its place")  # noqa: B023
        assert holding(place) == ["second"]
        assert not any(line["op"] == "held" for line in stopped.lines)
        second.ask("release", "released")
        assert stopped.hear("held")["token"] > token
        stopped.ask("release", "released")
        third.hear("held")
        with place.record("one") as recorder:
            rules = Rules(late_ms=LATE_MS + lag.worst_ms, away={"stopped": [(0, FOREVER_MS)]})
            assert check_permits(recorder.complete(), rules) == []


def test_a_holder_stopped_past_its_ttl_notices_the_loss_when_it_goes_on(place: Place) -> None:
    place.k.semaphore("one").define(permits=1)
    stopped = place.crew.start()
    before = stopped.ask("acquire", "held", name="one", holder="stopped", ttl="600ms", renew=True)
    heir = waiter(place, "one", "heir")
    stopped.stop()
    after = heir.hear("held")
    stopped.go_on()
    assert stopped.hear("lost", timeout=2)["token"] == before["token"] < after["token"]
    state = stopped.ask("state", "state")
    assert state["lost"]
    assert state["expires_in"] == 0
    assert holding(place) == ["heir"]
    assert stopped.ask("release", "released")["what"] in {"expired", "not-held"}
    assert stopped.ask("renew", "error")["code"] == "lease-lost"
    assert place.k.semaphore("one").status().holders[0].token == after["token"]
