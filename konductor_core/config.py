"""Settings: flags first, then KONDUCTOR_* variables, then the config file, then defaults.

The config file is TOML, `$KONDUCTOR_CONFIG` or else `~/.config/konductor/config.toml`, with the names of `Settings`'s
fields written with dashes:

    redis-url = "rediss://redis.example:6380/0"
    namespace = "etl"
    min-replicas = 1
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from konductor_core import identity
from konductor_core.durations import to_ms
from konductor_core.errors import InvalidInput, did_you_mean, quoted
from konductor_core.urls import RedisUrl, parse_redis_url

__all__ = ["DEFAULT_URL", "IN_CLUSTER_URL", "Settings"]

IN_CLUSTER_URL: Final = "redis://konductor-redis.konductor-system.svc:6379/0"
DEFAULT_URL: Final = "redis://localhost:6379/0"

_Reader = Callable[[object, str], object]
"""Turns a value of a flag, a variable or the file into a field's value; the text names its source in errors."""


def _text(value: object, what: str) -> str:
    if value == "":
        raise InvalidInput(f"{what} is empty: give it a value, or leave it out")
    if isinstance(value, str):
        return value
    raise InvalidInput(f"{what} {quoted(value)} is not text: put it in quotes")


def _url(value: object, what: str) -> str:
    return parse_redis_url(_text(value, what), what).url


def _duration(value: object, what: str) -> int:
    ms = to_ms(value, what=what)  # type: ignore[arg-type]  # anything else is refused there
    if ms == 0:
        raise InvalidInput(f"{what} {quoted(value)} is zero: give it at least 1ms")
    return ms


def _number(maximum: int) -> _Reader:
    def read(value: object, what: str) -> int:
        if isinstance(value, str):
            digits = value.removeprefix("-")
            if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
                raise InvalidInput(f"{what} {quoted(value)} is not a whole number: use one from 0 to {maximum}")
            value = int(value)
        return identity.check_count(value, what, 0, maximum)  # type: ignore[arg-type]  # refused there

    return read


def _namespace(value: object, what: str) -> str:
    return identity.check_namespace(_text(value, what), what)


def _holder(value: object, what: str) -> str:
    return identity.check_holder(_text(value, what), what)


def _one_of(*choices: str) -> _Reader:
    def read(value: object, what: str) -> str:
        if value not in choices:
            raise InvalidInput(f"{what} {quoted(value)} is unknown: use one of {', '.join(choices)}")
        return str(value)

    return read


def _switch(value: object, what: str) -> bool:
    """Return whether it is on: a variable is if it has any text, as with NO_COLOR; the file says true or false."""
    if isinstance(value, (bool, str)):
        return bool(value)
    raise InvalidInput(f"{what} {quoted(value)} is neither true nor false")


_OUTPUT: Final = _one_of("text", "wide", "json", "yaml", "name")
_LEVEL: Final = _one_of("debug", "info", "warning", "error")


def _log_level(value: object, what: str) -> object:
    return _LEVEL("warning" if value == "warn" else value, what)


def _limit(value: object, what: str) -> int:
    return to_ms(value, what=what)  # type: ignore[arg-type]  # anything else is refused there


