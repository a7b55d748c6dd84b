"""The end of the lease, after the command's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from koncli.output import message
from konductor_core.errors import KonductorError

if TYPE_CHECKING:
    from konductor_core.lease import Lease

PATIENCE = 5.0
"""Seconds after which a release that gets no answer is left to the TTL."""


class Release:
    """The release at the end, in a thread: a Redis that does not answer is not waited for long."""

    def __init__(self, lease: Lease, label: str) -> None:
        self.lease = lease
        self.label = label
        self.outcome: str | KonductorError = "no answer in time"
        self._thread = threading.Thread(target=self._run, name="koncli-release", daemon=True)

    @property
    def lost(self) -> bool:
        """Whether there was nothing to release any more."""
        return self.outcome in {"expired", "not-held"} or self.lease.lost.is_set()

    @property
    def hangs(self) -> bool:
        """Whether a thread still waits for Redis."""
        return self._thread.is_alive()

    @property
    def patience(self) -> float:
        """Seconds after which it is given up."""
        return PATIENCE

    def perform(self) -> None:
        """Give the permits back, and say so if that does not work."""
        self._thread.start()
        self._thread.join(min(self.patience, self.lease.expires_in, 3600.0))
        left = self.lease.expires_in
        if self.outcome != "released" and not self.lost and left > 1:
            ends = "somebody has to release it" if left == float("inf") else f"the lease ends by itself in {left:.0f}s"
            message(f"{self.label}: could not be released ({self.outcome}); {ends}")

    def _run(self) -> None:
        try:
            self.outcome = str(self.lease.release())
        except KonductorError as error:
            self.outcome = error
