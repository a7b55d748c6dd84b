"""Fixtures that everybody uses: servers.

redis_server, valkey_server   a running deployment, empty, shared by the session; don't configure or stop these
server                        both of them, one after the other
any_server                    one of them: Valkey, where it can be had
url, client                   the server's URL, and a connected client
fake_server                   a new FakeServer of fakeredis for each test
backend                       a connected client on fakeredis, Redis and Valkey, one after the other
fresh_server                  makes servers of the test's own, to kill, pause and configure

A deployment is a server behind a unix socket, or what KONDUCTOR_TEST_DEPLOYMENT names; `tests.topologies` has them
all. A server that is missing skips the test at home, and fails it where CI=true.
"""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import fakeredis
import hypothesis
import pytest

from tests import topologies
from tests.clusters import ClusterSet
from tests.servers import KINDS, Kind, MissingServerError, Server, version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import redis


# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("konductor", deadline=None, print_blob=True)
hypothesis.settings.load_profile("konductor")


def pytest_configure() -> None:
    """Take signals as a shell's foreground does: whoever started us in the background may have had them ignored."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_report_header() -> list[str]:
    """Say which servers the tests run against."""
    lines = [f"deployment: {topologies.NAME}"]
    for kind in KINDS:
        try:
            lines.append(f"{kind}: {version(kind)}")
        except MissingServerError as error:
            lines.append(f"{kind}: {error}; its tests will {'fail' if _in_ci() else 'be skipped'}")
    return lines


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() == "true"


def _directory() -> Path:
    # Not pytest's tmp_path: the path of a unix socket has 107 bytes at most.
    return Path(tempfile.mkdtemp(prefix="konductor-"))


@contextmanager
def _present(kind: Kind) -> Iterator[None]:
    """Skip or fail the test if the server it wants is missing; nothing has been made for it then."""
    try:
        version(kind)
        yield
    except MissingServerError as error:
        if _in_ci():
            pytest.fail(str(error))
        pytest.skip(str(error))


class SharedServers:
    """One deployment of each kind for the session, started when first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._servers: dict[Kind, Server] = {}

    def empty(self, kind: Kind) -> Server:
        if kind not in self._servers:
            with _present(kind):
                made = topologies.deployment(kind, _directory())
                self._servers[kind] = cast("Server", self._stack.enter_context(made))  # all are used like one
        server = self._servers[kind]
        for each in server.nodes if isinstance(server, ClusterSet) else [server]:
            with each.client() as client:
                client.flushall()
        return server


@pytest.fixture(scope="session")
def shared_servers() -> Iterator[SharedServers]:
    with ExitStack() as stack:
        yield SharedServers(stack)


@pytest.fixture
def redis_server(shared_servers: SharedServers) -> Server:
    return shared_servers.empty("redis")


@pytest.fixture
def valkey_server(shared_servers: SharedServers) -> Server:
    return shared_servers.empty("valkey")


@pytest.fixture
def any_server(shared_servers: SharedServers) -> Server:
    return shared_servers.empty("valkey" if topologies.NAME != "tls" else "redis")


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, shared_servers: SharedServers) -> Server:
    return shared_servers.empty(request.param)


@pytest.fixture
def url(server: Server) -> str:
    return server.url


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    with server.client() as connected:
        yield connected


@pytest.fixture
def fake_server() -> fakeredis.FakeServer:
    # One for each test: a global that a script leaks would break every later one.
    return fakeredis.FakeServer(server_type="redis")


@pytest.fixture(params=("fakeredis", *KINDS))
def backend(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    if request.param == "fakeredis":
        connected = cast("redis.Redis", fakeredis.FakeRedis(server=request.getfixturevalue("fake_server")))
    else:
        connected = request.getfixturevalue("shared_servers").empty(request.param).client()
    with connected:
        yield connected


class FreshServer(Protocol):
    """Makes a running server of the test's own; `options` are lines of its configuration."""

    def __call__(
        self,
        kind: Kind = "redis",
        *,
        tcp: bool = False,
        sentinel: bool = False,
        options: Mapping[str, str | list[str]] | None = None,
    ) -> Server: ...


@pytest.fixture
def fresh_server() -> Iterator[FreshServer]:
    with ExitStack() as stack:

        def make(
            kind: Kind = "redis",
            *,
            tcp: bool = False,
            sentinel: bool = False,
            options: Mapping[str, str | list[str]] | None = None,
        ) -> Server:
            with _present(kind):
                return stack.enter_context(Server(kind, _directory(), tcp=tcp, sentinel=sentinel, options=options))

        yield make
