"""A gate is looked at, opened, closed and waited for while replies are lost and delayed and connections are cut."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from konductor_core.client import Konductor
from tests.checker_latches import check_gate
from tests.faults.judge import say, wait_until
from tests.faults.objects import NAMESPACE
from tests.history import Recorder, server_ahead_ms, stream_of
from tests.proxy import Proxy
from tests.races.crew import Crew
from tests.servers import until

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from tests.races.crew import Zygote
    from tests.servers import Server

pytestmark = pytest.mark.slow

SECONDS = 2.0


@pytest.fixture
def proxy(server: Server, chance: random.Random) -> Iterator[Proxy]:
    with Proxy(server) as running:
        running.storm(chance, cut=0.03, delay=0.05)
        yield running


@pytest.fixture
def crew(proxy: Proxy, zygote: Zygote) -> Iterator[Crew]:
    made = Crew(zygote, url=f"{proxy.tcp_url}?socket_timeout=1", namespace=NAMESPACE, name="deploy")
    yield made
    made.dismiss()


def test_nobody_passes_a_closed_gate_and_nobody_misses_its_opening(
    server: Server, proxy: Proxy, crew: Crew, chance: random.Random
) -> None:
    with server.client() as client, Konductor(server.url, namespace=NAMESPACE) as k:
        gate, ahead_ms = k.gate("deploy"), server_ahead_ms(client)
        gate.define()
        with Recorder(client, stream_of(NAMESPACE, "gate", "deploy")) as recorder:
            hands = [
                crew.start("tests.races.gates:lend_a_hand", seed=chance.getrandbits(32), seconds=SECONDS)
                for _ in range(3)
            ]
            waiters = [crew.start("tests.races.gates:pass_through", times=8) for _ in range(4)]
            for part in (0.3, 0.6):
                wait_until(time.monotonic() + part * SECONDS / 2)
                proxy.cut()
            for hand in hands:
                assert hand.over.wait(30)
            gate.open()
            for waiter in waiters:
                assert waiter.over.wait(40), "stuck at an open gate"
            events = recorder.complete()
        say(f"{sum(event.type == 'opened' for event in events)} openings")
        assert check_gate(events, crew.lines(), ahead_ms) == []
        assert sum(line["op"] == "passed" for line in crew.lines()) == 8 * len(waiters)
        assert gate.status().waiting == 0


def test_it_opens_once_although_whoever_looks_is_cut_off_again_and_again(server: Server, crew: Crew) -> None:
    with server.client() as client, Konductor(server.url, namespace=NAMESPACE) as k:
        gate, group = k.gate("deploy"), k.waitgroup("crew")
        group.define()
        group.add("a")
        gate.define(["waitgroup/crew"])
        waiters = [crew.start("tests.races.gates:pass_through", times=1) for _ in range(4)]
        lookers = [crew.start("tests.races.gates:look_after") for _ in range(2)]
        until(lambda: gate.status().waiting == len(waiters), "all wait", timeout=30)
        until(
            lambda: all(any(line["op"] == "looked" for line in each.lines) for each in lookers), "all look", timeout=30
        )
        assert gate.status().phase == "Waiting"
        group.done("a")
        for waiter in waiters:
            assert waiter.hear("passed", timeout=40)["met"] == 1
        with Recorder(client, stream_of(NAMESPACE, "gate", "deploy")) as recorder:
            assert [event.type for event in recorder.complete()].count("opened") == 1
