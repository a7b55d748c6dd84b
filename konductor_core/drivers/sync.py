"""The driver for threads: performs a flow's steps with a sync redis-py client."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from redis.exceptions import NoPermissionError, NoScriptError, RedisError

from konductor_core.drivers.connect import connect
from konductor_core.drivers.failures import translate
from konductor_core.drivers.wire import Wire
from konductor_core.flows.steps import (
    RESUBSCRIBED,
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
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import GeneratorType

    from redis import ConnectionPool, Redis
    from redis.client import PubSub

    from konductor_core.config import Settings
    from konductor_core.errors import KonductorError
    from konductor_core.flows.steps import Progress

__all__ = ["Driver"]

T = TypeVar("T")
SERVER_BLOCK: Final = 60
"""Seconds after which the server ends a block by itself; the client's own timers are exact, the server's are not."""
UNHEARD_PAUSE: Final = 5.0
"""Seconds between looks for a waiter whose user may not listen to the channel."""


class Driver:
    """Runs flows, each in the thread that asks for it. One driver may serve many threads."""

    def __init__(self, settings: Settings) -> None:
        self.where = settings.redis.display
        self.redis: Any = connect(settings)
        self._wait_ms = settings.socket_timeout_ms // 2
        self._clustered = hasattr(self.redis, "get_node_from_key")
        self._wires: dict[int, Wire] = {}

    def run(
        self, flow: Flow[T], *, notify: Callable[[Progress], None] | None = None, stop: threading.Event | None = None
    ) -> T:
        """Drive a flow to its end and return its result; an interruption is thrown into the flow first."""
        session: _Session | None = None
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
                        result = self.call(cast("Call", step))
                    elif kind is Clock:
                        result = monotonic()
                    else:
                        session = session or _Session(self, notify, stop)
                        result = session.perform(step)
                except StopIteration as end:
                    return cast("T", end.value)
                except BaseException as raised:
                    if cast("GeneratorType[Any, Any, Any]", flow).gi_frame is None:  # the flow has ended with it
                        raise
                    error = raised
        finally:
            if session is not None:
                session.close()

    def call(self, step: Call) -> Answer:
        """Run one script; with replicas, WAIT for them on the same connection."""
        sent = monotonic()
        try:
            if self._clustered and not step.replicas:
                return Answer(sent, self._call_cluster(step), 0)
            reply, acks = self._call_node(self._wire(step), step)
        except (RedisError, OSError) as error:
            raise self.failure(error) from None
        return Answer(sent, reply, acks)

    def _call_node(self, wire: Wire, step: Call) -> tuple[list[Any], int]:
        connection = wire.take()
        try:
            try:
                reply = wire.evalsha(connection, step.script, step.keys, step.args)
            except NoScriptError:
                wire.execute(connection, "SCRIPT", "LOAD", step.script.source)
                reply = wire.evalsha(connection, step.script, step.keys, step.args)
            return reply, wire.execute(connection, "WAIT", step.replicas, self._wait_ms) if step.replicas else 0
        finally:
            wire.give(connection)

    def _call_cluster(self, step: Call) -> Any:  # noqa: ANN401 - a reply
        """Let redis-py's cluster client find the node, and follow the slot when it moves."""
        script, rest = step.script, (len(step.keys), *step.keys, *step.args)
        try:
            return self.redis.execute_command("EVALSHA", script.sha, *rest)
        except NoScriptError:
            return self.redis.execute_command("EVAL", script.source, *rest)

    def _wire(self, step: Call) -> Wire:
        """Return the connections to the server that has the step's keys."""
        pool = self.node(step.keys[0]).connection_pool if self._clustered else self.redis.connection_pool
        wire = self._wires.get(id(pool))
        return wire or self._wires.setdefault(id(pool), Wire(pool))

    def command(self, step: Command) -> Any:  # noqa: ANN401 - any reply
        """Run a plain command."""
        try:
            return self.redis.execute_command(*step.args)
        except (RedisError, OSError) as error:
            raise self.failure(error) from None

    def listen(self, channel: str, interval: float) -> Iterator[tuple[Kind, str] | None]:
        """Yield what a nudge channel names, and None after each quiet interval and each (re)subscription."""
        subscription = None
        try:
            subscription = _Subscription(self.node(channel), channel)
            yield None
            while True:
                message = subscription.listen(interval, threading.Event())
                if message is None or message == RESUBSCRIBED:
                    yield None
                else:
                    kind, _, name = message.partition("/")
                    yield Kind.parse(kind), name
        except (RedisError, OSError) as error:
            raise self.failure(error) from None
        finally:
            if subscription is not None:
                subscription.close()

    def failure(self, error: Exception) -> KonductorError:
        """Return the error to raise for what redis-py raised."""
        return translate(error, self.where)

    def node(self, key: str) -> Redis:
        """Return the client of the server that has `key`."""
        if self._clustered:
            if self.redis.get_node_from_key(key) is None:
                self.redis.nodes_manager.initialize()
            return cast("Redis", self.redis.get_redis_connection(self.redis.get_node_from_key(key)))
        return cast("Redis", self.redis)

    def close(self) -> None:
        """Close all connections."""
        for wire in self._wires.values():
            wire.close()
        self.redis.close()


