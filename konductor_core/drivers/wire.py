"""Scripts on redis-py's connections, without its client in between.

The client spends two thirds of a script call's time on bookkeeping: choosing a connection, packing the same keys again,
metrics. Here a connection is at hand, and the part of the command that never changes is packed once. Connecting,
encoding and parsing stay redis-py's. `benchmarks/` shows what that gains.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import deque
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError, NoScriptError, ResponseError  # noqa: A004 - redis-py's own

from konductor_core.drivers.hurry import in_time
from konductor_core.flows.steps import Call

if TYPE_CHECKING:
    from konductor_core.flows.steps import Command
    from konductor_core.scripts import Script

__all__ = ["Packer", "Wire", "key_of", "packed", "read_by", "read_within"]

HEADS_KEPT: Final = 1_000
CLOSED: Final = -1
"""In place of a process id."""
SHORTEST_READ: Final = 0.001
"""Seconds that an answer is waited for however late it is: a timeout of 0 means something else to a socket."""


def _parts(parts: tuple[str | int, ...]) -> bytes:
    """Return the parts as the protocol has them: all at once, unless one has characters of several bytes."""
    text = "".join([f"${len(part)}\r\n{part}\r\n" for part in map(str, parts)])
    if text.isascii():
        return text.encode()
    encoded = [str(part).encode(errors="surrogateescape") for part in parts]
    return b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in encoded])


def packed(*args: str | int) -> bytes:
    """Return a command as it is sent."""
    return b"*%d\r\n%b" % (len(args), _parts(args))


def read_within(connection: Any, seconds: float) -> Any:  # noqa: ANN401 - redis-py's
    """Return the next reply, and leave the connection as it is if there is none in time.

    Raises redis-py's errors: `TimeoutError` then. To ask whether there is one before reading it costs four calls of
    the system more.
    """
    return connection.read_response(timeout=max(SHORTEST_READ, seconds), disconnect_on_error=False)


def read_by(connection: Any, until: float) -> Any:  # noqa: ANN401 - as above
    """Return the next reply, if it comes by a monotonic moment and within the socket's timeout."""
    left = until - monotonic() if until < inf else inf
    if left < (connection.socket_timeout or inf):
        return read_within(connection, left)
    return connection.read_response()


def key_of(step: Call | Command) -> str:
    """Return a key that tells which server a step is for: all keys of a step are on the same."""
    return step.keys[0] if type(step) is Call else str(step.args[1])


class Packer:
    """Packs script calls, and remembers the beginning of each: it is the same for every call on the same object."""

    def __init__(self) -> None:
        self._heads: dict[tuple[Script, tuple[str, ...]], bytes] = {}

    def evalsha(self, script: Script, keys: tuple[str, ...], args: tuple[str | int, ...]) -> bytes:
        """Return the call of a script by its hash."""
        head = self._heads.get((script, keys))
        if head is None:
            if len(self._heads) >= HEADS_KEPT:
                self._heads.clear()
            head = self._heads[script, keys] = _parts(("EVALSHA", script.sha, len(keys), *keys))
        return b"*%d\r\n%b%b" % (3 + len(keys) + len(args), head, _parts(args))


