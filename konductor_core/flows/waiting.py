"""What every wait has: a deadline, a line of progress when something changes, and patience with an absent Redis."""

from __future__ import annotations

import math
import random
from typing import Final

from konductor_core import durations
from konductor_core.errors import Unavailable, WaitTimeout
from konductor_core.flows.steps import Clock, Flow, Pause, Progress, Report

__all__ = ["FAREWELL", "Patience"]

FIRST_BACKOFF: Final = 0.05
LONGEST_BACKOFF: Final = 2.0
LAST_CALL: Final = 1.0
"""Seconds that every call of a wait is given, however little is left: a slow network may still bring the answer."""
FAREWELL: Final = 2.0
"""Seconds that the call is given which ends a wait: without it, TTLs end it."""


class Patience:
    """One wait for one thing (`what`, for messages): when it ends, what it last said, how often Redis was away."""

    def __init__(self, what: str, timeout_ms: int | None, now: float) -> None:
        self.what = what
        self.timeout_ms = timeout_ms
        self.deadline = math.inf if timeout_ms is None else now + timeout_ms / 1000
        self._said = ""
        self._outages = 0
        self._welcome = False

    def left(self, now: float) -> float:
        """Seconds to the deadline: not below zero, infinite without one."""
        return max(0.0, self.deadline - now)

    def for_call(self, now: float) -> float:
        """Seconds that a call may take."""
        return max(LAST_CALL, self.left(now))

    def say(self, text: str) -> Flow[None]:
        """Report `text` if it is news."""
        if text != self._said:
            self._said = text
            now = yield Clock()
            left = self.left(now)
            yield Report(Progress(text, None if math.isinf(left) else left))

    def check(self, now: float) -> None:
        """Raise `WaitTimeout` when the deadline has come; the message has the last state."""
        if now >= self.deadline:
            after = durations.about(self.timeout_ms or 0)
            state = f": {self._said}" if self._said else ""
            raise WaitTimeout(f"timed out after {after} waiting for {self.what}{state}")

    def connected(self) -> None:
        """Note that Redis has answered."""
        self._outages = 0
        self._welcome = True

    def sit_out(self, error: Unavailable) -> Flow[None]:
        """Wait a moment before the next try while Redis is away; at the deadline raise the error itself."""
        now = yield Clock()
        hopeful = error.passing or (error.forgotten and self._welcome)
        if not hopeful or now >= self.deadline:
            raise error
        yield from self.say(f"{error.message}, trying again")
        backoff = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**self._outages)
        self._outages = min(self._outages + 1, 10)
        yield Pause(min(backoff * random.uniform(0.5, 1.0), self.left(now)))
