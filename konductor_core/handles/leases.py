"""The sync handle of a lease object, and leadership by it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from konductor_core.errors import LeaseLost, Unavailable
from konductor_core.handles.locks import LockHandle
from konductor_core.lease import Guard

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from konductor_core.handles.base import Notify
    from konductor_core.handles.permits import Asking
    from konductor_core.lease import Lease
    from konductor_core.models import LeaseStatus
    from konductor_core.verbs import Duration

__all__ = ["EARLY", "NamedLease"]

EARLY: Final = 0.25
"""The part of the TTL before its end at which a leader that could not renew gives up: its time to stop."""

T = TypeVar("T")


class NamedLease(LockHandle):
    """A role that one holder has at a time. Every method raises `Unavailable` when Redis is."""

    def acquire(
        self,
        ttl: Duration | None = None,
        timeout: Duration | None = None,
        priority: int = 0,
        **asking: Unpack[Asking],
    ) -> Lease:
        """Get it: a `timeout` of None waits without end, 0 tries once; a `ttl` of None is the lease object's own.

        The other arguments and the errors are those of `Semaphore.acquire`.
        """
        return self.take(1, ttl, timeout, priority, **asking)

    def lead(
        self,
        serve: Callable[[Lease], T],
        ttl: Duration | None = None,
        timeout: Duration | None = None,
        priority: int = 0,
        *,
        holder: str | None = None,
        on_progress: Notify | None = None,
    ) -> T:
        """Wait to become the leader, and call `serve` with the lease; return what it returns.

        `serve` has to return soon after `Lease.lost` is set, which happens when a quarter of the TTL is still left:
        nobody else leads until the TTL is over. After a loss this waits, and calls `serve` again. When `serve`
        returns or raises, the lease is released, so that another leads at once. Raises `WaitTimeout` for a wait that
        took longer than `timeout`, and what `serve` raises.
        """
        while True:
            lease = self.take(
                1, ttl, timeout, priority, holder=holder, renew=True, on_progress=on_progress, early=EARLY
            )
            result: Any = None
            try:
                result = serve(lease)
            except LeaseLost:
                if not lease.lost.is_set():
                    raise
            finally:
                with suppress(Unavailable):  # the TTL frees it
                    lease.release()
            if not lease.lost.is_set():
                return cast("T", result)

    def status(self) -> LeaseStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return cast("LeaseStatus", super().status())

    def guard(self, **acquire: Any) -> Guard:  # noqa: ANN401 - the arguments of acquire
        """Return a context manager and decorator that holds it inside, renewed; arguments as for `acquire`."""
        return Guard(self.acquire, acquire)
