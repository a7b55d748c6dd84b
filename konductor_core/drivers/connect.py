"""From settings to redis-py's clients: standalone, unix socket, Sentinel and Cluster, sync and async.

Retries of single commands, with backoff and jitter, are redis-py's; that is safe because every script is idempotent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis
    from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
    from redis.cluster import RedisCluster

    from konductor_core.config import Settings
    from konductor_core.urls import RedisUrl

__all__ = ["connect", "connect_async"]

BACKOFF_BASE: Final = 0.05
BACKOFF_CAP: Final = 1.0


def _options(settings: Settings, url: RedisUrl) -> dict[str, Any]:
    """Return what sync and async clients of every topology have in common."""
    options: dict[str, Any] = {
        "username": url.username,
        "password": url.password,
        "decode_responses": True,
        "encoding_errors": "backslashreplace",
        "protocol": 2,
        "driver_info": None,  # two commands fewer on each new connection
        "max_connections": 2**31,  # every blocked waiter needs one of its own
        "socket_timeout": settings.socket_timeout_ms / 1000,
        "socket_connect_timeout": settings.connect_timeout_ms / 1000,
    }
    if url.topology != "unix":
        options["socket_keepalive"] = True
    if url.tls:
        options["ssl"] = True
        if settings.redis_ca_file:
            options["ssl_ca_certs"] = settings.redis_ca_file
    from redis.connection import URL_QUERY_ARGUMENT_PARSERS

    for name, value in url.options.items():
        parse: Any = URL_QUERY_ARGUMENT_PARSERS.get(name, str)
        options[name] = parse(value)
    return options


def _retry(settings: Settings, retry_class: type[Any]) -> dict[str, Any]:
    from redis.backoff import ExponentialWithJitterBackoff
    from redis.exceptions import BusyLoadingError, ConnectionError, TimeoutError  # noqa: A004 - redis-py's own

    retry = retry_class(ExponentialWithJitterBackoff(base=BACKOFF_BASE, cap=BACKOFF_CAP), settings.retries)
    return {"retry": retry, "retry_on_error": [ConnectionError, TimeoutError, BusyLoadingError]}


def connect(settings: Settings) -> Redis | RedisCluster:
    """Return a client that connects when it is first used."""
    import redis
    import redis.sentinel
    from redis.retry import Retry

    client: Redis | RedisCluster = _client(settings, redis, Retry)
    return client


def connect_async(settings: Settings) -> AsyncRedis | AsyncRedisCluster:
    """Return an asyncio client that connects when it is first used."""
    import redis.asyncio
    from redis.asyncio.retry import Retry

    client: AsyncRedis | AsyncRedisCluster = _client(settings, redis.asyncio, Retry)
    return client


def _client(settings: Settings, library: Any, retry_class: type[Any]) -> Any:  # noqa: ANN401 - redis or redis.asyncio
    """Return the client for the URL's topology; redis and redis.asyncio have the same names for them."""
    url = settings.redis
    options = _options(settings, url)
    if url.topology == "cluster":
        nodes = [library.cluster.ClusterNode(host, port) for host, port in url.hosts]
        return library.RedisCluster(startup_nodes=nodes, **options)
    options |= _retry(settings, retry_class) | {"db": url.db}
    if url.topology == "sentinel":
        # Sentinels are asked without the data servers' user and database.
        asking = {name: options[name] for name in options.keys() - {"username", "password", "db", "retry_on_error"}}
        return library.sentinel.Sentinel(url.hosts, sentinel_kwargs=asking, **options).master_for(url.service)
    if url.topology == "unix":
        return library.Redis(unix_socket_path=url.path, **options)
    host, port = url.hosts[0]
    return library.Redis(host=host, port=port, **options)
