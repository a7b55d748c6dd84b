"""When a command that failed is tried again, and after which pause. Safe, because every script is idempotent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redis import exceptions as r
from redis.backoff import ExponentialWithJitterBackoff

from konductor_core.errors import Unavailable

if TYPE_CHECKING:
    from konductor_core.errors import KonductorError

__all__ = ["BACKOFF_BASE", "BACKOFF_CAP", "Attempts", "is_moving"]

BACKOFF_BASE: Final = 0.1
BACKOFF_CAP: Final = 2.0
"""Seconds. Pause number n is a random part of base * 2 ** n, and of the cap at most."""

_BRIEF: Final = (r.ConnectionError, r.TimeoutError, r.ClusterDownError, OSError)
"""What is often over after a moment, beside a lost connection: loading, an election."""

_BACKOFF: Final = ExponentialWithJitterBackoff(base=BACKOFF_BASE, cap=BACKOFF_CAP)


def is_moving(error: Exception) -> bool:
    """Return whether the keys' slot is on its way to another server, so that scripts run on neither until it is there.

    ASK is not followed: a script needs all keys of its namespace, and the other server has only some of them yet.
    """
    asked = isinstance(error, r.AskError) and not isinstance(error, r.MovedError)
    return asked or isinstance(error, r.TryAgainError) or "access a non local key" in str(error)


class Attempts:
    """The attempts of one command: after the first failure at once, since an idle connection may have been cut."""

    __slots__ = ("_failed", "_retries", "_unanswered")

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._failed = 0
        self._unanswered = 0

    def pause(self, error: Exception, failure: KonductorError) -> float:
        """Return the seconds until the next attempt. Raises `failure`, which stands for `error`, if there is none.

        A server that did not answer in time is asked once more only: each such attempt takes the whole timeout.
        """
        self._failed += 1
        if isinstance(error, (r.TimeoutError, TimeoutError)):
            self._unanswered += 1
        hopeful = (
            (isinstance(error, _BRIEF) or is_moving(error)) and isinstance(failure, Unavailable) and failure.passing
        )
        if not hopeful or self._failed > self._retries or self._unanswered > 1:
            raise failure from None
        return 0.0 if self._failed == 1 else float(_BACKOFF.compute(self._failed - 1))
