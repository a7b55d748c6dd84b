"""redis-py's exceptions as errors with a remedy; nothing else knows what servers and clients say when they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from redis import exceptions as r

from konductor_core.errors import KonductorError, Unavailable

if TYPE_CHECKING:
    from konductor_core.urls import RedisUrl

__all__ = ["translate"]


class _Kind(NamedTuple):
    """What is said of a failure: "Redis at … <what>". `passing` tells whether a wait should go on."""

    what: str
    hint: str | None = None
    passing: bool = False


_PASSWORD: Final = "check the URL, or KONDUCTOR_REDIS_USERNAME and KONDUCTOR_REDIS_PASSWORD"  # noqa: S105 - no password
_NO_PASSWORD: Final = _Kind("wants a password", "put it into the URL or KONDUCTOR_REDIS_PASSWORD")
_MOVING: Final = _Kind("is moving this namespace to another node", None, passing=True)
_RIGHTS: Final = _Kind("does not allow this user to do that", "see docs/redis.md for the rights a user needs")
_NO_CLUSTER: Final = _Kind("is not part of a cluster", "use redis:// instead of redis+cluster://")
_NOT_TLS: Final = _Kind("does not speak TLS on this port", "use redis:// instead of rediss://, or the port with TLS")
_CLIENT_CERTIFICATE: Final = _Kind(
    "does not accept this client's certificate, or the lack of one",
    "set KONDUCTOR_REDIS_CERT_FILE and KONDUCTOR_REDIS_KEY_FILE",
)

_BY_CODE: Final[dict[str, _Kind]] = {
    "ASK": _MOVING,
    "BUSY": _Kind("is busy with a script", None, passing=True),
    "CLUSTERDOWN": _Kind("belongs to a cluster that is down", "see what CLUSTER INFO says", passing=True),
    "DENIED": _Kind("is in protected mode and serves its own host only", "set a password there, or bind it"),
    "LOADING": _Kind("is loading its data", None, passing=True),
    "MASTERDOWN": _Kind("is a replica that has lost its master", None, passing=True),
    "MISCONF": _Kind("takes no writes because it cannot save to disk", "see its log and its disk", passing=True),
    "MOVED": _Kind("has moved this namespace to another node", None, passing=True),
    "NOAUTH": _NO_PASSWORD,
    "NOPERM": _RIGHTS,
    "NOREPLICAS": _Kind("has too few replicas to take writes", "see its min-replicas-to-write", passing=True),
    "OOM": _Kind(
        "is out of memory and takes no writes", "raise maxmemory or free memory; releases still work", passing=True
    ),
    "READONLY": _Kind(
        "is a read-only replica", "point --redis-url at the master, or use redis+sentinel://", passing=True
    ),
    "TRYAGAIN": _MOVING,
    "UNBLOCKED": _Kind("ended a blocked wait, most likely in a failover", None, passing=True),
    "WRONGPASS": _Kind("refused the user name or password", _PASSWORD),
}
"""The first word of a server's error."""

_BY_TEXT: Final[tuple[tuple[str, _Kind], ...]] = (
    ("access a non local key", _MOVING),
    # Before AUTH a server refuses any command of more than ten words by closing the connection.
    ("unauthenticated", _NO_PASSWORD),
    ("without any password", _Kind("has no password set, but one was given", _PASSWORD)),
    ("The user executing the script can't", _RIGHTS),  # Redis 7.0
    ("ACL failure in script", _RIGHTS),  # Valkey 9
    ("cluster support disabled", _NO_CLUSTER),
    ("SELECT is not allowed in cluster mode", _Kind("is a node of a cluster, which has no databases", "use /0")),
    ("DB index is out of range", _Kind("has no database of that number", "see its setting `databases`, or use /0")),
    (
        "max number of clients reached",
        _Kind("has as many clients as it takes", "raise its maxclients; every waiter needs a connection", passing=True),
    ),
    (
        "Too many connections",
        _Kind("is reached by as many connections as max_connections in the URL allows", "leave it out", passing=True),
    ),
    (
        "Connection not ready",  # it has said something before it was asked, and redis-py has not looked at it
        _Kind("refuses this connection", "it has as many as its maxclients, or is in protected mode", passing=True),
    ),
    ("closed by this process", _Kind("was left: this Konductor is closed")),
    (
        "Hostname mismatch",
        _Kind(
            "has a certificate for another host",
            "use a host name that the certificate has, or ssl_check_hostname=false",
        ),
    ),
    (
        "IP address mismatch",
        _Kind("has a certificate without this address", "use a host name that it has, or ssl_check_hostname=false"),
    ),
    ("certificate has expired", _Kind("has a certificate that has expired", "renew it")),
    (
        "CERTIFICATE_VERIFY_FAILED",
        _Kind("has a certificate that is not trusted here", "set KONDUCTOR_REDIS_CA_FILE to the CA that signed it"),
    ),
    ("PROTOCOL_VERSION", _Kind("speaks no version of TLS that this client takes", "see ssl_min_version in the URL")),
    ("_ALERT_", _CLIENT_CERTIFICATE),
    ("WRONG_VERSION_NUMBER", _NOT_TLS),
    ("RECORD_LAYER_FAILURE", _NOT_TLS),
)
"""A part of what the server or OpenSSL said."""

