"""redis-py's exceptions as `Unavailable` with a remedy; nothing else knows them."""

from __future__ import annotations

from redis import exceptions as r

from konductor_core.errors import KonductorError, Unavailable

__all__ = ["translate"]

_START: tuple[tuple[str, str, str | None, bool], ...] = (
    ("LOADING", "is loading its data", None, True),
    ("READONLY", "is a read-only replica", "point --redis-url at the master, or use redis+sentinel://", True),
    ("OOM", "is out of memory and takes no writes", "raise maxmemory or free memory; releases still work", True),
    ("MISCONF", "takes no writes because it cannot save to disk", "see its log and its disk", True),
    ("MASTERDOWN", "is a replica that has lost its master", None, True),
    ("CLUSTERDOWN", "belongs to a cluster that is down", None, True),
    ("TRYAGAIN", "is moving this namespace to another node", None, True),
    ("UNBLOCKED", "ended a blocked wait, most likely in a failover", None, True),
    ("MOVED", "has moved this namespace to another node", None, True),
    ("NOREPLICAS", "has too few replicas to take writes", None, True),
    ("NOAUTH", "wants a password", "put it into the URL or KONDUCTOR_REDIS_PASSWORD", False),
    # Before AUTH a server refuses any command of more than ten words by closing the connection.
    ("Protocol error: unauthenticated", "wants a password", "put it into the URL or KONDUCTOR_REDIS_PASSWORD", False),
    ("WRONGPASS", "refused the user name or password", "check the URL or KONDUCTOR_REDIS_PASSWORD", False),
    ("NOPERM", "does not allow this user to do that", "see docs/redis.md for the rights a user needs", False),
    ("BUSY", "is busy with a script", None, True),
)


def translate(error: Exception, where: str) -> KonductorError:
    """Return the error to raise for what redis-py raised while talking to `where` (a URL without its password)."""
    text = str(error)
    known = {
        r.BusyLoadingError: "LOADING",
        r.ReadOnlyError: "READONLY",
        r.OutOfMemoryError: "OOM",
        r.MasterDownError: "MASTERDOWN",
        r.ClusterDownError: "CLUSTERDOWN",
        r.TryAgainError: "TRYAGAIN",
        r.MovedError: "MOVED",
        r.NoPermissionError: "NOPERM",
    }.get(type(error), "")
    for start, what, hint, passing in _START:
        if text.startswith(start) or known == start:
            return Unavailable(f"Redis at {where} {what}", hint=hint, passing=passing)
    if isinstance(error, r.AuthenticationError):
        missing = "without any password" in text or ("AUTH" in text and "called without" in text)
        what = "has no password set, but one was given" if missing else "refused the user name or password"
        return Unavailable(f"Redis at {where} {what}", hint="check the URL or KONDUCTOR_REDIS_PASSWORD")
    if isinstance(error, (r.ConnectionError, r.TimeoutError, OSError)):
        reason = "does not answer in time" if isinstance(error, (r.TimeoutError, TimeoutError)) else "cannot be reached"
        return Unavailable(
            f"Redis at {where} {reason} ({_short(text)})", hint="is it running, and is --redis-url right?", passing=True
        )
    if "WRONGTYPE" in text:
        return KonductorError(f"Redis at {where} holds something else under a key of Konductor: {_short(text)}")
    return KonductorError(f"Redis at {where} answered: {_short(text)}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else line[:157] + "..."
