"""A Redis that is there and says nothing: deadlines hold all the same."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from konductor_core.client import Konductor
from konductor_core.errors import Unavailable
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers import Server

GRACE = 0.5
"""Seconds by which a loaded machine may be late."""
ONE_CALL = 1.0
"""Seconds that the last call of a wait is given, however little is left to the deadline."""
LEAVING = 2.0
"""Seconds that the call is given which ends a wait."""


@pytest.fixture
def proxy(redis_server: Server) -> Iterator[Proxy]:
    with Proxy(redis_server) as running, Konductor(redis_server.url, namespace="races") as k:
        k.semaphore("one").define(permits=1)
        k.barrier("all").define(expected=2)
        yield running


def connected(url: str) -> Konductor:
    konductor = Konductor(url, namespace="races")
    konductor.objects()
    return konductor


def test_waits_end_soon_after_their_deadlines(proxy: Proxy) -> None:
    """On open and on new connections, on a unix socket and over TCP."""
    took: list[float] = []

    def wait(konductor: Konductor, verb: Callable[[Konductor], object]) -> None:
        start = time.monotonic()
        with konductor, pytest.raises(Unavailable, match="does not answer"):
            verb(konductor)
        took.append(time.monotonic() - start)

    verbs: list[Callable[[Konductor], object]] = [
        lambda k: k.semaphore("one").acquire(timeout="400ms"),
        lambda k: k.barrier("all").wait(timeout="400ms"),
    ]
    waits = [
        (make(url), verb)
        for make in (connected, lambda url: Konductor(url, namespace="races"))
        for url in (proxy.url, proxy.tcp_url)
        for verb in verbs
    ]
    proxy.freeze()
    threads = [threading.Thread(target=wait, args=each) for each in waits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(took) == len(threads)
    assert max(took) < ONE_CALL + LEAVING + GRACE, took


def test_a_renewed_lease_is_lost_at_its_deadline(proxy: Proxy) -> None:
    with Konductor(proxy.url, namespace="races") as k:
        lease = k.semaphore("one").acquire(ttl="900ms", renew=True)
        proxy.freeze()
        assert lease.lost.wait(0.9 + GRACE)
        assert lease.expires_in == 0


def test_a_renewed_lease_outlives_connections_that_have_died_silently(proxy: Proxy) -> None:
    """New connections work, and one try takes a third of the TTL at most."""
    with (
        Konductor(proxy.tcp_url, namespace="races") as k,
        k.semaphore("one").acquire(ttl="3600ms", renew=True) as lease,
    ):
        proxy.strand()
        assert not lease.lost.wait(4)
        assert lease.expires_in > 0
