"""Connections break in every way while clients hold, wait and arrive: every promise is kept, and nobody is stuck."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.judge import Trial, say, wait_until
from tests.proxy import Proxy
from tests.servers import until

if TYPE_CHECKING:
    import random

    from tests.faults.conftest import Trials
    from tests.races.conftest import Lag
    from tests.servers import Server

pytestmark = pytest.mark.slow

BACK_MS = 3_000
"""A client whose connection was cut is back by then: 2 s is the longest pause between two tries."""
LOST_MS = 30_000
"""A client whose wake-up vanished without a trace looks again after 25 s, and has lost its connection after 30 s."""


ENOUGH = 50
"""Leases that make a load: faults go on until there were so many, however slow the machine is."""


def await_load(trial: Trial) -> None:
    until(lambda: trial.held() > ENOUGH, "there was a load", timeout=60, interval=0.02)


def judge(trial: Trial, lag: Lag, late_ms: int) -> None:
    say(trial.summary())
    assert trial.violations(late_ms=late_ms + lag.worst_ms, script_ms=5 + lag.worst_ms) == []


def test_every_promise_is_kept_while_replies_are_cut_and_delayed(
    server: Server, trial: Trials, chance: random.Random, lag: Lag
) -> None:
    with Proxy(server) as proxy:
        this = trial(server, url=proxy.tcp_url)
        proxy.storm(chance, cut=0.04, delay=0.05)
        this.begin()
        for moment in this.moments(3):
            wait_until(moment)
            proxy.cut()
        wait_until(time.monotonic() + 1)
        await_load(this)
        proxy.heal()
        this.end()
        judge(this, lag, BACK_MS)


def test_every_promise_is_kept_while_replies_vanish(
    redis_server: Server, trial: Trials, chance: random.Random, lag: Lag
) -> None:
    """The worst of networks: the connection stays open, and what was answered never comes."""
    with Proxy(redis_server) as proxy:
        this = trial(redis_server, url=proxy.tcp_url)
        proxy.storm(chance, cut=0.01, swallow=0.01, delay=0.05)
        this.begin()
        wait_until(time.monotonic() + 4)
        await_load(this)
        proxy.heal()
        this.end(patience=90)
        judge(this, lag, LOST_MS)


def test_every_promise_is_kept_while_the_server_kills_connections(
    server: Server, trial: Trials, chance: random.Random, lag: Lag
) -> None:
    with server.client(decode_responses=True) as killer:
        this = trial(server)
        this.begin()
        own = killer.client_id()
        for moment in this.moments(40):
            wait_until(moment)
            rows: list[dict[str, Any]] = killer.client_list()
            victims = [row for row in rows if int(row["id"]) != own]
            kinds = [[r for r in victims if r["cmd"] == "blpop"], [r for r in victims if "P" in r["flags"]], victims]
            if some := chance.choice([kind for kind in kinds if kind] or [[]]):
                killer.client_kill_filter(_id=chance.choice(some)["id"])
        await_load(this)
        this.end()
        judge(this, lag, BACK_MS)