def _from(variables: str, reader: _Reader) -> dict[str, object]:
    """Return a field's metadata: the variables it comes from, and how its value is read."""
    return {"variables": tuple(variables.split()), "reader": reader}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a client needs to know; every value is checked. Times are milliseconds.

    `holder` is the base holder, without a suffix. What is set as `redis_…` replaces what the URL has. `min_replicas`
    replicas must acknowledge a grant. A command that meets a lost connection is tried again `retries` times.
    `timeout_ms` ends koncli's waits that have no `--timeout`; `output`, `log_level` and `no_color` are koncli's, too.
    `docs/deployments.md` says what each is for.
    """

    redis_url: str = field(metadata=_from("KONDUCTOR_REDIS_URL", _url), repr=False)
    namespace: str = field(metadata=_from("KONDUCTOR_NAMESPACE KONCLI_NAMESPACE", _namespace))
    holder: str = field(metadata=_from("KONDUCTOR_HOLDER KONDUCTOR_HOLDER_ID", _holder))
    redis_username: str | None = field(default=None, metadata=_from("KONDUCTOR_REDIS_USERNAME", _text))
    redis_password: str | None = field(default=None, metadata=_from("KONDUCTOR_REDIS_PASSWORD", _text), repr=False)
    redis_ca: str | None = field(default=None, metadata=_from("KONDUCTOR_REDIS_CA", _text))
    redis_ca_file: str | None = field(default=None, metadata=_from("KONDUCTOR_REDIS_CA_FILE", _text))
    redis_cert_file: str | None = field(default=None, metadata=_from("KONDUCTOR_REDIS_CERT_FILE", _text))
    redis_key_file: str | None = field(default=None, metadata=_from("KONDUCTOR_REDIS_KEY_FILE", _text))
    sentinel_username: str | None = field(default=None, metadata=_from("KONDUCTOR_SENTINEL_USERNAME", _text))
    sentinel_password: str | None = field(
        default=None, metadata=_from("KONDUCTOR_SENTINEL_PASSWORD", _text), repr=False
    )
    min_replicas: int = field(default=0, metadata=_from("KONDUCTOR_MIN_REPLICAS", _number(100)))
    connect_timeout_ms: int = field(default=5_000, metadata=_from("KONDUCTOR_CONNECT_TIMEOUT", _duration))
    socket_timeout_ms: int = field(default=10_000, metadata=_from("KONDUCTOR_SOCKET_TIMEOUT", _duration))
    retries: int = field(default=5, metadata=_from("KONDUCTOR_RETRIES", _number(100)))
    timeout_ms: int | None = field(default=None, metadata=_from("KONDUCTOR_TIMEOUT", _limit))
    output: str = field(default="text", metadata=_from("KONDUCTOR_OUTPUT KONCLI_OUTPUT", _OUTPUT))
    log_level: str = field(default="warning", metadata=_from("KONDUCTOR_LOG_LEVEL KONCLI_LOG_LEVEL", _log_level))
    no_color: bool = field(default=False, metadata=_from("KONDUCTOR_NO_COLOR NO_COLOR", _switch))

    @property
    def redis(self) -> RedisUrl:
        """The Redis URL taken apart; the separate user name and password replace those in the URL."""
        from dataclasses import replace

        url = parse_redis_url(self.redis_url)
        return replace(
            url,
            username=self.redis_username or url.username,
            password=self.redis_password or url.password,
        )

    @classmethod
    def load(cls, flags: Mapping[str, object] | None = None, env: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings in force; `flags` has field names as keys, and None where a flag was not given.

        Raises `InvalidInput` for a bad value, naming the flag, variable or file it came from.
        """
        given = {name: value for name, value in (flags or {}).items() if value is not None}
        values: dict[str, Any] = {}
        file = _read_file(env)
        for each in fields(cls):
            reader, dashed = each.metadata["reader"], _dashed(each.name)
            variable = next((name for name in each.metadata["variables"] if env.get(name)), None)
            if each.name in given:
                values[each.name] = reader(given.pop(each.name), f"--{dashed}")
            elif variable:
                values[each.name] = reader(env[variable], variable)
            elif dashed in file:
                path, value = file[dashed]
                values[each.name] = reader(value, f"{path}: {dashed}")
        if given:
            raise TypeError(f"no setting is called {', '.join(sorted(given))}")
        values.setdefault("redis_url", IN_CLUSTER_URL if _in_cluster(env) else DEFAULT_URL)
        if "namespace" not in values:
            values["namespace"] = identity.namespace(env)
        if "holder" not in values:
            values["holder"] = identity.base_holder(env)
        return cls(**values)


def _dashed(name: str) -> str:
    return name.removesuffix("_ms").replace("_", "-")


def _in_cluster(env: Mapping[str, str]) -> bool:
    return bool(env.get("KUBERNETES_SERVICE_HOST"))


def _read_file(env: Mapping[str, str]) -> dict[str, tuple[str, object]]:
    """Return each key of the config file with its path and value; a file that is not there has no keys."""
    named = env.get("KONDUCTOR_CONFIG")
    home = env.get("XDG_CONFIG_HOME") or (f"{env['HOME']}/.config" if env.get("HOME") else "")
    path = named or (f"{home}/konductor/config.toml" if home else "")
    if not path or (not named and not os.path.exists(path)):  # noqa: PTH110 - pathlib is slow to import
        return {}
    import tomllib

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            values = tomllib.load(file)
    except OSError as error:
        raise InvalidInput(f"config file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"config file {path} is not TOML: {error}") from None
    known = [_dashed(each.name) for each in fields(Settings)]
    for key in values:
        if key not in known:
            guess = did_you_mean(key, known)
            remedy = f"did you mean {guess}?" if guess else f"known are {', '.join(known)}"
            raise InvalidInput(f"config file {path} has the unknown key {quoted(key)}: {remedy}")
    return {key: (path, value) for key, value in values.items()}
