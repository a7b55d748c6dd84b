"""Whether there is a server, which one it is, and what it is to others."""

from __future__ import annotations

from statistics import median
from time import monotonic
from typing import TYPE_CHECKING, Final

from koncli.checks.findings import Finding, bad, doubtful, good, hidden
from koncli.checks.probe import ASK_AN_ADMINISTRATOR, RefusedError

if TYPE_CHECKING:
    from koncli.checks.probe import Probe

PINGS: Final = 5
SLOW_MS: Final = 50.0
"""A round trip that is worth a warning: a hand-over takes two or three."""
SLOTS: Final = 16_384
ENOUGH_SENTINELS: Final = 3
TESTED: Final = {"Redis": ((7, 0), (8,)), "Valkey": ((7, 2), (9,))}
"""Server -> the oldest version that has what the scripts need, and the newest major version that tests ran on."""


def connection(probe: Probe) -> Finding:
    """Connect, and see how long a PING takes."""
    probe.wire()
    times = []
    for _ in range(1 + PINGS):  # the first connects
        sent = monotonic()
        try:
            probe.ask("PING")
        except RefusedError as refused:
            if not refused.forbidden:  # that, too, is an answer
                raise
        times.append((monotonic() - sent) * 1000)
    took = median(times[1:])
    message = f"{probe.url.display} answers; a PING takes {took:.1f} ms"
    if took > SLOW_MS:
        return doubtful(message, "move closer to the server, or see what slows it down: SLOWLOG GET, LATENCY DOCTOR")
    return good(message)


def server(probe: Probe) -> Finding:
    """Compare name and version of the server with those that Konductor is for."""
    name, text = probe.about.get("server", "redis").capitalize(), probe.about.get("version")
    if text is None:
        return hidden("the server does not tell this user its version", ASK_AN_ADMINISTRATOR)
    version = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if name not in TESTED:
        return doubtful(f"{name} {text} is neither Redis nor Valkey", "use Redis 7.0 to 8, or Valkey 7.2 to 9")
    oldest, newest = TESTED[name]
    span = f"{name} {'.'.join(map(str, oldest))} to {newest[0]}"
    if version < oldest:
        return bad(f"{name} {text} is too old", f"use {span}")
    if version[:1] > newest:
        return doubtful(f"{name} {text} is newer than what Konductor is tested with", f"use {span}")
    return good(f"{name} {text}")


def topology(probe: Probe) -> Finding:
    """Compare what the server is (alone, a replica, a node, a Sentinel) with what the URL says."""
    mode, role = probe.about.get("mode"), probe.about.get("role", "master")  # a Sentinel has no role
    if mode is None:
        return hidden("the server does not tell this user what it is", ASK_AN_ADMINISTRATOR)
    if mode == "sentinel":
        return bad("this is a Sentinel, which keeps no data", "use redis+sentinel://host:port/service")
    if role != "master":
        return bad("this is a replica, which takes no writes", "use the master's address, or redis+sentinel://")
    if mode == "cluster" and probe.url.topology != "cluster":
        return bad("this is one node of a cluster", "use redis+cluster://, which follows slots to other nodes")
    if mode == "cluster":
        return _cluster(probe)
    if probe.url.topology == "sentinel":
        return _sentinels(probe)
    return good("standalone, a master")


def _cluster(probe: Probe) -> Finding:
    rows = probe.ask("CLUSTER", "SLOTS")
    served = sum(int(row[1]) - int(row[0]) + 1 for row in rows)
    masters = len({(str(row[2][0]), int(row[2][1])) for row in rows})
    message = f"a cluster of {masters} masters, which serve {served} of {SLOTS} slots; checked is this namespace's"
    if served < SLOTS:
        return doubtful(message, "see CLUSTER INFO; redis-cli --cluster fix assigns slots that nobody serves")
    return good(message)


def _sentinels(probe: Probe) -> Finding:
    """Ask every Sentinel of the URL whether enough of them see each other to name another master."""
    from redis.exceptions import RedisError

    service = probe.url.service
    named = probe.wire().pool.sentinel_manager.sentinels
    usable, silent, problem = 0, 0, ""
    for sentinel in named:
        try:
            words = str(sentinel.execute_command("SENTINEL", "CKQUORUM", service)).split()
            usable = max(usable, int(words[1]))  # OK 3 usable Sentinels. …
        except (IndexError, ValueError):
            continue
        except (RedisError, OSError) as error:
            silent += 1
            problem = str(error)
    message = f"the master that Sentinels name for {service}; {usable} of them can fail it over"
    if silent == len(named):
        return doubtful(f"no Sentinel confirms a quorum for {service}: {problem}", f"see SENTINEL CKQUORUM {service}")
    if silent:
        return doubtful(f"{message}; {silent} of the URL's {len(named)} do not confirm it", f"the last said: {problem}")
    if usable < ENOUGH_SENTINELS:
        return doubtful(message, "run three or more, on different machines: a failover takes most of them")
    return good(message)
