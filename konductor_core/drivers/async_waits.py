"""What one run of a flow holds on to, for asyncio: a connection to block on, a place in a hub. See `waits`."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from redis.exceptions import AskError, MovedError, RedisError
from redis.exceptions import TimeoutError as NoAnswer

from konductor_core.drivers.async_wire import cancellations, heed
from konductor_core.drivers.waits import SERVER_BLOCK, SERVER_GRACE
from konductor_core.flows.steps import RESUBSCRIBED, Block, Listen, Pause, Report, Step, Subscribe

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core.drivers.aio import AsyncDriver
    from konductor_core.drivers.async_wire import AsyncWire
    from konductor_core.drivers.hub import Listener
    from konductor_core.flows.steps import Progress

__all__ = ["AsyncSession"]


def _at_most(seconds: float) -> asyncio.Timeout:
    return asyncio.timeout(None if math.isinf(seconds) else seconds)


class AsyncSession:
    """The waiting side of one run of a flow: who watches it, who may stop it, what it listens to."""

    def __init__(
        self, driver: AsyncDriver, notify: Callable[[Progress], None] | None, stop: asyncio.Event | None
    ) -> None:
        self._driver = driver
        self._notify = notify
        self._stop = stop
        self._blocker: _Blocker | None = None
        self._listener: Listener | None = None

    async def perform(self, step: Step) -> Any:  # noqa: ANN401 - each step has its own result
        """Perform any step that is not a script call. Raises `Unavailable`."""
        if isinstance(step, Pause):
            return await self._pause(step.seconds)
        if isinstance(step, Report):
            return self._notify(step.progress) if self._notify else None
        try:
            if isinstance(step, Block):
                return await self._block(step)
            if isinstance(step, Subscribe):
                return await self._subscribe(step.channel, step.patience)
            if isinstance(step, Listen):
                return await self._listen(step)
        except (RedisError, OSError) as error:
            await self._lost(error)
            raise self._driver.failure(error) from None
        raise TypeError(f"a flow yielded {step!r}")

    async def _pause(self, seconds: float) -> bool:
        if self._stop is None:
            await asyncio.sleep(seconds)
            return False
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True

    async def _block(self, step: Block) -> str | None:
        wire = await self._driver.servers.wire(step.key)
        if self._blocker and self._blocker.is_elsewhere(wire):
            blocker, self._blocker = self._blocker, None
            await blocker.close()
        if self._blocker is None:
            async with _at_most(step.patience):
                self._blocker = await _Blocker.open(wire, step.key)
        return await self._blocker.wait(step.seconds)

    async def _subscribe(self, channel: str, patience: float) -> None:
        if self._listener:
            listener, self._listener = self._listener, None
            await listener.close()
        hub = self._driver.hub(await self._driver.servers.wire(channel))
        async with _at_most(patience):
            self._listener = await hub.subscribe(channel)

    async def _listen(self, step: Listen) -> str | None:
        if self._listener is None or self._listener.is_elsewhere(await self._driver.servers.wire(step.channel)):
            await self._subscribe(step.channel, step.patience)
            return RESUBSCRIBED
        return await self._listener.listen(step.seconds)

    async def _lost(self, error: Exception) -> None:
        held = self._blocker or self._listener
        if held and isinstance(error, MovedError):
            self._driver.servers.follow(error, held.wire)
        elif held and not isinstance(error, AskError):
            await self._driver.servers.lost(held.wire)
        await self.close()

    async def close(self) -> None:
        """Give up what is held."""
        if self._blocker:
            blocker, self._blocker = self._blocker, None
            await blocker.close()
        if self._listener:
            listener, self._listener = self._listener, None
            await listener.close()


class _Blocker:
    """A connection that blocks on one list, and stays blocked between waits, so that nothing is missed between them."""

    def __init__(self, wire: AsyncWire, connection: Any, key: str) -> None:  # noqa: ANN401 - redis-py's
        self.wire = wire
        self._place = wire.place  # known only now: connecting asks the Sentinels
        self._connection = connection
        self._key = key
        self._reply: asyncio.Task[Any] | None = None
        self._overdue = 0.0

    @classmethod
    async def open(cls, wire: AsyncWire, key: str) -> _Blocker:
        """Return one with a connection of its own. Raises redis-py's errors."""
        return cls(wire, await wire.lend(), key)

    def is_elsewhere(self, wire: AsyncWire) -> bool:
        """Return whether the key is not on this connection's server any more."""
        return wire is not self.wire or wire.place != self._place

    async def wait(self, seconds: float) -> str | None:
        """Return the next message, or None after `seconds`. Raises redis-py's errors."""
        now = asyncio.get_running_loop().time
        if self._reply is None:
            before = cancellations()
            await self._connection.send_command("BLPOP", self._key, SERVER_BLOCK)
            self._overdue = now() + SERVER_BLOCK + SERVER_GRACE
            self._reply = asyncio.ensure_future(self._connection.read_response(timeout=math.inf))
            heed(before)
        done, _ = await asyncio.wait({self._reply}, timeout=max(0.0, min(seconds, self._overdue - now())))
        if not done:
            if now() >= self._overdue:
                raise NoAnswer("the server did not end a blocked wait")
            return None
        task, self._reply = self._reply, None
        reply = task.result()
        return str(reply[1]) if reply else None

    async def close(self) -> None:
        """End it. Nothing is to come any more once it was answered: another may use the connection then."""
        if self._reply is not None:
            self._reply.cancel()
            await asyncio.gather(self._reply, return_exceptions=True)
            await self._connection.disconnect(nowait=True)
        await self.wire.pool.release(self._connection)
