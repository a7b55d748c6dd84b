"""Whether this user may do what the scripts and drivers do: each command is tried, on a key of the doctor's own."""

from __future__ import annotations

import json
from math import inf
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from koncli.checks.findings import Finding, bad, doubtful, good
from koncli.checks.probe import RefusedError
from konductor_core import acl, keys
from konductor_core.flows.steps import Call
from konductor_core.identity import Kind
from konductor_core.keys import ObjectKeys
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from koncli.checks.probe import Probe

TRIED: Final = (
    *("set K 1 PX 60000", "incr K", "get K", "type K", "persist K", "pexpireat K 9999999999999", "pexpire K 60000"),
    "pttl K",
    *("del K", "hset K f 1", "hget K f", "hgetall K", "hincrby K f 1", "hlen K", "hmget K f", "hdel K f"),
    *("del K", "sadd K m", "srem K m", "del K", "xadd K * f v", "del K"),
    *("zadd K 1 m", "zcard K", "zcount K 0 1", "zrange K 0 0", "zrangebyscore K 0 1", "zrank K m", "zscore K m"),
    *("zremrangebyscore K 5 6", "zremrangebyrank K 5 6", "zrem K m", "del K", "time"),
    *("rpush K doctor", "pexpire K 60000"),
)
"""What scripts do, but for PUBLISH; K is the key. It ends with a list, for BLPOP to find something."""
LUA: Final = """
local del = redis.pcall('del', KEYS[1])
if type(del) == 'table' and del.err then return {'del', del.err} end
local failed = {}
for _, words in ipairs(cjson.decode(ARGV[1])) do
  local reply = redis.pcall(unpack(words))
  if type(reply) == 'table' and reply.err then
    failed[#failed + 1] = words[1]
    failed[#failed + 1] = reply.err
  end
end
if #failed > 0 then redis.pcall('del', KEYS[1]) end
return failed
"""
PATIENCE: Final = 2.0
"""Seconds until a message that did not come counts as lost."""


def rights(probe: Probe) -> Finding:
    """Try every command that Konductor needs, within one script and from outside."""
    words = [[probe.key if word == "K" else word for word in tried.split()] for tried in TRIED]
    try:
        reply = probe.ask("EVAL", LUA, 1, probe.key, json.dumps(words))
    except RefusedError as refused:
        return _denied(probe, {"eval": str(refused)}) if refused.forbidden else _refused(refused)
    failed = dict(zip(map(str, reply[::2]), map(str, reply[1::2]), strict=True))
    other = next((text for text in failed.values() if not _forbids(text)), None)
    if other:
        return _refused(RefusedError(ResponseError(other), probe.failure(ResponseError(other))))
    if not failed:
        try:
            failed = _from_outside(probe)
        finally:
            probe.ask("DEL", probe.key)
    if failed:
        return _denied(probe, failed)
    return good(f"this user may do all that Konductor does in namespace {probe.namespace}")


def _from_outside(probe: Probe) -> dict[str, str]:
    """Try what the drivers send themselves; return the commands that are forbidden, each with the answer."""
    absent = f"{probe.key}:events"
    tried: list[tuple[str | int, ...]] = [
        ("SMEMBERS", keys.index(probe.namespace)),
        ("BLPOP", probe.key, 1),
        ("XRANGE", absent, "-", "+", "COUNT", 1),
        ("XREVRANGE", absent, "+", "-", "COUNT", 1),
    ]
    if probe.settings.min_replicas:
        tried.append(("WAIT", 0, 1))
    failed = {}
    for words in tried:
        try:
            probe.ask(*words)
        except RefusedError as refused:
            if not refused.forbidden:
                raise
            failed[str(words[0]).lower()] = str(refused)
    return failed


def _forbids(text: str) -> bool:
    return any(part in text for part in ("NOPERM", "ACL failure in script", "user executing the script can't"))


def _denied(probe: Probe, failed: dict[str, str]) -> Finding:
    everything = " ".join(acl.keys_and_channels(probe.namespace))
    user = probe.url.username or "default"
    text = " ".join(failed.values())
    if "to access " in text or "can't access" in text:  # what the answers about keys have in common
        message = f"user {user} may not read and write the keys of namespace {probe.namespace}"
        return bad(message, f"ACL SETUSER {user} {everything}, or use another namespace")
    missing = sorted(failed)
    return bad(
        f"user {user} may not run {', '.join(missing)}",
        f"ACL SETUSER {user} {' '.join(f'+{name}' for name in missing)}; docs/redis.md has all that a user needs",
    )


def _refused(refused: RefusedError) -> Finding:
    return bad(refused.failure.message, refused.failure.hint or "see the server's log")


def channel(probe: Probe) -> Finding:
    """Listen to the namespace's channels, and send a message through one."""
    wire = probe.wire()
    connection: Any = None
    try:
        connection = wire.lend(inf)
        for name in (keys.nudge(probe.namespace), probe.channel):
            connection.send_command("SUBSCRIBE", name)
            connection.read_response()
        probe.ask("PUBLISH", probe.channel, "doctor")
        return _heard(probe, connection)
    except (NoPermissionError, RefusedError) as error:
        if isinstance(error, RefusedError) and not error.forbidden:
            return _refused(error)
        user, name = probe.url.username or "default", acl.keys_and_channels(probe.namespace)[1]
        return doubtful(
            f"user {user} may not publish and subscribe: waits at barriers look every five seconds instead",
            f"ACL SETUSER {user} +publish +subscribe +unsubscribe {name}",
        )
    except (RedisError, OSError) as error:
        raise probe.failure(error) from None
    finally:
        if connection is not None:
            connection.disconnect()
            wire.pool.release(connection)


def _heard(probe: Probe, connection: Any) -> Finding:  # noqa: ANN401 - redis-py's
    while connection.can_read(timeout=PATIENCE):
        if connection.read_response()[1] == probe.channel:
            return good("a message that was published has come back")
    return bad("a message that was published did not come", "see whether a proxy stands between, and leave it out")


def scripts(probe: Probe) -> Finding:
    """Load all scripts, where this user may; run two that only read, as every call does."""
    loaded = f"{len(SCRIPTS)} scripts loaded"
    try:
        for script in SCRIPTS.values():
            probe.ask("SCRIPT", "LOAD", script.source)
    except RefusedError as refused:
        if not refused.forbidden:
            return _refused(refused)
        loaded = "SCRIPT LOAD is not for this user, and not needed"
    absent = "_doctor"  # no object can be called so
    semaphore = ObjectKeys(probe.namespace, Kind.SEMAPHORE, absent)
    barrier = ObjectKeys(probe.namespace, Kind.BARRIER, absent)
    try:
        probe.perform(Call(SCRIPTS["permit_read"], semaphore.permits, (1, 1)))
        probe.perform(Call(SCRIPTS["barrier_read"], barrier.latch, (1, 1)))
    except RefusedError as refused:
        return _refused(refused)
    return good(f"{loaded}; permit_read and barrier_read run")
