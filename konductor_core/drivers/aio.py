"""The driver for asyncio: performs a flow's steps with redis.asyncio.

All broadcast waiters of a driver share one subscription connection; each queue waiter blocks on one of its own.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from redis.exceptions import NoScriptError, RedisError

from konductor_core.drivers.connect import connect_async
from konductor_core.drivers.failures import translate
from konductor_core.drivers.hub import Hub
from konductor_core.flows.steps import (
    Answer,
    Block,
    Call,
    Clock,
    Command,
    Flow,
    Listen,
    Pause,
    Report,
    Step,
    Subscribe,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import GeneratorType

    from redis.asyncio import Redis

    from konductor_core.config import Settings
    from konductor_core.drivers.hub import Listener
    from konductor_core.errors import KonductorError
    from konductor_core.flows.steps import Progress

__all__ = ["AsyncDriver"]

T = TypeVar("T")
CALLS_AT_ONCE: Final = 16
"""Scripts under way at once: more would only open more connections, the server runs one at a time."""
SERVER_BLOCK: Final = 60
"""Seconds after which the server ends a block by itself."""


class AsyncDriver:
    """Runs flows, each in the task that asks for it; belongs to the event loop it is first used in."""

    def __init__(self, settings: Settings) -> None:
        self.where = settings.redis.display
        self.redis: Any = connect_async(settings)
        self._wait_ms = settings.socket_timeout_ms // 2
        self._nodes: dict[str, Redis] = {}
        self._hubs: dict[str, Hub] = {}
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)

    async def run(
        self, flow: Flow[T], *, notify: Callable[[Progress], None] | None = None, stop: asyncio.Event | None = None
    ) -> T:
        """Drive a flow to its end and return its result; a cancellation is thrown into the flow first."""
        session = _Session(self, notify, stop)
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
                    if type(step) is Call:
                        result = await self.call(step)
                    elif type(step) is Clock:
                        result = monotonic()
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

    async def call(self, step: Call) -> Answer:
        """Run one script; with replicas, on a connection of its own that then WAITs for them."""
        if step.replicas:
            pool = (await self.node(step.keys[0])).connection_pool
            async with self._client(connection_pool=pool, single_connection_client=True) as client:
                return await self._call(client, step)
        return await self._call(self.redis, step)

    async def _call(self, client: Any, step: Call) -> Answer:  # noqa: ANN401 - Redis or RedisCluster
        async with self._calls:
            return await self._call_now(client, step)

    async def _call_now(self, client: Any, step: Call) -> Answer:  # noqa: ANN401 - as above
        script, count = step.script, len(step.keys)
        sent = monotonic()
        try:
            try:
                reply = await client.execute_command("EVALSHA", script.sha, count, *step.keys, *step.args)
            except NoScriptError:
                reply = await client.execute_command("EVAL", script.source, count, *step.keys, *step.args)
            acks = await client.execute_command("WAIT", step.replicas, self._wait_ms) if step.replicas else 0
        except (RedisError, OSError) as error:
            raise self.failure(error) from None
        return Answer(sent, reply, acks)

    def failure(self, error: Exception) -> KonductorError:
        """Return the error to raise for what redis-py raised."""
        return translate(error, self.where)

    @staticmethod
    def _client(**options: Any) -> Redis:  # noqa: ANN401 - redis-py's
        from redis.asyncio import Redis as Client

        return Client(**options)

    async def node(self, key: str) -> Redis:
        """Return a client of the server that has `key`: in a cluster one beside the cluster client's own."""
        if not hasattr(self.redis, "get_node_from_key"):
            return cast("Redis", self.redis)
        await self.redis.initialize()
        node = self.redis.get_node_from_key(key)
        if node.name not in self._nodes:
            self._nodes[node.name] = self._client(host=node.host, port=node.port, **self._node_options(node))
        return self._nodes[node.name]

    @staticmethod
    def _node_options(node: Any) -> dict[str, Any]:  # noqa: ANN401 - redis-py's ClusterNode
        names = (
            "username",
            "password",
            "decode_responses",
            "encoding_errors",
            "socket_timeout",
            "socket_connect_timeout",
            "socket_keepalive",
            "protocol",
        )
        return {name: node.connection_kwargs[name] for name in names if name in node.connection_kwargs}

    async def hub(self, channel: str) -> Hub:
        """Return the shared subscription connection to the server that has the channel's namespace."""
        client = await self.node(channel)
        name = str(id(client))
        if name not in self._hubs:
            self._hubs[name] = Hub(client)
        return self._hubs[name]

    async def close(self) -> None:
        """Close all connections."""
        for hub in self._hubs.values():
            await hub.close()
        for client in self._nodes.values():
            await client.aclose()
        await self.redis.aclose()


class _Session:
    """What one run of a flow holds on to."""

    def __init__(
        self, driver: AsyncDriver, notify: Callable[[Progress], None] | None, stop: asyncio.Event | None
    ) -> None:
        self._driver = driver
        self._notify = notify
        self._stop = stop
        self._blocker: _Blocker | None = None
        self._listener: Listener | None = None

    async def perform(self, step: Step) -> Any:  # noqa: ANN401 - each step has its own result
        if isinstance(step, Pause):
            return await self._pause(step.seconds)
        if isinstance(step, Report):
            return self._notify(step.progress) if self._notify else None
        try:
            if isinstance(step, Command):
                return await self._driver.redis.execute_command(*step.args)
            if isinstance(step, Block):
                if self._blocker is None:
                    self._blocker = await _Blocker.open(await self._driver.node(step.key), step.key)
                return await self._blocker.wait(step.seconds)
            if isinstance(step, Subscribe):
                hub = await self._driver.hub(step.channel)
                self._listener = await hub.subscribe(step.channel)
                return None
            if isinstance(step, Listen) and self._listener:
                return await self._listener.listen(step.seconds)
        except (RedisError, OSError) as error:
            await self.close()
            raise self._driver.failure(error) from None
        raise TypeError(f"a flow yielded {step!r}")

    async def _pause(self, seconds: float) -> bool:
        if self._stop is None:
            await asyncio.sleep(seconds)
            return False
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        if self._blocker:
            blocker, self._blocker = self._blocker, None
            await blocker.close()
        if self._listener:
            listener, self._listener = self._listener, None
            await listener.close()


class _Blocker:
    """A connection that blocks on one list, and stays blocked between waits, so that nothing is missed between them."""

    def __init__(self, pool: Any, connection: Any, key: str) -> None:  # noqa: ANN401 - redis-py's
        self._pool = pool
        self._connection = connection
        self._key = key
        self._reply: asyncio.Task[Any] | None = None

    @classmethod
    async def open(cls, client: Redis, key: str) -> _Blocker:
        pool: Any = client.connection_pool
        return cls(pool, await pool.get_connection(), key)

    async def wait(self, seconds: float) -> str | None:
        if self._reply is None:
            await self._connection.send_command("BLPOP", self._key, SERVER_BLOCK)
            self._reply = asyncio.ensure_future(self._connection.read_response(timeout=SERVER_BLOCK + 10.0))
        done, _ = await asyncio.wait({self._reply}, timeout=seconds)
        if not done:
            return None
        task, self._reply = self._reply, None
        reply = task.result()
        return str(reply[1]) if reply else None

    async def close(self) -> None:
        if self._reply is not None:
            self._reply.cancel()
            await asyncio.gather(self._reply, return_exceptions=True)
            await self._connection.disconnect(nowait=True)
        await self._pool.release(self._connection)
