"""The bench of the script tests, on fakeredis and on both real servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from konductor_core import Konductor
from konductor_core.drivers.servers import Single
from tests.scripts.bench import NAMESPACE, Bench
from tests.scripts.clock import AgeingClock, FakeClock
from tests.servers import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator


def fake_bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a bench on a fakeredis of its own, whose time stands still."""
    clock = FakeClock(monkeypatch)
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer(server_type="redis"), decode_responses=True)
    k = Konductor("redis://nowhere", namespace=NAMESPACE)
    k.driver.servers = Single(client.connection_pool)
    return Bench(client, k, clock)


def real_bench(server: Any) -> Bench:
    """Return a bench on a running server."""
    client = server.client(decode_responses=True)
    return Bench(client, Konductor(server.url, namespace=NAMESPACE), AgeingClock(client))


@pytest.fixture(autouse=True)
def _no_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POD_NAME", "POD_UID", "NODE_NAME", "KONDUCTOR_HOLDER", "KONDUCTOR_ARRIVAL_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=("fakeredis", *KINDS))
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _no_pod: None) -> Iterator[Bench]:
    if request.param == "fakeredis":
        made = fake_bench(monkeypatch)
    else:
        made = real_bench(request.getfixturevalue("shared_servers").empty(request.param))
    with made.client, made.k:
        yield made


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, _no_pod: None) -> Iterator[Bench]:
    """Only fakeredis: for tests that set the clock back or want it exact."""
    made = fake_bench(monkeypatch)
    with made.client, made.k:
        yield made


@pytest.fixture(params=KINDS)
def real(request: pytest.FixtureRequest, _no_pod: None) -> Iterator[Bench]:
    """Only real servers."""
    made = real_bench(request.getfixturevalue("shared_servers").empty(request.param))
    with made.client, made.k:
        yield made
