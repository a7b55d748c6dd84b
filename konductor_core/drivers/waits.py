"""What one run of a flow holds on to, for threads: a connection to block on, a subscription. `async_waits` is its twin.

Both belong to one server. When the key's place changes (a slot moves, another master is named), they are left behind
at the next step, since nobody would ever wake them there.
"""

from __future__ import annotations

import threading
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import AskError, MovedError, NoPermissionError, RedisError
from redis.exceptions import TimeoutError as NoAnswer

from konductor_core.drivers.wire import read_by, read_within
from konductor_core.flows.steps import RESUBSCRIBED, Block, Listen, Pause, Report, Step, Subscribe

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core.drivers.sync import Driver
    from konductor_core.drivers.wire import Wire
    from konductor_core.flows.steps import Progress

__all__ = ["SERVER_BLOCK", "SERVER_GRACE", "UNHEARD_PAUSE", "Session"]

SERVER_BLOCK: Final = 25
"""Seconds after which the server ends a block by itself, as often as a waiter shows that it lives: where that does not
come, the connection is dead. The client's own timers are exact, the server's are not."""
SERVER_GRACE: Final = 5.0
"""Seconds that the server may be late with that, until its connection counts as lost."""
UNHEARD_PAUSE: Final = 5.0
"""Seconds between looks for a waiter whose user may not listen to the channel."""


class Session:
    """The waiting side of one run of a flow: who watches it, who may stop it, what it listens to."""

    def __init__(self, driver: Driver, notify: Callable[[Progress], None] | None, stop: threading.Event | None) -> None:
        self._driver = driver
        self._notify = notify
        self._stop = stop or threading.Event()
        self._blocker: _Blocker | None = None
        self._subscription: _Subscription | None = None

    def perform(self, step: Step) -> Any:  # noqa: ANN401 - each step has its own result
        """Perform any step that is not a script call. Raises `Unavailable`."""
        if isinstance(step, Pause):
            return self._stop.wait(step.seconds)
        if isinstance(step, Report):
            return self._notify(step.progress) if self._notify else None
        try:
            if isinstance(step, Block):
                return self._block(step)
            if isinstance(step, Subscribe):
                return self.subscribe(step.channel, step.patience)
            if isinstance(step, Listen):
                return self.listen(step.channel, step.seconds, step.patience)
        except (RedisError, OSError) as error:
            self.lost(error)
            raise self._driver.failure(error) from None
        raise TypeError(f"a flow yielded {step!r}")

    def _block(self, step: Block) -> str | None:
        wire = self._driver.servers.wire(step.key)
        if self._blocker and self._blocker.is_elsewhere(wire):
            self._blocker.close()
            self._blocker = None
        self._blocker = self._blocker or _Blocker(wire, step.key, step.patience)
        return self._blocker.wait(step.seconds)

    def subscribe(self, channel: str, patience: float = inf) -> None:
        """Listen to a channel from now on. Raises redis-py's errors."""
        if self._subscription:
            self._subscription.close()
            self._subscription = None
        self._subscription = _Subscription(self._driver.servers.wire(channel), channel, patience)

    def listen(self, channel: str, seconds: float, patience: float = inf) -> str | None:
        """Return the next message, None after `seconds`, or `RESUBSCRIBED`. Raises redis-py's errors."""
        if self._subscription is None or self._subscription.is_elsewhere(self._driver.servers.wire(channel)):
            self.subscribe(channel, patience)
            return RESUBSCRIBED
        return self._subscription.listen(seconds, self._stop)

    def lost(self, error: Exception) -> None:
        """Give up what is held because of an error of redis-py's, and note what it says about the servers."""
        held = self._blocker or self._subscription
        if held and isinstance(error, MovedError):
            self._driver.servers.follow(error, held.wire)
        elif held and not isinstance(error, AskError):
            self._driver.servers.lost(held.wire)
        self.close()

    def close(self) -> None:
        """Give up what is held."""
        if self._blocker:
            self._blocker.close()
            self._blocker = None
        if self._subscription:
            self._subscription.close()
            self._subscription = None


class _Held:
    """A connection of its own to one server."""

    def __init__(self, wire: Wire, patience: float) -> None:
        self.wire = wire
        self._connection: Any = wire.lend(patience)
        self._place = wire.place  # known only now: connecting asks the Sentinels

    def is_elsewhere(self, wire: Wire) -> bool:
        """Return whether the key is not on this connection's server any more."""
        return wire is not self.wire or wire.place != self._place

    def close(self) -> None:
        """End it: what is still to come on it is for nobody."""
        self._connection.disconnect()
        self.wire.pool.release(self._connection)


class _Blocker(_Held):
    """Blocks on one list. It stays blocked between waits, so that nothing is missed between them.

    The client's own clock ends a wait: the server looks at its timeouts only ten times a second when it is idle.
    """

    def __init__(self, wire: Wire, key: str, patience: float) -> None:
        super().__init__(wire, patience)
        self._key = key
        self._overdue = 0.0

    def wait(self, seconds: float) -> str | None:
        """Return the next message, or None after `seconds`. Raises redis-py's errors."""
        if not self._overdue:
            self._overdue = monotonic() + SERVER_BLOCK + SERVER_GRACE  # before it is sent: it may be interrupted
            self._connection.send_command("BLPOP", self._key, SERVER_BLOCK)
        try:
            reply = read_within(self._connection, min(seconds, self._overdue - monotonic()))
        except NoAnswer:
            if monotonic() >= self._overdue:
                raise
            return None
        self._overdue = 0.0
        return str(reply[1]) if reply else None

    def close(self) -> None:
        """End it. Nothing is to come any more once it was answered: another may use the connection then."""
        if self._overdue:
            super().close()
        else:
            self.wire.give_back(self._connection)


class _Subscription(_Held):
    """One channel, subscribed: the server has confirmed it before the constructor returns."""

    def __init__(self, wire: Wire, channel: str, patience: float) -> None:
        until = monotonic() + patience
        super().__init__(wire, patience)
        self.heard = True
        try:
            self._connection.send_command("SUBSCRIBE", channel)
            read_by(self._connection, until)
        except NoPermissionError:
            self.heard = False
        except BaseException:
            self.close()
            raise

    def listen(self, seconds: float, stop: threading.Event) -> str | None:
        """Return the next message, or None after `seconds`. Raises redis-py's errors."""
        if not self.heard:
            stop.wait(min(seconds, UNHEARD_PAUSE))
            return RESUBSCRIBED
        try:
            return str(read_within(self._connection, seconds)[2])
        except NoAnswer:
            return None
