"""From settings to redis-py's clients: standalone, unix socket, Sentinel and cluster, sync and async.

A client never retries by itself: the drivers do, at one place, whatever the deployment. See `retries`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from konductor_core.errors import InvalidInput, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core.config import Settings
    from konductor_core.drivers.async_servers import AsyncServers
    from konductor_core.drivers.servers import Servers
    from konductor_core.urls import RedisUrl

__all__ = ["connect", "connect_async", "wait_ms"]

UNLIMITED: Final = 2**31
"""Connections: every blocked waiter needs one of its own."""


def connect(settings: Settings) -> Servers:
    """Return the way to the servers, which connects when it is first used. Raises `InvalidInput`."""
    import redis
    from redis.retry import Retry

    from konductor_core.drivers.servers import Cluster, Single

    make = _maker(settings, redis, Retry)
    if settings.redis.topology != "cluster":
        return Single(make())
    return Cluster(lambda address: make(host=address[0], port=address[1]), settings.redis.hosts)


def connect_async(settings: Settings) -> AsyncServers:
    """Return the same for asyncio."""
    import redis.asyncio
    from redis.asyncio.retry import Retry

    from konductor_core.drivers.async_servers import AsyncCluster, AsyncSingle

    make = _maker(settings, redis.asyncio, Retry)
    if settings.redis.topology != "cluster":
        return AsyncSingle(make())
    return AsyncCluster(lambda address: make(host=address[0], port=address[1]), settings.redis.hosts)


def wait_ms(settings: Settings) -> int:
    """Return how long WAIT may take: its reply must come before the socket's timeout."""
    timeout = settings.redis.options.get("socket_timeout")
    return int(timeout * 500) if isinstance(timeout, float) else settings.socket_timeout_ms // 2


def _maker(settings: Settings, library: Any, retry: type[Any]) -> Callable[..., Any]:  # noqa: ANN401 - redis or its asyncio
    """Return what makes a client for the URL's server, or with other arguments for another one."""
    from redis.backoff import NoBackoff

    url = settings.redis
    options = _options(settings, url) | {"retry": retry(NoBackoff(), 0)}
    if url.topology == "sentinel":
        sentinels = library.sentinel.Sentinel(url.hosts, sentinel_kwargs=_asking(settings, options), **options)
        return lambda: sentinels.master_for(url.service, db=url.db)
    if url.topology == "unix":
        return lambda: library.Redis(unix_socket_path=url.path, db=url.db, **options)
    host, port = url.hosts[0]
    return lambda **other: library.Redis(**{"host": host, "port": port, "db": url.db, **options, **other})


def _asking(settings: Settings, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options for asking Sentinels: they have users of their own, and no databases."""
    own = {"username": settings.sentinel_username, "password": settings.sentinel_password}
    return options | own


def _options(settings: Settings, url: RedisUrl) -> dict[str, Any]:
    """Return what clients of every topology have in common; the URL's own options win."""
    options: dict[str, Any] = {
        "username": url.username,
        "password": url.password,
        "decode_responses": True,
        "encoding_errors": "backslashreplace",
        "protocol": 2,
        "driver_info": None,  # two commands fewer on each new connection
        "max_connections": UNLIMITED,
        "socket_timeout": settings.socket_timeout_ms / 1000,
        "socket_connect_timeout": settings.connect_timeout_ms / 1000,
        "socket_keepalive": True,  # redis-py's own: after 30 s of silence, every 5 s, 3 times
    }
    if url.topology == "unix":
        del options["socket_keepalive"]
    options |= url.options
    if url.tls:
        options |= {"ssl": True} | _files(settings, url)
        if version := options.get("ssl_min_version"):
            import ssl

            options["ssl_min_version"] = ssl.TLSVersion[version]
    return options


def _files(settings: Settings, url: RedisUrl) -> dict[str, str]:
    """Return the certificate files by redis-py's names. A separate setting replaces what the URL has."""
    files = {
        "ssl_ca_certs": settings.redis_ca_file,
        "ssl_certfile": settings.redis_cert_file,
        "ssl_keyfile": settings.redis_key_file,
    }
    given = {name: path or str(url.options[name]) for name, path in files.items() if path or name in url.options}
    for name, path in given.items():
        if not os.access(path, os.R_OK):
            reason = "cannot be read" if os.path.exists(path) else "does not exist"  # noqa: PTH110 - pathlib is slow to import
            raise InvalidInput(f"{name.removeprefix('ssl_')} {quoted(path)} of the Redis connection {reason}")
    return given
