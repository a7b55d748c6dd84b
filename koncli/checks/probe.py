"""The doctor's instrument: plain commands to the server that has a namespace, each sent once and never again."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from konductor_core import keys
from konductor_core.flows.steps import Command

if TYPE_CHECKING:
    from konductor_core.client import Konductor
    from konductor_core.drivers.wire import Wire
    from konductor_core.errors import KonductorError
    from konductor_core.flows.steps import Call

ASK_AN_ADMINISTRATOR: Final = "run koncli doctor as an administrator of the server"


class RefusedError(Exception):
    """The server answered a command with an error. `failure` is the same in our words."""

    def __init__(self, error: ResponseError, failure: KonductorError) -> None:
        super().__init__(str(error))
        self.failure = failure
        self.forbidden = isinstance(error, NoPermissionError)


class Probe:
    """Commands to one server. Every method raises `RefusedError`, and `Unavailable` when the connection is lost."""

    def __init__(self, client: Konductor) -> None:
        self.settings = client.settings
        self.url = client.settings.redis
        self.namespace = client.namespace
        self._driver = client.driver

    @property
    def key(self) -> str:
        """The only key that the doctor writes; it is gone when a check ends, and has a TTL while it is there."""
        return keys.index(self.namespace).removesuffix("index") + "doctor"

    @property
    def channel(self) -> str:
        """A channel like those of objects, of one that cannot exist: nobody listens to it but the doctor."""
        return keys.index(self.namespace).removesuffix("index") + "barrier:_doctor:state"

    def wire(self) -> Wire:
        """Return the connections to the server that has the namespace."""
        try:
            return self._driver.servers.wire(self.key)
        except (RedisError, OSError) as error:
            raise self.failure(error) from None

    def ask(self, *words: str | int) -> Any:  # noqa: ANN401 - each command has its own reply
        """Send a command and return its reply."""
        return self.perform(Command(words))

    def perform(self, step: Call | Command) -> Any:  # noqa: ANN401 - as above
        """Send a command, or run a script as the drivers do, and return the reply."""
        wire = self.wire()
        try:
            return wire.perform(step, 0)[0]
        except ResponseError as error:
            raise RefusedError(error, self.failure(error)) from None
        except (RedisError, OSError) as error:
            raise self.failure(error) from None

    def failure(self, error: Exception) -> KonductorError:
        """Return what redis-py raised as an error with a remedy."""
        return self._driver.failure(error)

    @cached_property
    def info(self) -> dict[str, str] | None:
        """The fields of INFO, or None where this user may not ask."""
        try:
            text = str(self.ask("INFO"))
        except RefusedError:
            return None
        pairs = (line.partition(":") for line in text.splitlines() if ":" in line and not line.startswith("#"))
        return {name: value for name, _, value in pairs}

    @cached_property
    def about(self) -> dict[str, str]:
        """What the server says of itself: server, version, mode, role. Every user may send HELLO; proxies may not."""
        try:
            reply = self.ask("HELLO")
            said = {str(name): str(value) for name, value in zip(reply[::2], reply[1::2], strict=True)}
        except RefusedError:
            said = {}
        info = self.info or {}
        names = {"server": "server_name", "version": "redis_version", "mode": "redis_mode", "role": "role"}
        said |= {name: info[field] for name, field in names.items() if field in info}
        return said | ({"server": "valkey", "version": info["valkey_version"]} if "valkey_version" in info else {})

    def config(self, name: str) -> str | None:
        """Return a setting of the server, or None where this user may not ask."""
        try:
            reply = self.ask("CONFIG", "GET", name)
        except RefusedError:
            return None
        return str(reply[1]) if reply else None
