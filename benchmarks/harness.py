"""What every benchmark stands on: a private server, a listener on the nudge channel, turns, and no garbage collector.

The server listens on loopback TCP, as pods reach theirs over a network, unless a unix socket is asked for. It is new
for each benchmark and keeps nothing on disk.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

import redis

from konductor_core import Konductor, keys
from tests.servers import Kind, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["NAMESPACE", "Options", "Place", "interleave", "plain", "quiet", "serving", "settle"]

NAMESPACE: Final = "bench"
PRIORITY: Final = 10

# A controller reads its nudges in bursts; this listener does, so that it takes little of the two cores.
_LISTENER: Final = """
import socket, sys, time
family, address, channel = sys.argv[1], sys.argv[2], sys.argv[3]
link = socket.socket(socket.AF_UNIX if family == "unix" else socket.AF_INET)
link.connect(address if family == "unix" else ("127.0.0.1", int(address)))
link.sendall(f"SUBSCRIBE {channel}\\r\\n".encode())
while link.recv(1 << 20):
    time.sleep(0.05)
"""


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is made."""

    server: Kind = "redis"
    tcp: bool = True
    quick: bool = False
    realtime: bool = False

    def rounds(self, full: int, quick: int) -> int:
        """Return how often to do something."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Place:
    """Where one benchmark runs."""

    url: str
    options: Options

    def client(self, **options: Any) -> redis.Redis:  # noqa: ANN401 - redis-py's
        """Return a client as users of the peers make it: redis-py's defaults."""
        return plain(self.url, **options)

    def konductor(self) -> Konductor:
        """Return a client of Konductor."""
        return Konductor(self.url, namespace=NAMESPACE)


def plain(url: str, **options: Any) -> redis.Redis:  # noqa: ANN401 - redis-py's
    """Return a redis-py client with its defaults; it waits for a blocking command as long as that takes."""
    return redis.Redis.from_url(url, **{"socket_timeout": None, **options})


@contextmanager
def serving(options: Options) -> Iterator[Place]:
    """Run a server and a listener for one benchmark."""
    directory = Path(tempfile.mkdtemp(prefix="konductor-bench-"))
    with ExitStack() as stack:
        if options.realtime:
            stack.enter_context(_first())
        server = stack.enter_context(Server(options.server, directory, tcp=options.tcp))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        place = Place(server.tcp_url if options.tcp else server.url, options)
        where = ("tcp", str(server.port)) if options.tcp else ("unix", str(server.socket))
        command = [sys.executable, "-I", "-S", "-c", _LISTENER, *where, keys.nudge(NAMESPACE)]
        listener = subprocess.Popen(command)
        stack.callback(listener.wait)
        stack.callback(listener.kill)
        with place.client() as client:
            settle(lambda: client.pubsub_numsub(keys.nudge(NAMESPACE))[0][1] == 1)
        yield place


@contextmanager
def _first() -> Iterator[None]:
    """Let this process, and what it starts, run before everything else on the machine, and take turns."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def settle(condition: Callable[[], bool], timeout: float = 60.0) -> None:
    """Return as soon as `condition` holds; raise `TimeoutError` when it does not."""
    deadline = monotonic() + timeout
    while not condition():
        if monotonic() > deadline:
            raise TimeoutError("the benchmark did not get ready")
        sleep(0.001)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the garbage collector out of what is timed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def interleave(contenders: Mapping[str, Callable[[], object]], *, rounds: int, each: int) -> dict[str, list[float]]:
    """Return seconds per operation of each contender in every round of `each` operations, after a warm-up round.

    They take turns, and a different one begins each round.
    """
    found: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for number in range(rounds + 1):
        for name in order:
            operation = contenders[name]
            with quiet():
                began = monotonic()
                for _ in range(each):
                    operation()
                seconds = (monotonic() - began) / each
            if number:
                found[name].append(seconds)
        order.append(order.pop(0))
    return found
