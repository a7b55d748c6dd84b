"""What the controller can be told: options of `konductor-controller`, each with a variable of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from konductor_core.durations import MINUTE, SECOND, to_ms
from konductor_core.errors import InvalidInput, quoted

if TYPE_CHECKING:
    from konductor_core.config import Settings as RedisSettings

__all__ = ["ControllerSettings", "listen_address"]

SHORTEST_RESYNC: Final = 10 * SECOND
DEFAULT_RESYNC: Final = 10 * MINUTE
DEFAULT_LISTEN: Final = "0.0.0.0:8080"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """Checked settings of one replica.

    `redis` is how it reaches Redis, with the namespace in which the controller runs. `instance` tells this replica from
    others. `kubeconfig` and `context` are empty inside a cluster. `metrics_objects` bounds how many objects of each
    kind `/metrics` shows one by one. With the `tenancy` isolated each namespace has a Redis user of its own, with
    shared all have the controller's.
    """

    redis: RedisSettings
    instance: str
    host: str
    port: int
    resync_ms: int = DEFAULT_RESYNC
    workers: int = 8
    tenancy: Literal["isolated", "shared"] = "isolated"
    metrics_objects: int = 1_000
    kubeconfig: str = ""
    context: str = ""


def listen_address(text: str) -> tuple[str, int]:
    """Return host and port of `host:port`, `[::1]:port` or `:port`. Raises `InvalidInput`."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise InvalidInput(f"listen address {quoted(text)} is not valid: write host:port, for example {DEFAULT_LISTEN}")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)  # noqa: S104 - as above


def resync_ms(text: str) -> int:
    """Return how often to look at everything. Raises `InvalidInput`."""
    ms = to_ms(text, what="resync")
    if ms < SHORTEST_RESYNC:
        raise InvalidInput(f"resync {quoted(text)} is too often: use at least 10s")
    return ms
