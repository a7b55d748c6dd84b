"""One replica leads at a time, and another takes over: replicas are processes, killed and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from konductor_core import Konductor
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import FreshServer
    from tests.servers import Server

TTL = 3.0
LONG = 30.0
"""Seconds: longer than any test waits for anything."""


class Replica:
    """One process; `spans` are the times for which it led, the last one open-ended while it leads."""

    def __init__(self, url: str, pod: str, ttl: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.controller.replica", url, str(ttl)],
            env={**os.environ, "POD_NAME": pod, "HOSTNAME": "host", "KONDUCTOR_CONNECT_TIMEOUT": "1s"},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ready = False
        self.token = ""
        self.spans: list[list[float]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            word, self.token, moment = line.split()
            if word == "ready":
                self.ready = True
            elif word == "leads":
                self.spans.append([float(moment)])
            else:
                self.spans[-1].append(float(moment))

    @property
    def leads(self) -> bool:
        return bool(self.spans) and len(self.spans[-1]) == 1

    def end(self, number: int = signal.SIGKILL) -> None:
        """Send a signal, and wait until the process has ended."""
        self.process.send_signal(number)
        self.process.wait(10)
        self._reader.join()
        if self.process.stdout:
            self.process.stdout.close()


class Start(Protocol):
    def __call__(self, server: Server, pod: str, ttl: float = TTL) -> Replica: ...


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def make(server: Server, pod: str, ttl: float = TTL) -> Replica:
            replica = Replica(server.url, pod, ttl)
            stack.callback(replica.end)
            until(lambda: replica.ready, "the replica runs")
            return replica

        yield make


def test_a_standby_leads_as_soon_as_the_leader_ends_in_order(any_server: Server, start: Start) -> None:
    first = start(any_server, "one", LONG)
    until(lambda: first.leads, "the first leads")
    second = start(any_server, "two", LONG)
    with Konductor(any_server.url, namespace="konductor-system") as k:
        until(lambda: k.semaphore("konductor-controller").status().waiting, "the second waits")
    assert not second.leads
    first.end(signal.SIGTERM)
    until(lambda: second.leads, "the second leads")
    assert 0 < second.spans[0][0] - first.spans[0][1] < LONG / 3


def test_a_standby_takes_over_from_a_dead_leader_within_the_ttl(any_server: Server, start: Start) -> None:
    first = start(any_server, "one")
    until(lambda: first.leads, "the first leads")
    second = start(any_server, "two")
    died = time.monotonic()
    first.end()
    until(lambda: second.leads, "the second leads")
    assert second.spans[0][0] - died < TTL + 3.0


def test_a_container_that_was_started_again_goes_on_with_what_its_pod_holds(any_server: Server, start: Start) -> None:
    first = start(any_server, "one", LONG)
    until(lambda: first.leads, "it leads")
    first.end()
    again = start(any_server, "one", LONG)
    until(lambda: again.leads, "it leads again")
    assert again.token == first.token


def test_a_leader_that_cannot_renew_stops_before_its_lease_ends(fresh_server: FreshServer, start: Start) -> None:
    server = fresh_server()
    first = start(server, "one")
    until(lambda: first.leads, "it leads")
    second = start(server, "two")
    server.pause()
    paused = time.monotonic()
    until(lambda: not first.leads, "it has stopped")
    assert first.spans[0][1] - paused < TTL
    server.resume()
    until(lambda: first.leads or second.leads, "one of them leads", timeout=20)
    assert not (first.leads and second.leads)


def test_without_redis_nobody_leads_and_everybody_tries_on(fresh_server: FreshServer, start: Start) -> None:
    server = fresh_server()
    server.kill()
    replica = start(server, "one")
    assert not replica.leads
    server.start()
    until(lambda: replica.leads, "it leads")


def test_after_a_wiped_redis_one_leads_again(any_server: Server, start: Start) -> None:
    replicas = [start(any_server, "one"), start(any_server, "two")]
    until(lambda: any(each.leads for each in replicas), "one leads")
    with any_server.client() as admin:
        admin.flushall()
    first = next(each for each in replicas if each.leads)
    until(lambda: not first.leads or len(first.spans) > 1, "its lease has ended")
    until(lambda: any(each.leads for each in replicas), "one leads again")
