"""Scripts on redis-py's connections, without its client in between.

The client spends two thirds of a script call's time on bookkeeping: choosing a connection, packing the same keys again,
metrics. Here a connection is at hand, and the part of the command that never changes is packed once. Retries,
reconnection, encoding and parsing stay redis-py's. `benchmarks/` shows what that gains.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from redis import ConnectionPool

    from konductor_core.scripts import Script

__all__ = ["Wire"]

HEADS_KEPT: Final = 1_000


class Wire:
    """Connections of one pool, kept checked out; any thread may use one at a time, and a forked child starts anew."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._process = os.getpid()
        self._idle: deque[Any] = deque()
        self._heads: dict[tuple[Script, tuple[str, ...]], bytes] = {}

    def evalsha(self, connection: Any, script: Script, keys: tuple[str, ...], args: tuple[str | int, ...]) -> Any:  # noqa: ANN401
        """Run a script by its hash, retrying as the connection is configured to. Raises redis-py's errors."""
        head = self._heads.get((script, keys))
        if head is None:
            if len(self._heads) >= HEADS_KEPT:
                self._heads.clear()
            head = _packed(("EVALSHA", script.sha, len(keys), *keys))
            self._heads[script, keys] = head
        return self._exchange(connection, b"*%d\r\n%b%b" % (3 + len(keys) + len(args), head, _packed(args)))

    def execute(self, connection: Any, *args: str | int) -> Any:  # noqa: ANN401 - any reply
        """Run any command. Raises redis-py's errors."""
        return self._exchange(connection, b"*%d\r\n%b" % (len(args), _packed(args)))

    @staticmethod
    def _exchange(connection: Any, command: bytes) -> Any:  # noqa: ANN401 - redis-py's connection, any reply
        def send_and_read() -> Any:  # noqa: ANN401 - any reply
            connection.send_packed_command([command])
            return connection.read_response()

        return connection.retry.call_with_retry(send_and_read, lambda _: connection.disconnect())

    def take(self) -> Any:  # noqa: ANN401 - redis-py's connection
        """Lend a connection; give it back with `give`. Raises redis-py's errors."""
        if self._process != os.getpid():
            self._process, self._idle = os.getpid(), deque()
        try:
            return self._idle.pop()
        except IndexError:
            return self._pool.get_connection()

    def give(self, connection: Any) -> None:  # noqa: ANN401 - as above
        """Take a connection back. redis-py has closed it if anything but a whole reply came of its last command."""
        self._idle.append(connection)

    def close(self) -> None:
        """Give the connections back to their pool, closed."""
        while self._idle:
            connection = self._idle.pop()
            connection.disconnect()
            self._pool.release(connection)


def _packed(parts: tuple[str | int, ...]) -> bytes:
    """Return the parts as the protocol has them: all at once, unless one has characters of several bytes."""
    text = "".join([f"${len(part)}\r\n{part}\r\n" for part in map(str, parts)])
    if text.isascii():
        return text.encode()
    encoded = [str(part).encode(errors="surrogateescape") for part in parts]
    return b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in encoded])
