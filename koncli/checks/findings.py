"""What a check finds: a verdict in one word, a message that says why, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Verdict = Literal["ok", "warn", "fail", "unknown"]

_BADNESS: Final[tuple[Verdict, ...]] = ("ok", "unknown", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, why, and the remedy where it is not `ok`."""

    verdict: Verdict
    message: str
    remedy: str = ""


def good(message: str) -> Finding:
    """Return that it is as it should be."""
    return Finding("ok", message)


def bad(message: str, remedy: str) -> Finding:
    """Return that Konductor does not work, or breaks its promises, as it is."""
    return Finding("fail", message, remedy)


def doubtful(message: str, remedy: str) -> Finding:
    """Return that Konductor works, with less safety or speed than it could."""
    return Finding("warn", message, remedy)


def hidden(message: str, remedy: str) -> Finding:
    """Return that nothing can be said."""
    return Finding("unknown", message, remedy)


def worst(findings: Iterable[Finding]) -> Verdict:
    """Return the verdict on all of them; a warning is worse than what could not be seen."""
    return max((finding.verdict for finding in findings), key=_BADNESS.index, default="ok")
