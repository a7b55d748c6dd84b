"""The server is killed and started again while clients hold, wait and hand over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.checker import Rules, check_permits
from tests.faults.judge import Trial, say, wait_until
from tests.faults.objects import NAMESPACE, PERMITS, PERMITTED, SEMAPHORE
from tests.history import Event, stream_of

if TYPE_CHECKING:
    import random

    from tests.conftest import FreshServer
    from tests.faults.conftest import Trials
    from tests.races.conftest import Lag
    from tests.servers import Kind, Server

pytestmark = pytest.mark.slow

BACK_MS = 3_000
"""Clients are back so long after the server: 2 s is the longest pause between two tries."""
KILLS = 3


def crash(server: Server, chance: random.Random) -> float:
    """Kill the server and start it again after a moment; return for how many seconds it did not answer."""
    before = time.monotonic()
    server.kill()
    wait_until(before + chance.uniform(0, 0.6))
    server.start()
    return time.monotonic() - before


def load_with_crashes(trial: Trial, server: Server, chance: random.Random) -> float:
    trial.begin()
    outages = []
    for _ in range(KILLS):
        trial.await_progress()
        wait_until(time.monotonic() + chance.uniform(0, 0.3))
        outages.append(crash(server, chance))
    trial.await_progress()
    trial.end()
    say(f"{KILLS} crashes, away for {max(outages):.2f} s at most; {trial.summary()}")
    return max(outages)


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_nothing_that_was_answered_is_lost_over_crashes_with_appendfsync_always(
    fresh_server: FreshServer, trial: Trials, chance: random.Random, lag: Lag, kind: Kind
) -> None:
    server = fresh_server(kind, tcp=True, options={"appendonly": "yes", "appendfsync": "always"})
    this = trial(server)
    away = load_with_crashes(this, server, chance)
    late = BACK_MS + int(KILLS * away * 1000) + lag.worst_ms
    assert this.violations(late_ms=late, script_ms=5 + lag.worst_ms) == []


def test_over_a_crash_with_appendfsync_everysec_tokens_grow_and_the_server_never_grants_too_much(
    fresh_server: FreshServer, trial: Trials, chance: random.Random, lag: Lag
) -> None:
    """What survives is one history without a contradiction; what was lost is counted."""
    server = fresh_server(options={"appendonly": "yes", "appendfsync": "everysec"})
    this = trial(server)
    away = load_with_crashes(this, server, chance)
    survived = {ref: history(this, ref) for ref in this.refs}
    seen = {(ref, event) for ref, events in this.seen().items() for event in events}
    lost = [event for ref, event in seen if event not in survived[ref]]
    say(f"lost of {len(seen)} events: {sorted(event.type for event in lost)}")
    late = BACK_MS + int(KILLS * away * 1000) + lag.worst_ms
    rules = Rules(late_ms=late, script_ms=5 + lag.worst_ms)
    assert {ref: check_permits(survived[ref], rules) for ref in PERMITTED} == {ref: [] for ref in PERMITTED}
    tokens = [(line["object"], line["token"]) for line in this.lines() if line["op"] == "held"]
    assert len(set(tokens)) == len(tokens), "a token came twice"


def history(trial: Trial, ref: str) -> list[Event]:
    """What the server has now of an object's history."""
    rows: Any = trial.client.xrange(stream_of(NAMESPACE, *ref.split("/")))
    return [Event.of(entry, fields) for entry, fields in rows]


def test_a_waiter_holds_after_a_crash_between_its_grant_and_its_confirmation(
    fresh_server: FreshServer, trial: Trials, lag: Lag
) -> None:
    """The hand-over itself is cut: granted and written, but the waiter never heard of it."""
    server = fresh_server(options={"appendonly": "yes", "appendfsync": "always"})
    this = trial(server)
    blocker = this.k.semaphore(SEMAPHORE).acquire(permits=PERMITS, ttl=60, holder="blocker")
    waiters = [this.crew.start("serve") for _ in range(2)]
    for number, waiter in enumerate(waiters):
        waiter.tell("acquire", name=SEMAPHORE, permits=PERMITS, holder=f"waiter-{number}", ttl="20s")
        waiter.hear_text("position")
    for waiter in waiters:
        waiter.stop()
    blocker.release()
    start = time.monotonic()
    server.kill()
    for waiter in waiters:
        waiter.go_on()
    server.start()
    late = int((time.monotonic() - start) * 1000) + 5_000 + BACK_MS + lag.worst_ms
    first = waiters[0].hear("held", timeout=late / 1000)
    assert first["holder"] == "waiter-0"
    waiters[0].ask("release", "released")
    assert waiters[1].hear("held")["token"] > first["token"]
    assert check_permits(this.history(), Rules(late_ms=late, script_ms=5 + lag.worst_ms)) == []
