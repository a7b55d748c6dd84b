"""The driver for threads: performs a flow's steps over redis-py's connections."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from time import monotonic, sleep  # noqa: TID251 - a pause between two tries
from typing import TYPE_CHECKING, Any, TypeVar, cast

from redis.exceptions import MovedError, RedisError

from konductor_core.drivers.connect import connect, wait_ms
from konductor_core.drivers.failures import translate
from konductor_core.drivers.hurry import in_time
from konductor_core.drivers.retries import Attempts, is_moving
from konductor_core.drivers.slots import REDIRECTIONS
from konductor_core.drivers.waits import Session
from konductor_core.drivers.wire import key_of
from konductor_core.flows.steps import RESUBSCRIBED, Answer, Call, Clock, Command, Flow
from konductor_core.identity import Kind

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator
    from types import GeneratorType

    from konductor_core.config import Settings
    from konductor_core.drivers.servers import Servers
    from konductor_core.drivers.wire import Wire
    from konductor_core.errors import KonductorError
    from konductor_core.flows.steps import Progress

__all__ = ["Driver"]

T = TypeVar("T")


class Driver:
    """Runs flows, each in the thread that asks for it. One driver may serve many threads."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.redis
        self._retries = settings.retries
        self._wait_ms = wait_ms(settings)
        self.replicas = settings.min_replicas
        self.servers: Servers = connect(settings)

    def run(
        self, flow: Flow[T], *, notify: Callable[[Progress], None] | None = None, stop: threading.Event | None = None
    ) -> T:
        """Drive a flow to its end and return its result; an interruption is thrown into the flow first."""
        session: Session | None = None
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
                    elif kind is Command:
                        result = self.call(cast("Command", step)).reply
                    else:
                        session = session or Session(self, notify, stop)
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

    def call(self, step: Call | Command) -> Answer:
        """Run a script or a plain command; with replicas, WAIT for them on the same connection."""
        if type(step) is Call and step.seconds < inf:
            return self._call_in_time(step)
        return self._call(step)

    def _call_in_time(self, step: Call) -> Answer:
        """Run a script on an open connection; without one, or when it fails, in a thread that may be left behind."""
        sent = monotonic()
        until = sent + step.seconds
        with suppress(RedisError, OSError):
            wire = self.servers.at_hand(step.keys[0])
            done = wire and wire.perform_by(until, step, self._wait_ms)
            if done:
                return Answer(sent, *done)
        try:
            return in_time(lambda: self._call(step), until - monotonic())
        except (RedisError, OSError) as error:
            raise self.failure(error) from None

    def _call(self, step: Call | Command) -> Answer:
        wire: Wire | None = None
        try:
            wire = self.servers.wire(key_of(step))
            sent = monotonic()
            return Answer(sent, *wire.perform(step, self._wait_ms))
        except (RedisError, OSError) as error:
            return self._persist(step, wire, error)

    def _persist(self, step: Call | Command, wire: Wire | None, error: Exception) -> Answer:
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
                        self.servers.lost(wire)
                    sleep(pause)
                    wire = None
                    wire = self.servers.wire(key_of(step))
                sent = monotonic()
                return Answer(sent, *wire.perform(step, self._wait_ms))
            except (RedisError, OSError) as again:
                error = again

    def listen(self, channel: str, interval: float) -> Generator[tuple[Kind, str] | None]:
        """Yield what a nudge channel names, and None after each quiet interval and each (re)subscription."""
        session = Session(self, None, None)
        attempts = Attempts(self._retries)
        try:
            while True:
                try:
                    message = session.listen(channel, interval)
                except (RedisError, OSError) as error:
                    session.lost(error)
                    sleep(attempts.pause(error, self.failure(error)))
                    continue
                if message is None or message == RESUBSCRIBED:
                    attempts = Attempts(self._retries)
                    yield None
                else:
                    kind, _, name = message.partition("/")
                    yield Kind.parse(kind), name
        finally:
            session.close()

    def failure(self, error: Exception) -> KonductorError:
        """Return the error to raise for what redis-py raised."""
        return translate(error, self._url)

    def close(self) -> None:
        """Close all connections, for good."""
        self.servers.close()