_TLS_ALERT: Final = r"b'\x15\x03"
"""How redis-py shows the beginning of a TLS record where it wants a reply."""


def translate(error: Exception, url: RedisUrl) -> KonductorError:
    """Return the error to raise for what redis-py raised while talking to the servers of `url`."""
    text = str(error)
    kind = _known(error, text, url)
    refused = isinstance(error, r.AuthenticationError)
    if kind is None and refused:
        kind = _Kind("refused the user name or password", _PASSWORD)
    if kind is not None:
        what = f"Redis at {url.display} {kind.what}"
        return Unavailable(what, hint=kind.hint, passing=kind.passing, forgotten=refused)
    if isinstance(error, (r.ConnectionError, r.TimeoutError, OSError)):
        return _unreachable(error, text, url)
    if "WRONGTYPE" in text:
        return KonductorError(f"Redis at {url.display} holds something else under a key of Konductor: {_short(text)}")
    return KonductorError(f"Redis at {url.display} answered: {_short(text)}")


def _known(error: Exception, text: str, url: RedisUrl) -> _Kind | None:
    code = getattr(error, "status_code", None) or text.partition(" ")[0]
    if code in {"MOVED", "ASK"} and url.topology != "cluster":
        return _Kind("is one node of a cluster", "use redis+cluster:// instead of redis://")
    if "unknown command" in text and "SENTINEL" in text.upper():
        return _Kind("is not a Sentinel", "use redis:// for it, or name the Sentinels")
    if "unknown command" in text and ("EVAL" in text or "CLUSTER" in text):
        return _Kind("is a Sentinel", "use redis+sentinel://host:port/service")
    if _TLS_ALERT in text:
        return _Kind("speaks TLS on this port", "use rediss:// instead of redis://")
    if "No master found" in text:
        return _no_master(text, url)
    return next((kind for part, kind in _BY_TEXT if part in text), None) or _BY_CODE.get(code)


def _no_master(text: str, url: RedisUrl) -> _Kind:
    """What redis-py's Sentinel client says has the class of each Sentinel's error, but not what it said."""
    if "AuthenticationError" in text:
        return _Kind("has Sentinels that refuse the password, or the lack of one", "set KONDUCTOR_SENTINEL_PASSWORD")
    if "Error" in text:
        return _Kind(
            "has no Sentinel that answers", "are they running there, with TLS if the URL says so?", passing=True
        )
    name = url.service
    return _Kind(
        f"has no master for the service {name}: its Sentinels do not know it, or it is down",
        f"see what SENTINEL MASTER {name} says",
        passing=True,
    )


def _unreachable(error: Exception, text: str, url: RedisUrl) -> Unavailable:
    late = isinstance(error, (r.TimeoutError, TimeoutError))
    reason = "does not answer in time" if late else "cannot be reached"
    hint = "is it running, and is --redis-url right?"
    if late and url.tls:
        hint = "is it running, and does it speak TLS on this port?"
    elif not url.tls and url.topology != "unix" and ("reset by peer" in text or "closed by server" in text):
        hint = "is it running? if its port is one for TLS, use rediss://"
    return Unavailable(f"Redis at {url.display} {reason} ({_short(text)})", hint=hint, passing=True)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else line[:157] + "..."
