"""What a flow asks of its driver. A flow is a generator: it yields steps, is sent their results, returns its own.

Flows do no I/O and read no clock, so the sync and the async driver share them, and tests run them without a server.
A driver throws what a step raises into the flow, an interruption included: that is where a flow cleans up.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from konductor_core.scripts import Script

__all__ = [
    "RESUBSCRIBED",
    "Answer",
    "Block",
    "Call",
    "Clock",
    "Command",
    "Flow",
    "Listen",
    "Pause",
    "Progress",
    "Report",
    "Step",
    "Subscribe",
]

RESUBSCRIBED: Final = "\x00resubscribed"
"""What `Listen` returns after a lost connection is back: messages may have been missed."""


@dataclass(slots=True, frozen=True)
class Progress:
    """What a wait is doing: one line for people, and the seconds left to its deadline, if it has one."""

    text: str
    deadline_in: float | None = None


class Answer(NamedTuple):
    """A script's reply, the monotonic moment just before it was sent, and how many replicas acknowledged it."""

    sent: float
    reply: list[Any]
    acks: int


@dataclass(slots=True)
class Call:
    """Run a script; the result is an `Answer`. With `replicas`, WAITs for that many.

    Raises `Unavailable`, after `seconds` at the latest; the script may still run then.
    """

    script: Script
    keys: tuple[str, ...]
    args: tuple[str | int, ...]
    replicas: int = 0
    seconds: float = math.inf


@dataclass(slots=True)
class Command:
    """Run a plain command that changes nothing; the result is its reply."""

    args: tuple[str | int, ...]


@dataclass(slots=True)
class Block:
    """Pop a list, waiting up to `seconds`: text, or None. The same list may be blocked on again.

    Here and below, to open a connection for it may take `patience` seconds.
    """

    key: str
    seconds: float
    patience: float = math.inf


@dataclass(slots=True)
class Subscribe:
    """Start to listen to a channel; done once the server has said so."""

    channel: str
    patience: float = math.inf


@dataclass(slots=True)
class Listen:
    """Wait up to `seconds` for a message on the subscribed channel: text, `RESUBSCRIBED`, or None."""

    channel: str
    seconds: float
    patience: float = math.inf


@dataclass(slots=True)
class Pause:
    """Wait `seconds`; the result is True if the flow was told to stop meanwhile."""

    seconds: float


@dataclass(slots=True)
class Clock:
    """Read the monotonic clock: seconds."""


@dataclass(slots=True)
class Report:
    """Tell whoever watches how a wait is doing."""

    progress: Progress


Step: TypeAlias = Call | Command | Block | Subscribe | Listen | Pause | Clock | Report

T = TypeVar("T")
Flow: TypeAlias = Generator[Step, Any, T]
