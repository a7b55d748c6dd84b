"""From settings to pools of redis-py's connections: standalone, unix socket, Sentinel and cluster, sync and async.

A connection never retries by itself: the drivers do, at one place, whatever the deployment. See `retries`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core.config import Settings
    from konductor_core.drivers.async_servers import AsyncServers
    from konductor_core.drivers.servers import Servers
    from konductor_core.drivers.slots import Address
    from konductor_core.urls import RedisUrl

    Make: TypeAlias = Callable[[Address], Any]
    """Returns a pool of connections to one server."""

__all__ = ["connect", "connect_async", "pools_async", "wait_ms"]

UNLIMITED: Final = 2**31
"""Connections: every blocked waiter needs one of its own."""


def connect(settings: Settings) -> Servers:
    """Return the way to the servers, which connects when it is first used. Raises `InvalidInput`."""
    import redis.sentinel
    from redis.retry import Retry

    from konductor_core.drivers.servers import Cluster, Single

    url = settings.redis
    options = _options(settings, url, Retry)
    if url.topology == "cluster":
        return Cluster(_make(redis, redis.Connection, options), url.hosts)
    return Single(_single(redis, url, settings, options))


def connect_async(settings: Settings) -> AsyncServers:
    """Return the same for asyncio."""
    import redis.asyncio
    from redis.asyncio.retry import Retry

    from konductor_core.drivers.async_servers import AsyncCluster, AsyncSingle

    url = settings.redis
    options = _options(settings, url, Retry)
    if url.topology == "cluster":
        return AsyncCluster(_make(redis.asyncio, redis.asyncio.Connection, options), url.hosts)
    return AsyncSingle(_single(redis.asyncio, url, settings, options))


def pools_async(settings: Settings) -> Make:
    """Return what makes a pool of connections, for asyncio, to one server of the deployment, whatever its role."""
    import redis.asyncio
    from redis.asyncio.retry import Retry

    options = _options(settings, settings.redis, Retry)
    return _make(redis.asyncio, redis.asyncio.Connection, options | {"db": settings.redis.db})


def wait_ms(settings: Settings) -> int:
    """Return how long WAIT may take: its reply must come before the socket's timeout."""
    timeout = settings.redis.options.get("socket_timeout")
    return int(timeout * 500) if isinstance(timeout, float) else settings.socket_timeout_ms // 2


def _single(library: Any, url: RedisUrl, settings: Settings, options: dict[str, Any]) -> Any:  # noqa: ANN401 - redis-py's
    """Return the pool for a deployment where one server has all keys."""
    if url.topology == "unix":
        classes = library.UnixDomainSocketConnection
        del options["socket_keepalive"]
        return library.ConnectionPool(connection_class=classes, path=url.path, db=url.db, **options)
    if url.topology == "sentinel":
        return _watched(library, url, settings, options)
    return _make(library, library.Connection, options | {"db": url.db})(url.hosts[0])


def _watched(library: Any, url: RedisUrl, settings: Settings, options: dict[str, Any]) -> Any:  # noqa: ANN401 - redis-py's
    """Return the pool for the master that Sentinels name. They have users of their own, and no databases."""
    own = {"username": settings.sentinel_username, "password": settings.sentinel_password}
    make = _make(library, library.Connection, options | own)
    manager = library.sentinel.Sentinel([])
    manager.sentinels = [library.Redis.from_pool(make(host)) for host in url.hosts]
    chosen = _secured(library, library.sentinel.SentinelManagedConnection, options)
    return library.sentinel.SentinelConnectionPool(url.service, manager, connection_class=chosen, db=url.db, **options)


def _make(library: Any, connection: Any, options: dict[str, Any]) -> Make:  # noqa: ANN401 - redis-py's
    chosen = _secured(library, connection, options)
    return lambda host: library.ConnectionPool(connection_class=chosen, host=host[0], port=host[1], **options)


def _secured(library: Any, connection: Any, options: dict[str, Any]) -> Any:  # noqa: ANN401 - redis-py's
    if "tls" not in options:
        return connection
    from konductor_core.drivers import tls

    return (tls.secure_async if library.__name__ == "redis.asyncio" else tls.secure)(connection)


def _options(settings: Settings, url: RedisUrl, retry: type[Any]) -> dict[str, Any]:
    """Return what connections of every topology have in common; the URL's own options win."""
    from redis.backoff import NoBackoff

    options: dict[str, Any] = {
        "username": url.username,
        "password": url.password,
        "decode_responses": True,
        "encoding_errors": "backslashreplace",
        "protocol": 2,
        "driver_info": None,  # two commands fewer on each new connection
        "max_connections": UNLIMITED,
        "retry": retry(NoBackoff(), 0),
        "socket_timeout": settings.socket_timeout_ms / 1000,
        "socket_connect_timeout": settings.connect_timeout_ms / 1000,
        "socket_keepalive": True,  # redis-py's own: after 30 s of silence, every 5 s, 3 times
    }
    options |= {name: value for name, value in url.options.items() if not name.startswith("ssl_")}
    if url.tls:
        from konductor_core.drivers.tls import context

        options["tls"] = context(settings, url)
    return options