class _Session:
    """What one run of a flow holds on to: a connection to block on, a subscription, who watches, who may stop it."""

    def __init__(self, driver: Driver, notify: Callable[[Progress], None] | None, stop: threading.Event | None) -> None:
        self._driver = driver
        self._notify = notify
        self._stop = stop or threading.Event()
        self._blocker: _Blocker | None = None
        self._subscription: _Subscription | None = None

    def perform(self, step: Step) -> Any:  # noqa: ANN401 - each step has its own result
        if isinstance(step, Pause):
            return self._stop.wait(step.seconds)
        if isinstance(step, Report):
            return self._notify(step.progress) if self._notify else None
        if isinstance(step, Command):
            return self._driver.command(step)
        try:
            if isinstance(step, Block):
                self._blocker = self._blocker or _Blocker(self._driver.node(step.key).connection_pool, step.key)
                return self._blocker.wait(step.seconds)
            if isinstance(step, Subscribe):
                self._subscription = _Subscription(self._driver.node(step.channel), step.channel)
                return None
            if isinstance(step, Listen) and self._subscription:
                return self._subscription.listen(step.seconds, self._stop)
        except (RedisError, OSError) as error:
            self.close()
            raise self._driver.failure(error) from None
        raise TypeError(f"a flow yielded {step!r}")

    def close(self) -> None:
        if self._blocker:
            self._blocker.close()
            self._blocker = None
        if self._subscription:
            self._subscription.close()
            self._subscription = None


class _Blocker:
    """A connection that blocks on one list. It stays blocked between waits, so that nothing is missed between them.

    The client's own clock ends a wait: the server looks at its timeouts only ten times a second when it is idle.
    """

    def __init__(self, pool: ConnectionPool, key: str) -> None:
        self._pool = pool
        self._key = key
        self._connection: Any = pool.get_connection()
        self._pending = False

    def wait(self, seconds: float) -> str | None:
        if not self._pending:
            self._connection.send_command("BLPOP", self._key, SERVER_BLOCK)
            self._pending = True
        if not self._connection.can_read(timeout=seconds):
            return None
        reply = self._connection.read_response()
        self._pending = False
        return str(reply[1]) if reply else None

    def close(self) -> None:
        if self._pending:
            self._connection.disconnect()
        self._pool.release(self._connection)


class _Subscription:
    """One channel, subscribed: the server has confirmed it before the constructor returns."""

    def __init__(self, redis: Redis, channel: str) -> None:
        self._pubsub: PubSub = redis.pubsub()  # type: ignore[no-untyped-call]
        self.heard = True
        try:
            self._pubsub.subscribe(channel)
            while (self._pubsub.get_message(timeout=None) or {}).get("type") != "subscribe":
                pass
        except NoPermissionError:
            self.heard = False

    def listen(self, seconds: float, stop: threading.Event) -> str | None:
        if not self.heard:
            stop.wait(min(seconds, UNHEARD_PAUSE))
            return RESUBSCRIBED
        message = self._pubsub.get_message(timeout=seconds)
        if message is None:
            return None
        return str(message["data"]) if message["type"] == "message" else RESUBSCRIBED

    def close(self) -> None:
        self._pubsub.close()
