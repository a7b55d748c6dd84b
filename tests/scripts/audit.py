"""What must hold of the raw keys of a namespace whatever happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from konductor_core.durations import DIRTY_TTL, MEMORY_TTL, WAITER_TTL

if TYPE_CHECKING:
    import redis

    from tests.scripts.bench import Bench

__all__ = ["assert_leases_agree", "assert_only_passing_keys", "keys_without_ttl"]

LONGEST_MS = max(MEMORY_TTL, 2 * WAITER_TTL)


def keys_without_ttl(client: redis.Redis) -> list[str]:
    """Return the names of all keys that would stay for ever."""
    return sorted(key for key in client.scan_iter("*", count=1000) if client.ttl(key) == -1)


def assert_only_passing_keys(client: redis.Redis) -> None:
    """Assert that all that is left goes away by itself: the dirty set within a day, all else within two minutes."""
    for key in client.scan_iter("*", count=1000):
        limit = DIRTY_TTL if key.endswith(":dirty") else LONGEST_MS
        assert 0 <= client.pttl(key) <= limit, key


def assert_leases_agree(bench: Bench, name: str = "x") -> dict[str, dict[str, Any]]:
    """Assert that zset, weights and twins say the same of every live lease; return the twins by holder."""
    client, keys, now = bench.client, bench.keys(name), bench.clock.now_ms()
    leases = cast("list[tuple[str, float]]", client.zrange(keys.meta + ":leases", 0, -1, withscores=True))
    weights = cast("dict[str, str]", client.hgetall(keys.meta + ":weights"))
    twins = {}
    for holder, expiry in leases:
        if expiry <= now:
            continue
        twin = cast("dict[str, Any]", client.hgetall(f"{keys.meta}:lease:{holder}"))
        end = client.pexpiretime(f"{keys.meta}:lease:{holder}")
        assert end == (-1 if expiry == float("inf") else int(expiry)), f"the twin of {holder} ends at another moment"
        assert int(twin["permits"]) == int(weights.get(holder, 1)), f"the twin of {holder} has another amount"
        twins[holder] = twin
    assert set(weights) <= {holder for holder, _ in leases}, "a weight outlived its lease"
    extra = sum(int(weight) - 1 for weight in weights.values())
    assert int(cast("Any", client.hget(keys.meta, "extra")) or 0) == extra, "the sum of the weights is another"
    return twins
