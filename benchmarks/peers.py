"""Peers with a TTL, each on the same redis-py, as their documentation shows them.

redis-semaphore-eval asks for an old redis-py in its metadata; it works with the present one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import redis_lock
import redis_semaphore_eval

if TYPE_CHECKING:
    import redis

__all__ = ["EVAL", "LOCK", "PY_LOCK", "TTL", "eval_semaphore", "python_redis_lock"]

PY_LOCK: Final = "redis-py Lock"
LOCK: Final = "python-redis-lock"
EVAL: Final = "redis-semaphore-eval"
TTL: Final = 60
"""Seconds."""


def python_redis_lock(client: redis.Redis, name: str, holder: str | None = None, ttl: int = TTL) -> Any:  # noqa: ANN401
    """Return a lock of python-redis-lock; with `holder`, the one that somebody else holds."""
    return redis_lock.Lock(client, name, expire=ttl, id=holder)


def eval_semaphore(client: redis.Redis, name: str, limit: int, *, ttl: int = TTL, timeout: int = 30) -> Any:  # noqa: ANN401
    """Return a context manager that holds one of `limit` permits.

    It raises `FailedToAcquireLock` when it was woken and another was faster, or after `timeout` seconds.
    """
    return redis_semaphore_eval.semaphore(client, key=name, limit=limit, expire_in=ttl, timeout=timeout)


FailedToAcquireLock = redis_semaphore_eval.FailedToAcquireLock
