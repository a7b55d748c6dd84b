"""One subscription connection for all broadcast waiters of an async driver: a thousand waiters, one socket."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as Lost
from redis.exceptions import NoPermissionError, RedisError
from redis.exceptions import TimeoutError as NoAnswer

from konductor_core.drivers.async_wire import cancellations, heed
from konductor_core.drivers.waits import UNHEARD_PAUSE
from konductor_core.flows.steps import RESUBSCRIBED

if TYPE_CHECKING:
    from konductor_core.drivers.async_wire import AsyncWire

__all__ = ["Hub", "Listener"]


class Listener:
    """One waiter's view of a channel: the messages since it subscribed."""

    def __init__(self, hub: Hub, channel: str) -> None:
        self._hub = hub
        self._channel = channel
        self.messages: asyncio.Queue[str | Exception] = asyncio.Queue()
        self.heard = True
        self.wire = hub.wire

    def is_elsewhere(self, wire: AsyncWire) -> bool:
        """Return whether the channel's namespace is not on this hub's server any more."""
        return self._hub.is_elsewhere(wire)

    async def listen(self, seconds: float) -> str | None:
        """Return the next message, or None after `seconds`; raise what broke the connection."""
        if not self.heard:
            await asyncio.sleep(min(seconds, UNHEARD_PAUSE))
            return RESUBSCRIBED
        try:
            async with asyncio.timeout(seconds):
                message = await self.messages.get()
        except TimeoutError:
            return None
        if isinstance(message, Exception):
            raise message
        return message

    async def close(self) -> None:
        """Listen no longer."""
        await self._hub.leave(self._channel, self)


class Hub:
    """Subscribes to each channel once, however many listen to it.

    It never reconnects by itself: when the connection breaks, everybody is told and subscribes again.
    """

    def __init__(self, wire: AsyncWire) -> None:
        self.wire = wire
        self._place: object = None
        self._connection: Any = None
        self._reader: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        self._listeners: dict[str, set[Listener]] = {}
        self._confirmed: dict[str, asyncio.Future[None]] = {}

    def is_elsewhere(self, wire: AsyncWire) -> bool:
        """Return whether what is wanted on `wire` is not on the server that this hub is connected to."""
        return wire is not self.wire or (self._connection is not None and wire.place != self._place)

    async def subscribe(self, channel: str) -> Listener:
        """Return a listener once the server has confirmed the subscription. Raises redis-py's errors."""
        if self.is_elsewhere(self.wire):
            await self._fail(Lost("another server is the master now"))
        listener = Listener(self, channel)
        self._listeners.setdefault(channel, set()).add(listener)
        try:
            await self._answered(self._confirmed.get(channel) or await self._ask(channel))
        except NoPermissionError:
            listener.heard = False
        except BaseException:
            await self.leave(channel, listener)
            raise
        return listener

    async def _ask(self, channel: str) -> asyncio.Future[None]:
        """Subscribe to a channel; whoever comes while this is under way waits for the same future."""
        confirmed = self._confirmed[channel] = asyncio.get_running_loop().create_future()
        try:
            await self._send("SUBSCRIBE", channel)
        except BaseException as error:
            await self._fail(error if isinstance(error, (RedisError, OSError)) else Lost("given up while subscribing"))
            raise
        return confirmed

    async def _answered(self, confirmed: asyncio.Future[None]) -> None:
        """Wait for a confirmation as long as for any other answer; without it, the connection is dead for everybody."""
        try:
            async with asyncio.timeout(self._connection.socket_timeout if self._connection else None):
                await asyncio.shield(confirmed)
        except TimeoutError:
            error = NoAnswer("the server did not confirm a subscription")
            if not confirmed.done():
                await self._fail(error)
            raise error from None

    async def leave(self, channel: str, listener: Listener) -> None:
        """Forget a listener; with its last one, unsubscribe from the channel."""
        listeners = self._listeners.get(channel, set())
        listeners.discard(listener)
        if listeners or self._listeners.pop(channel, None) is None:
            return
        if self._confirmed.pop(channel, None) and self._connection is not None:
            try:
                await self._send("UNSUBSCRIBE", channel)
            except (RedisError, OSError) as error:
                await self._fail(error)

    async def close(self) -> None:
        """Close the connection; whoever still listens is told."""
        await self._fail(Lost("closed by this process"))

    async def _send(self, command: str, channel: str) -> None:
        async with self._sending:
            if self._connection is None:
                connection = await self.wire.lend()
                self._connection, self._place = connection, self.wire.place
                self._reader = asyncio.create_task(self._read(connection))
            before = cancellations()
            try:
                await self._connection.send_command(command, channel, check_health=False)  # its reader gets the PONG
                heed(before)
            except AttributeError as error:  # redis-py's: the reader has just closed the connection
                raise Lost("the connection was closed") from error

    async def _read(self, connection: Any) -> None:  # noqa: ANN401 - redis-py's
        try:
            while connection is self._connection:
                self._deliver(*await connection.read_response(timeout=math.inf))
        except (RedisError, OSError) as error:
            await self._fail(error)

    def _deliver(self, kind: str, channel: str, data: Any) -> None:  # noqa: ANN401 - text or a number
        if kind == "message":
            self._tell(channel, data)
        elif kind == "subscribe" and channel in self._confirmed and not self._confirmed[channel].done():
            self._confirmed[channel].set_result(None)

    def _tell(self, channel: str, message: str | Exception) -> None:
        for listener in self._listeners.get(channel, ()):
            listener.messages.put_nowait(message)

    async def _fail(self, error: Exception) -> None:
        """Drop the connection; everybody subscribes again, or has ended."""
        connection, self._connection = self._connection, None
        reader, self._reader = self._reader, None
        confirmed, self._confirmed = self._confirmed, {}
        for future in confirmed.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # seen, should nobody await it
        # A channel that is forbidden is so for its own listeners: they have been told through their future.
        told = Lost("the connection was given up") if isinstance(error, NoPermissionError) else error
        for channel in self._listeners:
            self._tell(channel, told)
        if reader is not None and reader is not asyncio.current_task():
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self.wire.pool.release(connection)
