"""Every error that Konductor raises, with the exit code koncli leaves with.

KonductorError                 1  error
├── NotFound                   2  not-found
├── WaitTimeout                3  timeout
├── Denied                     4  denied
│   ├── WouldBlock             4  would-block       a try that would have had to wait
│   ├── Impossible             4  impossible        more than the limit; waiting would never end
│   ├── AlreadyDone            4  already-done      a once was done before, and is not run again
│   ├── BelowZero              4  below-zero        more members done than were added
│   ├── NotHolder              4  not-holder        somebody else's lease, or nobody's
│   ├── Owned                  4  owned             the object belongs to a custom resource
│   └── AlreadyWaiting         4  already-waiting   the same holder has a live waiter already
├── Unavailable                5  unavailable       Redis cannot be reached, or cannot answer now
├── Failed                     6  failed
│   ├── BarrierFailed          6  barrier-failed
│   ├── GateFailed             6  gate-failed
│   ├── LeaseLost              6  lease-lost
│   └── Replaced               6  replaced          the object was reset or made anew under a wait
└── InvalidInput              64  invalid-input

This module also holds the wording that all error messages share: `quoted`, `either` and `did_you_mean`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "AlreadyDone",
    "AlreadyWaiting",
    "BarrierFailed",
    "BelowZero",
    "Denied",
    "Failed",
    "GateFailed",
    "Impossible",
    "InvalidInput",
    "KonductorError",
    "LeaseLost",
    "NotFound",
    "NotHolder",
    "Owned",
    "Replaced",
    "Unavailable",
    "WaitTimeout",
    "WouldBlock",
    "did_you_mean",
    "either",
    "quoted",
]

_SHOWN = 60
"""Longest quotation of a caller's value in a message, in characters."""


class KonductorError(Exception):
    """The root of all errors; `str(error)` is the message, one line that names the cause.

    `hint` is what to do about it, when that is not part of the message.
    """

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def to_dict(self) -> dict[str, str]:
        """Return what `koncli -o json` prints on stderr: `code`, `error`, and `hint` if there is one."""
        document = {"code": self.code, "error": self.message}
        if self.hint is not None:
            document["hint"] = self.hint
        return document


class NotFound(KonductorError):  # noqa: N818 - the short names are the public ones
    """The object does not exist."""

    exit_code = 2
    code = "not-found"


class WaitTimeout(KonductorError):  # noqa: N818
    """The wait's own deadline passed."""

    exit_code = 3
    code = "timeout"


class Denied(KonductorError):  # noqa: N818
    """A refusal: the request was understood and the answer is no."""

    exit_code = 4
    code = "denied"


class WouldBlock(Denied):
    """A try found no free permits, or others waiting before it."""

    code = "would-block"


class Impossible(Denied):
    """The request is larger than the limit, so that no wait could end."""

    code = "impossible"


class AlreadyDone(Denied):
    """What is done once was done before."""

    code = "already-done"


class BelowZero(Denied):
    """More members of a wait group would be done than were added."""

    code = "below-zero"


class NotHolder(Denied):
    """The caller does not hold what it wants to give back or renew."""

    code = "not-holder"


class Owned(Denied):
    """The object belongs to a custom resource; kubectl changes it."""

    code = "owned"


class AlreadyWaiting(Denied):
    """The same holder has a live waiter in this queue already."""

    code = "already-waiting"


class Unavailable(KonductorError):  # noqa: N818
    """Redis cannot be reached, refuses writes, or too few replicas acknowledged.

    `passing` tells whether waiting may help: a wait tries again then, until its deadline. `forgotten` tells that the
    server refused the user: whoever it knew before may be known again in a moment, since a restart can lose users.
    """

    exit_code = 5
    code = "unavailable"

    def __init__(
        self, message: str, *, hint: str | None = None, passing: bool = False, forgotten: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.passing = passing
        self.forgotten = forgotten


class Failed(KonductorError):  # noqa: N818
    """What was waited for, or held, is gone for good."""

    exit_code = 6
    code = "failed"


class BarrierFailed(Failed):
    """The barrier's timeout passed before enough had arrived."""

    code = "barrier-failed"


class GateFailed(Failed):
    """A condition of the gate can no longer come true, or its timeout passed before all held."""

    code = "gate-failed"


class LeaseLost(Failed):
    """The lease ended before its holder released it."""

    code = "lease-lost"


class Replaced(Failed):
    """The object was reset, or deleted and made anew, under a wait that belonged to its former life."""

    code = "replaced"


class InvalidInput(KonductorError):  # noqa: N818
    """The caller's input was refused before anything was sent to Redis."""

    exit_code = 64
    code = "invalid-input"


def quoted(value: object) -> str:
    """Return `value` as a message shows it: on one line, in quotes if it is text, cut at 60 characters."""
    try:
        text = repr(value[: _SHOWN * 2] if isinstance(value, str) else value)
    except ValueError:  # an integer of more digits than Python turns into text
        return f"a huge {type(value).__name__}"
    if len(text) <= _SHOWN:
        return text
    return text[: _SHOWN - 1] + "…"


def either(words: Sequence[str]) -> str:
    """Return `a, b or c`."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def did_you_mean(word: str, options: Iterable[str]) -> str | None:
    """Return the option that `word` most resembles, if any resembles it enough."""
    import difflib

    by_lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(word.lower()[: _SHOWN * 2], by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None
