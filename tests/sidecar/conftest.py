"""Fixtures of the sidecar's tests.

pod          the containers of a pod, on the Valkey of the wheel
fragile      the same on a server of the test's own, `fragile_server`, to stop and to kill
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from konductor_core.client import Konductor
from tests.sidecar.running import Pod, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import FreshServer
    from tests.servers import Server


@contextmanager
def pod_on(url: str) -> Iterator[Pod]:
    """Yield a pod's containers on a server, with two semaphores and a barrier."""
    volume = Path(tempfile.mkdtemp(prefix="konductor-pod-"))  # short: a socket lies in it
    with Konductor(url, namespace="etl") as k:
        k.semaphore("load").define(permits=1, ttl="30s")
        k.semaphore("gpu").define(permits=4, ttl="30s")
        pod = Pod(volume, environment(url, volume), k)
        try:
            yield pod
        finally:
            pod.close()
            shutil.rmtree(volume)


@pytest.fixture
def pod(valkey_server: Server) -> Iterator[Pod]:
    with pod_on(valkey_server.url) as made:
        yield made


@pytest.fixture
def fragile_server(fresh_server: FreshServer) -> Server:
    # It keeps what it knows over a restart, as the Redis of an installation does.
    return fresh_server("redis", options={"appendonly": "yes", "appendfsync": "always"})


@pytest.fixture
def fragile(fragile_server: Server) -> Iterator[Pod]:
    with pod_on(fragile_server.url) as made:
        yield made
