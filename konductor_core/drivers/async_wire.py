"""Scripts on redis.asyncio's connections, without its client in between: `wire` for the tasks of one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError, NoScriptError, ResponseError  # noqa: A004 - redis-py's own

from konductor_core.drivers.wire import Packer, packed
from konductor_core.flows.steps import Call

if TYPE_CHECKING:
    from konductor_core.flows.steps import Command

__all__ = ["AsyncWire", "cancellations", "heed"]


def cancellations() -> int:
    """Return how often the present task was asked to end, for `heed`."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def heed(before: int) -> None:
    """Raise the cancellation that has come since there were `before` of them, if one has.

    To be called after everything that sends by redis-py: it does so in `wait_for`, which in Python 3.11 loses a
    cancellation that comes as it is done.
    """
    if cancellations() > before:
        raise asyncio.CancelledError


class AsyncWire:
    """The connections to one server, kept checked out; one task uses one at a time."""

    def __init__(self, pool: Any) -> None:  # noqa: ANN401 - redis-py's
        self.pool = pool
        self._idle: deque[Any] = deque()
        self._packer = Packer()
        self._closed = False

    @property
    def place(self) -> object:
        """What tells this server from another one that may take its place: the master that the Sentinels named."""
        return getattr(self.pool, "master_address", None)

    async def lend(self) -> Any:  # noqa: ANN401 - redis-py's connection
        """Return a connection for one user alone, who gives it back to the pool. Raises redis-py's errors."""
        if self._closed:
            raise ConnectionError("closed by this process")
        before = cancellations()
        connection = await self.pool.get_connection()
        try:
            heed(before)
        except asyncio.CancelledError:
            await self._give_up(connection)
            raise
        return connection

    async def perform(self, step: Call | Command, wait_ms: int) -> tuple[Any, int]:
        """Run a step on one connection, as `Wire.perform` does."""
        connection = self._idle.pop() if self._idle else await self.lend()
        try:
            answer = await self._perform(connection, step, wait_ms)
        except ResponseError:
            self._idle.append(connection)  # a whole reply, like any other
            raise
        except BaseException:
            await self._give_up(connection)  # its reply may still come, and must not answer the next command
            raise
        self._idle.append(connection)
        return answer

    async def _perform(self, connection: Any, step: Call | Command, wait_ms: int) -> tuple[Any, int]:  # noqa: ANN401 - redis-py's
        if type(step) is not Call:
            return await self._exchange(connection, packed(*step.args)), 0
        try:
            command = self._packer.evalsha(step.script, step.keys, step.args)
            reply = await self._exchange(connection, command)
        except NoScriptError:
            whole = packed("EVAL", step.script.source, len(step.keys), *step.keys, *step.args)
            reply = await self._exchange(connection, whole)
        if not step.replicas:
            return reply, 0
        return reply, await self._exchange(connection, packed("WAIT", step.replicas, wait_ms))

    @staticmethod
    async def _exchange(connection: Any, command: bytes) -> Any:  # noqa: ANN401 - redis-py's
        before = cancellations()
        await connection.send_packed_command([command])
        heed(before)
        return await connection.read_response()

    async def _give_up(self, connection: Any) -> None:  # noqa: ANN401 - redis-py's
        """Close a connection. Only the pool asks the Sentinels anew when it connects again, so it goes back there."""
        await connection.disconnect(nowait=True)
        await self.pool.release(connection)

    async def disconnect(self) -> None:
        """Close all idle connections, since one was lost."""
        while self._idle:
            await self._give_up(self._idle.pop())

    async def close(self) -> None:
        """Close all connections, those in use too, for good."""
        self._closed = True
        self._idle.clear()
        await self.pool.disconnect()
        for sentinel in getattr(getattr(self.pool, "sentinel_manager", None), "sentinels", ()):
            await sentinel.connection_pool.disconnect()
