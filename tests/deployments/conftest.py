"""Fixtures of the deployments' tests.

made      makes a deployment of the test's own, running: `made(TlsServer, "redis")`
cluster   three masters, shared by a module, on Redis and Valkey, one after the other
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.clusters import ClusterSet
from tests.servers import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Made = TypeVar("Made")


def directory() -> Path:
    """Return a new directory with a short path: that of a unix socket has 107 bytes at most."""
    return Path(tempfile.mkdtemp(prefix="konductor-"))


@pytest.fixture
def made() -> Iterator[Callable[..., Any]]:
    with ExitStack() as stack:

        def make(what: Callable[..., Made], kind: Kind = "redis", **options: Any) -> Made:
            deployment: Any = what(kind, directory(), **options)
            entered: Made = stack.enter_context(deployment)
            return entered

        yield make


@pytest.fixture(scope="module", params=KINDS)
def cluster(request: pytest.FixtureRequest) -> Iterator[ClusterSet]:
    with ClusterSet(request.param, directory()) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POD_NAME", "POD_UID", "NODE_NAME", "KONDUCTOR_HOLDER", "KONDUCTOR_ARRIVAL_ID"):
        monkeypatch.delenv(name, raising=False)
