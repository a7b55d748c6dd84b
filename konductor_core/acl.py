"""What a Redis user needs that is confined to one namespace, and the controller's: the only place of these rules.

    ACL SETUSER team-a on >password <tenant("team-a"), word by word>

Redis checks the keys and channels that a script touches against the user who runs it, so a tenant reaches nothing
beyond its own namespace, whatever it passes to a script. It may send scripts of its own: within its namespace it may
do as it likes. No command that shows keys, users, connections or settings of others is among these.
"""

from __future__ import annotations

from typing import Final

from konductor_core import keys

__all__ = [
    "CLIENT_COMMANDS",
    "COMMANDS",
    "CONTROLLER_COMMANDS",
    "SCRIPT_COMMANDS",
    "controller",
    "keys_and_channels",
    "tenant",
]

CLIENT_COMMANDS: Final = (
    "blpop",  # a waiter's sleep
    "client|setname",  # the URL's client_name
    "cluster|slots",
    "eval",
    "evalsha",
    "ping",  # the URL's health_check_interval
    "select",  # the URL's database
    "smembers",  # the list of all objects
    "subscribe",
    "unsubscribe",
    "wait",  # KONDUCTOR_MIN_REPLICAS
    "xrange",
    "xrevrange",
)
"""What the drivers send."""

SCRIPT_COMMANDS: Final = (
    *("del", "get", "persist", "pexpire", "pexpireat", "pttl", "set", "time", "type"),
    *("hdel", "hget", "hgetall", "hincrby", "hlen", "hmget", "hset"),
    *("incr", "publish", "rpush", "sadd", "srem", "xadd"),
    *("zadd", "zcard", "zcount", "zrange", "zrangebyscore", "zrank", "zrem", "zremrangebyrank"),
    *("zremrangebyscore", "zscore"),
)
"""What the scripts call; a test holds this against `lua/`."""

CONTROLLER_COMMANDS: Final = (
    *("acl|deluser", "acl|save", "acl|setuser", "acl|users"),  # a user for each namespace
    "exists",  # the mark that shows whether Redis has lost what it had
    *("psubscribe", "punsubscribe"),  # the nudges of all namespaces
    "role",  # replicas have users of their own
)
"""What the controller sends beside that."""

COMMANDS: Final = ("-@all", *(f"+{name}" for name in sorted({*CLIENT_COMMANDS, *SCRIPT_COMMANDS})))
"""The commands of a tenant, as words of ACL SETUSER."""


def keys_and_channels(namespace: str) -> tuple[str, str]:
    """Return the words that open one namespace to a user, beside what is open to it already."""
    everything = keys.index(namespace).removesuffix("index") + "*"
    return f"~{everything}", f"&{everything}"


def tenant(namespace: str) -> tuple[str, ...]:
    """Return the words of ACL SETUSER that give a user the whole of one namespace, and of nothing else."""
    return ("resetkeys", "resetchannels", "clearselectors", *COMMANDS, *keys_and_channels(namespace))


def controller() -> tuple[str, ...]:
    """Return the words of ACL SETUSER for the controller: all namespaces, and the making of users."""
    commands = (*COMMANDS, *(f"+{name}" for name in CONTROLLER_COMMANDS))
    # A pattern may be subscribed to only where a user's rule is that very pattern.
    places = ("~konductor:*", "&konductor:*", f"&{keys.ALL_NUDGES}")
    return ("resetkeys", "resetchannels", "clearselectors", *commands, *places)