class Wire:
    """The connections to one server, kept checked out; any thread may use one, and a forked child starts anew."""

    def __init__(self, pool: Any) -> None:  # noqa: ANN401 - redis-py's
        self.pool = pool
        self._process = os.getpid()
        self._idle: deque[Any] = deque()
        self._all: set[Any] = set()
        self._lock = threading.Lock()
        self._packer = Packer()

    @property
    def place(self) -> object:
        """What tells this server from another one that may take its place: the master that the Sentinels named."""
        return getattr(self.pool, "master_address", None)

    def lend(self, seconds: float) -> Any:  # noqa: ANN401 - redis-py's connection
        """Return a connection for one user alone, who gives it back or up. Raises redis-py's errors, within `seconds`.

        Behind Sentinels it is a new one: one that is at hand may still lead to a former master.
        """
        if self._process != os.getpid():
            self._start_anew()
        if self.place is None:
            with suppress(IndexError):
                return self._idle.pop()
        return in_time(self._connect, seconds, late=self.give_back)

    def give_back(self, connection: Any) -> None:  # noqa: ANN401 - as above
        """Take back a connection on which nothing is to come any more."""
        self._idle.append(connection)

    def perform(self, step: Call | Command, wait_ms: int) -> tuple[Any, int]:
        """Run a step on one connection; return its reply and how many replicas acknowledged it within `wait_ms`.

        Raises redis-py's errors.
        """
        return self._perform(self.take(), step, wait_ms, inf)

    def perform_by(self, until: float, step: Call, wait_ms: int) -> tuple[Any, int] | None:
        """Do the same by a monotonic moment, on a connection that is open; None if there is none.

        Raises redis-py's errors: `TimeoutError` at that moment.
        """
        try:
            connection = self._idle.pop() if self._process == os.getpid() else None
        except IndexError:
            connection = None
        return connection and self._perform(connection, step, wait_ms, until)

    def _perform(
        self,
        connection: Any,  # noqa: ANN401 - redis-py's
        step: Call | Command,
        wait_ms: int,
        until: float,
    ) -> tuple[Any, int]:
        try:
            answer = self._run(connection, step, wait_ms, until)
        except ResponseError:
            self._idle.append(connection)  # a whole reply, like any other
            raise
        except BaseException:
            self._give_up(connection)  # its reply may still come, and must not answer the next command
            raise
        self._idle.append(connection)
        return answer

    def _run(
        self,
        connection: Any,  # noqa: ANN401 - as above
        step: Call | Command,
        wait_ms: int,
        until: float,
    ) -> tuple[Any, int]:
        if type(step) is not Call:
            return self._exchange(connection, packed(*step.args), until), 0
        try:
            command = self._packer.evalsha(step.script, step.keys, step.args)
            reply = self._exchange(connection, command, until)
        except NoScriptError:
            whole = packed("EVAL", step.script.source, len(step.keys), *step.keys, *step.args)
            reply = self._exchange(connection, whole, until)
        if not step.replicas:
            return reply, 0
        return reply, self._exchange(connection, packed("WAIT", step.replicas, wait_ms), until)

    @staticmethod
    def _exchange(connection: Any, command: bytes, until: float) -> Any:  # noqa: ANN401
        connection.send_packed_command((command,))
        return read_by(connection, until)

    def take(self) -> Any:  # noqa: ANN401 - redis-py's connection
        """Return a connection that is at hand, or a new one. Raises redis-py's errors."""
        if self._process != os.getpid():
            self._start_anew()
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _connect(self) -> Any:  # noqa: ANN401 - as above
        connection = self.pool.get_connection()
        with self._lock:
            self._all.add(connection)  # the pool makes few, and uses them again
        if self._process == CLOSED:
            self._give_up(connection)
            raise ConnectionError("closed by this process")
        return connection

    def _start_anew(self) -> None:
        if self._process == CLOSED:
            raise ConnectionError("closed by this process")
        self._process, self._idle, self._all, self._lock = os.getpid(), deque(), set(), threading.Lock()

    def _give_up(self, connection: Any) -> None:  # noqa: ANN401 - as above
        """Close a connection. Only the pool asks the Sentinels anew when it connects again, so it goes back there."""
        connection.disconnect()
        self.pool.release(connection)

    def disconnect(self) -> None:
        """Close all idle connections, since one was lost."""
        with suppress(IndexError):
            while True:
                self._give_up(self._idle.pop())

    def close(self) -> None:
        """Close all connections, for good. Those in use are only shut down: whoever reads from one sees its end."""
        if self._process != os.getpid():
            return  # they are the parent's
        self._process = CLOSED
        self.disconnect()
        with self._lock:
            for connection in self._all:
                with suppress(OSError, AttributeError):  # it may have no socket
                    connection._sock.shutdown(socket.SHUT_RDWR)  # noqa: SLF001 - redis-py would close it at once
        self.pool.disconnect(inuse_connections=False)
        for sentinel in getattr(getattr(self.pool, "sentinel_manager", None), "sentinels", ()):
            sentinel.connection_pool.disconnect()
