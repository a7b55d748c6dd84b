"""What race tests have: a server with a crew of worker processes, the library, and a raw client.

`place` is one such server after the other; `places` are both at once, for tests that mostly wait for time to pass.
"""

from __future__ import annotations

import math
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from konductor_core.client import Konductor
from tests.history import Recorder, stream_of
from tests.races.crew import Crew, Zygote

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from tests.servers import Server

NAMESPACE = "races"


@dataclass(frozen=True, slots=True)
class Place:
    """One server and those who use it."""

    server: Server
    crew: Crew
    k: Konductor
    client: redis.Redis

    def record(self, name: str, kind: str = "semaphore") -> Recorder:
        """Return a recorder of an object's history; use it as a context manager."""
        return Recorder(self.client, stream_of(NAMESPACE, kind, name))


class Lag:
    """How long this machine keeps a thread waiting that could run: what it adds to every bound, measured beside it."""

    def __init__(self) -> None:
        self._ending = threading.Event()
        self._worst = 0.0
        self._thread = threading.Thread(target=self._measure, daemon=True)

    @property
    def worst_ms(self) -> int:
        return math.ceil(self._worst * 1000)

    def _measure(self) -> None:
        before = time.monotonic()
        while not self._ending.wait(0.01):
            now = time.monotonic()
            self._worst = max(self._worst, now - before - 0.01)
            before = now

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()


@contextmanager
def _place(server: Server, zygote: Zygote) -> Iterator[Place]:
    crew = Crew(zygote, url=server.url, namespace=NAMESPACE)
    with Konductor(server.url, namespace=NAMESPACE) as k, server.client() as client:
        yield Place(server, crew, k, client)
        crew.dismiss()


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    with tempfile.TemporaryDirectory(prefix="konductor-") as directory:
        process = Zygote(Path(directory))
        yield process
        process.close()


@pytest.fixture
def place(zygote: Zygote, server: Server) -> Iterator[Place]:
    with _place(server, zygote) as one:
        yield one


@pytest.fixture
def places(zygote: Zygote, redis_server: Server, valkey_server: Server) -> Iterator[list[Place]]:
    with ExitStack() as stack:
        yield [stack.enter_context(_place(server, zygote)) for server in (redis_server, valkey_server)]


@pytest.fixture
def lag() -> Iterator[Lag]:
    with Lag() as measured:
        yield measured
