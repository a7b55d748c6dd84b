"""The URLs under which Redis is named, checked and taken apart before anything connects.

    redis://[user[:password]@]host[:port][/db]           rediss:// is the same over TLS
    unix://[user[:password]@]/path/to.sock[?db=N]
    redis+sentinel://[user[:password]@]host[:port][,host[:port]…]/service[/db]
    redis+cluster://[user[:password]@]host[:port][,host[:port]…]

`rediss+sentinel://` and `rediss+cluster://` are the last two over TLS. Options follow as `?name=value&…`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from konductor_core.errors import InvalidInput, did_you_mean, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["SCHEMES", "RedisUrl", "parse_redis_url", "with_user"]

Topology = Literal["standalone", "unix", "sentinel", "cluster"]

SCHEMES: Final[dict[str, tuple[Topology, bool]]] = {
    "redis": ("standalone", False),
    "rediss": ("standalone", True),
    "unix": ("unix", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
"""Scheme -> (topology, TLS)."""

_Option: TypeAlias = "str | int | float | bool"


def _truth(text: str) -> bool:
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise ValueError
    return seconds


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10):
        raise ValueError
    return int(text)


def _one_of(*choices: str) -> Callable[[str], str]:
    return {choice: choice for choice in choices}.__getitem__


OPTIONS: Final[dict[str, tuple[Callable[[str], _Option], str]]] = {
    "client_name": (str, "a name"),
    "db": (str, "a number"),
    "health_check_interval": (_count, "a number of seconds, or 0"),
    "max_connections": (_count, "a number"),
    "socket_connect_timeout": (_seconds, "a number of seconds above 0"),
    "socket_keepalive": (_truth, "true or false"),
    "socket_timeout": (_seconds, "a number of seconds above 0"),
    "ssl_ca_certs": (str, "a file"),
    "ssl_ca_path": (str, "a directory"),
    "ssl_cert_reqs": (_one_of("required", "optional", "none"), "required, optional or none"),
    "ssl_certfile": (str, "a file"),
    "ssl_check_hostname": (_truth, "true or false"),
    "ssl_keyfile": (str, "a file"),
    "ssl_min_version": (_one_of("TLSv1_2", "TLSv1_3"), "TLSv1_2 or TLSv1_3"),
}
"""Options of redis-py that a URL may carry -> how their text is read, and what it should be."""

_FILES: Final = frozenset({"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"})
DEFAULT_PORT: Final = 6379
DEFAULT_SENTINEL_PORT: Final = 26379
DATABASE_MAX: Final = 65_535
_ESCAPES: Final = "in a password write / as %2F, : as %3A, @ as %40, ? as %3F"


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A checked URL. `hosts` has one entry for redis://, none for unix://; `service` is Sentinel's name for the set."""

    url: str = field(repr=False)
    topology: Topology
    tls: bool = False
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, _Option] = field(default_factory=dict)

    @property
    def display(self) -> str:
        """The URL as messages show it: without user, password and options."""
        scheme = self.url.partition("://")[0].lower()
        if self.topology == "unix":
            return f"{scheme}://{self.path}"
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        tail = f"/{self.service}" if self.service else ""
        return f"{scheme}://{hosts}{tail}" + (f"/{self.db}" if self.db else "")


def parse_redis_url(url: str, what: str = "Redis URL") -> RedisUrl:
    """Return `url` taken apart; raise `InvalidInput` that says what is wrong with it, never showing its password."""
    from urllib.parse import parse_qsl, unquote

    if not url.isprintable() or " " in url:
        raise InvalidInput(f"{what} contains a space or control character: leave it out, or write it as %20")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        raise InvalidInput(f"{what} has {_scheme_problem(scheme, separator)}: begin it with one of {_beginnings()}")
    topology, tls = SCHEMES[scheme.lower()]
    rest, _, query = rest.partition("?")
    # Refused before anything is quoted: it may be part of a password.
    _require("@" not in query, what, f"has an @ after its '?'; {_ESCAPES}")
    options = _options(parse_qsl(query.partition("#")[0], keep_blank_values=True), what, tls=tls)
    database = str(options.pop("db")) if "db" in options else None
    authority, slash, path = rest.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    username, colon, password = credentials.partition(":")
    segments = [unquote(segment) for segment in path.split("/") if segment]
    named: dict[str, str] = {}
    if topology == "unix":
        _require(not hosts, what, "has a host, which unix:// does not: write unix:///path/to.sock")
        _require(bool(segments), what, "names no socket: write unix:///path/to.sock")
        named["path"] = slash + unquote(path)
        segments = []
    elif topology == "sentinel":
        _require(bool(segments), what, "names no service: write redis+sentinel://host:26379/service")
        named["service"] = segments.pop(0)
    _require(len(segments) <= (0 if topology == "cluster" else 1), what, "has too much after the host")
    return RedisUrl(
        url=url,
        topology=topology,
        tls=tls,
        hosts=_hosts(hosts, topology, what),
        db=_database(segments, database, topology, what),
        username=unquote(username) or None,
        password=unquote(password) if colon else None,
        options=options,
        **named,
    )


