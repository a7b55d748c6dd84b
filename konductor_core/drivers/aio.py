"""The driver for asyncio: performs a flow's steps over redis.asyncio's connections.

All broadcast waiters of a driver share one subscription connection; each queue waiter blocks on one of its own.
"""

from __future__ import annotations

import asyncio
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from redis.exceptions import MovedError, RedisError
from redis.exceptions import TimeoutError as NoAnswer

from konductor_core.drivers.async_waits import AsyncSession
from konductor_core.drivers.connect import connect_async, wait_ms
from konductor_core.drivers.failures import translate
from konductor_core.drivers.hub import Hub
from konductor_core.drivers.retries import Attempts, is_moving
from konductor_core.drivers.slots import REDIRECTIONS
from konductor_core.drivers.wire import key_of
from konductor_core.flows.steps import Answer, Call, Clock, Command, Flow

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import GeneratorType

    from konductor_core.config import Settings
    from konductor_core.drivers.async_servers import AsyncServers
    from konductor_core.drivers.async_wire import AsyncWire
    from konductor_core.errors import KonductorError
    from konductor_core.flows.steps import Progress

__all__ = ["AsyncDriver"]

T = TypeVar("T")
CALLS_AT_ONCE: Final = 16
"""Scripts under way at once: more would only open more connections, the server runs one at a time."""


class AsyncDriver:
    """Runs flows, each in the task that asks for it; belongs to the event loop it is first used in."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.redis
        self._retries = settings.retries
        self._wait_ms = wait_ms(settings)
        self.replicas = settings.min_replicas
        self.servers: AsyncServers = connect_async(settings)
        self._hubs: dict[AsyncWire, Hub] = {}
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)

    async def run(
        self, flow: Flow[T], *, notify: Callable[[Progress], None] | None = None, stop: asyncio.Event | None = None
    ) -> T:
        """Drive a flow to its end and return its result; a cancellation is thrown into the flow first."""
        session = AsyncSession(self, notify, stop)
        error: BaseException | None = None
        result: Any = None
        try:
            while True:
                try:
                    if error is None:
                        step = flow.send(result)
                    else:
                        caught, error = error, None
                        step = flow.throw(caught)
                    kind = type(step)
                    if kind is Call:
                        result = await self.call(cast("Call", step))
                    elif kind is Clock:
                        result = monotonic()
                    elif kind is Command:
                        result = (await self.call(cast("Command", step))).reply
                    else:
                        result = await session.perform(step)
                except StopIteration as end:
                    return cast("T", end.value)
                except BaseException as raised:
                    if cast("GeneratorType[Any, Any, Any]", flow).gi_frame is None:  # the flow has ended with it
                        raise
                    error = raised
        finally:
            await session.close()

    async def call(self, step: Call | Command) -> Answer:
        """Run a script or a plain command; with replicas, WAIT for them on the same connection."""
        if type(step) is not Call or step.seconds == inf:
            return await self._call(step)
        try:
            async with asyncio.timeout(step.seconds):
                return await self._call(step)
        except TimeoutError:
            raise self.failure(NoAnswer("no answer in time")) from None

    async def _call(self, step: Call | Command) -> Answer:
        wire: AsyncWire | None = None
        try:
            wire = await self.servers.wire(key_of(step))
            return await self._perform(wire, step)
        except (RedisError, OSError) as error:
            return await self._persist(step, wire, error)

    async def _perform(self, wire: AsyncWire, step: Call | Command) -> Answer:
        async with self._calls:
            sent = monotonic()
            return Answer(sent, *await wire.perform(step, self._wait_ms))

    async def _persist(self, step: Call | Command, wire: AsyncWire | None, error: Exception) -> Answer:
        """Follow a slot that has moved, and try again what may be over after a moment. Raises `KonductorError`."""
        attempts, redirections = Attempts(self._retries), 0
        while True:
            try:
                if isinstance(error, MovedError) and wire is not None and redirections < REDIRECTIONS:
                    redirections += 1
                    wire = self.servers.follow(error, wire)
                else:
                    pause = attempts.pause(error, self.failure(error))
                    if wire is not None and not is_moving(error):
                        await self.servers.lost(wire)
                    await asyncio.sleep(pause)
                    wire = None
                    wire = await self.servers.wire(key_of(step))
                return await self._perform(wire, step)
            except (RedisError, OSError) as again:
                error = again

    def failure(self, error: Exception) -> KonductorError:
        """Return the error to raise for what redis-py raised."""
        return translate(error, self._url)

    def hub(self, wire: AsyncWire) -> Hub:
        """Return the shared subscription connection to a server."""
        if wire not in self._hubs:
            self._hubs[wire] = Hub(wire)
        return self._hubs[wire]

    async def close(self) -> None:
        """Close all connections, for good."""
        for hub in self._hubs.values():
            await hub.close()
        await self.servers.close()
