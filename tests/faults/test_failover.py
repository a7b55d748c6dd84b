"""A real Sentinel promotes the replica while clients hold, wait and arrive: they find it, and tokens keep growing."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from konductor_core.client import Konductor
from tests.checker_clients import backwards
from tests.faults.judge import BACK_MS, GHOSTS_MS, say, wait_until
from tests.faults.objects import BARRIER, EXPECTED, NAMESPACE
from tests.sentinels import SentinelSet
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.conftest import Trials
    from tests.races.conftest import Lag

pytestmark = pytest.mark.slow

DOWN_MS = 500
"""What the Sentinel is told: so long a master must be silent."""


@pytest.fixture(params=["redis", "valkey"])
def sentinels(request: pytest.FixtureRequest) -> Iterator[SentinelSet]:
    with SentinelSet(request.param, Path(tempfile.mkdtemp(prefix="konductor-"))) as servers:
        yield servers


@pytest.mark.parametrize("way", ["killed", "stopped"])
def test_clients_find_the_promoted_replica_and_tokens_keep_growing(
    sentinels: SentinelSet, trial: Trials, lag: Lag, way: str
) -> None:
    if sentinels.kind == "valkey" and way == "killed":
        pytest.skip("once is enough")
    this = trial(sentinels)
    this.begin()
    this.await_progress(30)
    sentinels.await_whole()
    before = sentinels.master
    wait_until(time.monotonic() + this.chance.uniform(0, 0.3))
    gone = time.monotonic()
    before.kill() if way == "killed" else before.pause()
    sentinels.await_other_master(before, timeout=40)
    promoted = time.monotonic()
    again = this.first_lease_after(promoted)
    if way == "stopped":
        before.resume()  # it still thinks that it is the master, until the Sentinel demotes it
    this.await_progress(30, lossy=True)
    this.end(patience=60)
    say(f"{way}: away {promoted - gone:.2f} s, a lease {again - promoted:.2f} s later; {this.summary()}")
    assert (again - promoted) * 1000 < BACK_MS + GHOSTS_MS + lag.worst_ms
    assert backwards(this.lines()) == []
    with Konductor(sentinels.url, namespace=NAMESPACE) as fresh:
        assert this.still_waited_for(fresh) == []


def test_who_waits_with_an_arrival_that_a_failover_lost_arrives_again(sentinels: SentinelSet, trial: Trials) -> None:
    """Of an arrival alone nobody is left who could make it again."""
    if sentinels.kind == "valkey":
        pytest.skip("once is enough")
    this = trial(sentinels)
    before = sentinels.master
    sentinels.sever()
    going = [
        this.crew.start("tests.races.jobs:go_round", name=BARRIER, arrival=f"id-{number}", turns=1)
        for number in range(EXPECTED - 1)
    ]
    barrier = this.k.barrier(BARRIER)
    until(lambda: barrier.status().waiting == len(going), "all but one wait")
    before.kill()
    sentinels.await_other_master(before, timeout=40)
    with Konductor(sentinels.url, namespace=NAMESPACE) as fresh:
        fresh.barrier(BARRIER).arrive(holder="last")
    assert [worker.hear("opened", timeout=30)["cycle"] for worker in going] == [1] * len(going)
