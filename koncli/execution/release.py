"""The end of the leases, after the command's."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from koncli.output import message
from konductor_core.errors import KonductorError

if TYPE_CHECKING:
    from konductor_core.leases import Leases

PATIENCE = 5.0
"""Seconds after which a release that gets no answer is left to the TTL."""
RELEASED = "released"


class Farewell(ABC):
    """What is told to Redis at the end, in a thread: one that does not answer is not waited for long."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.label = ", ".join(lease.ref for lease in leases)
        self.outcome: str | KonductorError = "no answer in time"
        self.gone: list[str] = []
        """The objects of which there was nothing to release any more."""
        self._thread = threading.Thread(target=self._run, name="koncli-release", daemon=True)

    @property
    def lost(self) -> bool:
        """Whether of one of them there was nothing to release any more."""
        return bool(self.gone) or self.leases.lost.is_set()

    @property
    def what_was_lost(self) -> str:
        """The objects whose leases are known to be lost, or all of them."""
        lost = [each.ref for each in self.leases if each.lost.is_set() or each.ref in self.gone]
        return ", ".join(lost) or self.label

    @property
    def hangs(self) -> bool:
        """Whether a thread still waits for Redis."""
        return self._thread.is_alive()

    @property
    def patience(self) -> float:
        """Seconds after which it is given up."""
        return PATIENCE

    def perform(self) -> None:
        """Tell Redis of the end, and say so if that does not work."""
        self._thread.start()
        self._thread.join(min(self.patience, self._longest(), 3600.0))
        left = self._longest()
        if self.outcome != RELEASED and not self.lost and left > 1:
            ends = "somebody has to release it" if left == float("inf") else f"the lease ends by itself in {left:.0f}s"
            message(f"{self.label}: could not be released ({self.outcome}); {ends}")

    def _longest(self) -> float:
        """Return the seconds for which any of it is still held."""
        return max(lease.expires_in for lease in self.leases)

    @abstractmethod
    def _run(self) -> None:
        """In the thread: set `outcome` and `gone`."""


class Release(Farewell):
    """Gives everything back."""

    def _run(self) -> None:
        try:
            outcomes = self.leases.release()
        except KonductorError as error:
            self.outcome = error
            return
        self.gone = [each.ref for each, how in zip(self.leases, outcomes, strict=True) if str(how) != RELEASED]
        self.outcome = RELEASED
