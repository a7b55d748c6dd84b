"""Whether what was granted stays: memory, disk and replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from koncli.checks.findings import Finding, bad, doubtful, good, hidden
from koncli.checks.probe import ASK_AN_ADMINISTRATOR
from konductor_core.drivers.connect import wait_ms

if TYPE_CHECKING:
    from koncli.checks.probe import Probe

NEARLY_FULL: Final = 0.9
_NO_INFO: Final = hidden("this user may not ask for INFO", f"{ASK_AN_ADMINISTRATOR}, or allow it: +info")
_FEW: Final = "add replicas, or lower KONDUCTOR_MIN_REPLICAS"
_APPEND: Final = "set appendonly yes and appendfsync everysec"


def memory(probe: Probe) -> Finding:
    """See whether the server would forget keys to make room, and whether it has room."""
    info = probe.info
    if info is None or "maxmemory" not in info:
        return _NO_INFO
    limit, used, policy = int(info["maxmemory"]), int(info["used_memory"]), info["maxmemory_policy"]
    shown = f"{used / limit:.0%} of maxmemory {_megabytes(limit)} used" if limit else "maxmemory 0, which is no limit"
    message = f"maxmemory-policy {policy}; {shown}"
    if policy != "noeviction":
        remedy = "set maxmemory-policy noeviction: any other may evict a lease or a barrier that is in use"
        return bad(message, remedy) if limit else doubtful(message, remedy)
    if limit and used >= limit:
        return bad(message, "raise maxmemory or free memory: until then nothing is granted")
    if limit and used >= NEARLY_FULL * limit:
        return doubtful(message, "raise maxmemory or free memory: when it is reached, nothing is granted")
    return good(message)


def _megabytes(count: int) -> str:
    return f"{count / 2**20:.0f} MB" if count >= 2**20 else f"{count} bytes"


def persistence(probe: Probe) -> Finding:
    """See what a restart would leave."""
    info = probe.info
    if info is None or "aof_enabled" not in info:
        return _NO_INFO
    if info.get("rdb_last_bgsave_status") == "err":
        return bad("the last snapshot (RDB) could not be written", "see the server's log and its disk")
    if info["aof_enabled"] == "1":
        return _appending(info, probe.config("appendfsync"))
    save = probe.config("save")
    if save:
        return doubtful(f"snapshots only (save {save}): a restart forgets what came after the last", _APPEND)
    if save is None:
        return doubtful("AOF is off, and this user may not see whether there are snapshots (RDB)", _APPEND)
    return doubtful("neither AOF nor snapshots: a restart forgets everything", _APPEND)


def _appending(info: dict[str, str], fsync: str | None) -> Finding:
    if info.get("aof_last_write_status") == "err":
        return bad("the append-only file (AOF) cannot be written", "see the server's log and its disk")
    message = "AOF" + (f", appendfsync {fsync}" if fsync else "")
    if fsync == "no":
        return doubtful(f"{message}: the system decides when it reaches the disk", "set appendfsync everysec")
    return good(message)


def replicas(probe: Probe) -> Finding:
    """Compare the replicas that follow with those that must acknowledge each grant."""
    wanted, info = probe.settings.min_replicas, probe.info
    if info is None or "connected_slaves" not in info:
        return _acknowledged(probe, wanted) if wanted else _NO_INFO
    following = [
        value
        for name, value in info.items()
        if name.startswith("slave") and name[5:].isdigit() and "state=online" in value
    ]
    message = f"{len(following)} online; KONDUCTOR_MIN_REPLICAS is {wanted}"
    if len(following) < wanted:
        return bad(f"{message}: nothing is granted", _FEW)
    if probe.url.topology in {"sentinel", "cluster"} and not following:
        return doubtful(f"{message}: when this master is lost, nobody takes over", "add a replica")
    return good(message)


def _acknowledged(probe: Probe, wanted: int) -> Finding:
    """Find out by a write, where this user may not ask."""
    probe.ask("EVAL", "redis.call('SET', KEYS[1], 1, 'PX', 1000) return redis.call('DEL', KEYS[1])", 1, probe.key)
    count = int(probe.ask("WAIT", wanted, wait_ms(probe.settings)))
    message = f"{count} have acknowledged a write; KONDUCTOR_MIN_REPLICAS is {wanted}"
    if count < wanted:
        return bad(f"{message}: nothing is granted", _FEW)
    return good(message)
