"""Durations: integer milliseconds inside, Go-style text (`2h`, `1h30m`, `500ms`) outside.

All the defaults that are durations stand here as well, in milliseconds.
"""

from __future__ import annotations

import math
import re
import time
from datetime import timedelta
from typing import Final

from konductor_core.errors import InvalidInput, quoted

__all__ = [
    "ARRIVE_PATIENCE",
    "CLAIM_WINDOW",
    "DEFAULT_TTL",
    "DIRTY_TTL",
    "DURATION_PATTERN",
    "HEARTBEAT",
    "MAX_BYPASS",
    "MAX_MS",
    "MEMORY_TTL",
    "MIN_KEPT_TTL",
    "PROBE_WINDOW",
    "UNATTENDED_AFTER",
    "WAITER_TTL",
    "about",
    "rfc3339",
    "to_ms",
    "to_text",
]

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

MAX_MS: Final = 10 * 365 * DAY
"""The longest duration accepted anywhere: ten years."""

DEFAULT_TTL: Final = 5 * MINUTE
"""How long a lease lives unless renewed."""

MIN_KEPT_TTL: Final = 15 * SECOND
"""The shortest lease that a keeper beside a pod's containers renews: a third of it must outlast a slow node."""

CLAIM_WINDOW: Final = 5 * SECOND
"""How long a grant to a queued waiter lives until the waiter confirms it."""

HEARTBEAT: Final = 25 * SECOND
"""How often a waiter shows that it is alive and looks again."""

WAITER_TTL: Final = 60 * SECOND
"""How long a waiter without a heartbeat keeps its place."""

UNATTENDED_AFTER: Final = 15 * SECOND
"""How long a look at a gate's conditions is asked for in vain before that is said."""

MAX_BYPASS: Final = 1 * MINUTE
"""How old a waiter gets before nobody may pass it any more."""

ARRIVE_PATIENCE: Final = 60 * SECOND
"""How long arrive, add and done wait for an object that does not exist yet."""

DIRTY_TTL: Final = 24 * HOUR
"""How long the set of changed objects waits for a controller."""

MEMORY_TTL: Final = 60 * SECOND
"""How long a script remembers what a request did, so that its retry answers the same."""

PROBE_WINDOW: Final = 1 * SECOND
"""How long a waiter has to show that it lives when another request of its holder wants its place."""

DURATION_PATTERN: Final = r"^(0|([0-9]+(\.[0-9]+)?(h|m|s|ms|us|µs|ns))+)$"
"""What `to_ms` accepts as text; the schema of the custom resources says the same."""

_UNITS_NS: Final = {
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "µs": 1_000,
    "ns": 1,
}
_PART: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?(h|ms|m|s|us|µs|ns)")
_BARE_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_LONGEST_TEXT: Final = 64
_EXAMPLES: Final = "write it like 30s, 1h30m or 500ms"


def to_ms(value: str | timedelta | float, *, what: str = "duration") -> int:
    """Return `value` in milliseconds.

    Accepts Go-style text (`"2h"`, `"1h30m"`, `"1.5s"`, `"0"`), a `timedelta`, or a number of seconds. Fractions of a
    millisecond are rounded up, so that a short wait never becomes a try.

    Raises `InvalidInput`, which calls the value by the name `what`, for anything malformed, negative, not finite or
    longer than ten years.
    """
    if isinstance(value, str):
        ms = _parse(value, what)
    elif isinstance(value, timedelta):
        ms = -(-value // timedelta(milliseconds=1)) if value >= timedelta(0) else -1
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        ms = _from_seconds(value, what)
    else:
        raise InvalidInput(f"{what} {quoted(value)} is not a duration: {_EXAMPLES}")
    if ms < 0:
        raise InvalidInput(f"{what} {quoted(value)} is negative: {_EXAMPLES}")
    if ms > MAX_MS:
        raise InvalidInput(f"{what} {quoted(value)} is longer than ten years (87600h)")
    return ms


def _from_seconds(value: float, what: str) -> int:
    if value != value or value in {math.inf, -math.inf}:  # noqa: PLR0124 - isnan refuses huge integers
        raise InvalidInput(f"{what} {quoted(value)} is not a finite number of seconds: {_EXAMPLES}")
    if value < 0:
        return -1
    if value > MAX_MS:
        return MAX_MS + 1
    # Through whole microseconds: 0.1 s is 100 ms although 0.1 * 1000 is a little more than 100.
    ms = -(-round(value * 1_000_000) // 1_000)
    return 1 if value > 0 and ms == 0 else ms


def _parse(text: str, what: str) -> int:
    if text == "0":
        return 0
    if text.startswith("-") and len(text) <= _LONGEST_TEXT and _split(text[1:]) is not None:
        return -1
    parts = _split(text) if len(text) <= _LONGEST_TEXT else None
    if parts is None:
        if len(text) <= _LONGEST_TEXT and _BARE_NUMBER.fullmatch(text):
            raise InvalidInput(f"{what} {quoted(text)} has no unit: for seconds write {text}s")
        raise InvalidInput(f"{what} {quoted(text)} is not a duration: {_EXAMPLES}")
    nanoseconds = 0
    for whole, fraction, unit in parts:
        scale = 10 ** len(fraction)
        nanoseconds += -(-int(whole + fraction) * _UNITS_NS[unit] // scale)
    return -(-nanoseconds // 1_000_000)


def _split(text: str) -> list[tuple[str, str, str]] | None:
    """Return (whole digits, fraction digits, unit) for each part of `text`, or None if it is no duration."""
    parts = []
    position = 0
    while match := _PART.match(text, position):
        parts.append((match[1], match[2] or "", match[3]))
        position = match.end()
    return parts if parts and position == len(text) else None


def to_text(ms: int) -> str:
    """Return `ms` exactly, as Go-style text without zero parts: `1h30m`, `1m30.5s`, `500ms`, `0s`."""
    if ms < 0:
        return "-" + to_text(-ms)
    if 0 < ms < SECOND:
        return f"{ms}ms"
    hours, rest = divmod(ms, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds, thousandths = divmod(rest, SECOND)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if minutes else ""
    if thousandths:
        text += f"{seconds}.{thousandths:03}".rstrip("0") + "s"
    elif seconds or not text:
        text += f"{seconds}s"
    return text


def about(ms: int) -> str:
    """Return `ms` for people, rounded to its two biggest units: `3d4h`, `1h58m`, `3m20s`, `4s`.

    Less than a second is exact: `400ms`. What is negative counts as `0s`.
    """
    if ms < SECOND:
        return to_text(max(0, ms))
    for big, big_name, small, small_name in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "m"),
        (MINUTE, "m", SECOND, "s"),
    ):
        rounded = (ms + small // 2) // small * small
        if rounded >= big:
            rest = rounded % big // small
            return f"{rounded // big}{big_name}" + (f"{rest}{small_name}" if rest else "")
    return f"{(ms + SECOND // 2) // SECOND}s"


def rfc3339(ms: int) -> str:
    """Return the moment `ms` (milliseconds since 1970, UTC) as `2026-01-02T03:04:05.678Z`."""
    seconds, thousandths = divmod(ms, SECOND)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{thousandths:03}Z"