def with_user(url: str, username: str, password: str) -> str:
    """Return a checked URL with other credentials, and without options that name files of this machine."""
    from urllib.parse import parse_qsl, quote, urlencode

    scheme, _, rest = url.partition("://")
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    hosts = authority.rpartition("@")[2]
    kept = [(name, text) for name, text in parse_qsl(query.partition("#")[0]) if name not in _FILES]
    options = f"?{urlencode(kept)}" if kept else ""
    return f"{scheme}://{quote(username, safe='')}:{quote(password, safe='')}@{hosts}{slash}{path}{options}"


def _scheme_problem(scheme: str, separator: str) -> str:
    return f"the unknown scheme {quoted(scheme)}" if separator else "no scheme"


def _beginnings() -> str:
    return ", ".join(f"{scheme}://" for scheme in SCHEMES if scheme == "rediss" or not scheme.startswith("rediss"))


def _require(condition: bool, what: str, problem: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise InvalidInput(f"{what} {problem}")


def _hosts(text: str, topology: Topology, what: str) -> tuple[tuple[str, int], ...]:
    if topology == "unix":
        return ()
    default = DEFAULT_SENTINEL_PORT if topology == "sentinel" else DEFAULT_PORT
    hosts = tuple(_host(part, default, what) for part in text.split(","))
    _require(topology != "standalone" or len(hosts) == 1, what, "names several hosts: use redis+cluster://")
    return hosts


def _host(text: str, default_port: int, what: str) -> tuple[str, int]:
    if text.startswith("["):
        host, bracket, tail = text[1:].partition("]")
        colon, port = tail[:1], tail[1:]
        _require(bool(bracket) and colon in {"", ":"}, what, "has a malformed host: write [address]:port")
    else:
        host, colon, port = text.partition(":")
    _require(bool(host), what, "names no host: write redis://host:6379/0")
    if not colon:
        return host, default_port
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65_536):
        # Not quoted: an unescaped password may have been taken for the port.
        raise InvalidInput(f"{what} has a port that is no number from 1 to 65535; {_ESCAPES}")
    return host, int(port)


def _database(segments: list[str], option: str | None, topology: Topology, what: str) -> int:
    text = segments[0] if segments else option if option is not None else "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= DATABASE_MAX):
        raise InvalidInput(f"{what} has a database that is no number, as in /0; {_ESCAPES}")
    _require(topology != "cluster" or int(text) == 0, what, "has a database, which a cluster does not: leave it out")
    return int(text)


def _options(pairs: list[tuple[str, str]], what: str, *, tls: bool) -> dict[str, _Option]:
    options = {}
    for name, text in pairs:
        if name not in OPTIONS:
            guess = did_you_mean(name, OPTIONS)
            remedy = f"did you mean {guess}?" if guess else "known are " + ", ".join(sorted(OPTIONS))
            raise InvalidInput(f"{what} has the unknown option {quoted(name)}: {remedy}")
        _require(tls or not name.startswith("ssl_"), what, f"has {name}, but no TLS: begin it with rediss")
        read, wanted = OPTIONS[name]
        try:
            options[name] = read(text)
        except (ValueError, KeyError):
            raise InvalidInput(f"{what} has {name}={quoted(text)}: use {wanted}") from None
    return options
