"""The asyncio handle of a lease object, and leadership by it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from konductor_core.async_lease import AsyncGuard
from konductor_core.errors import LeaseLost, Unavailable
from konductor_core.handles.async_locks import AsyncLockHandle
from konductor_core.handles.leases import EARLY

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Unpack

    from konductor_core.async_lease import Acquiring, AsyncLease
    from konductor_core.handles.async_permits import AsyncAsking
    from konductor_core.handles.base import Notify
    from konductor_core.models import LeaseStatus
    from konductor_core.verbs import Duration

__all__ = ["AsyncNamedLease"]

T = TypeVar("T")


class AsyncNamedLease(AsyncLockHandle):
    """A role that one holder has at a time; see `NamedLease`."""

    def acquire(
        self,
        ttl: Duration | None = None,
        timeout: Duration | None = None,
        priority: int = 0,
        **asking: Unpack[AsyncAsking],
    ) -> Acquiring[AsyncLease]:
        """Get it, as `NamedLease.acquire` does: `await` it for a lease, or use it in `async with`."""
        return self.take(1, ttl, timeout, priority, **asking)

    async def lead(
        self,
        serve: Callable[[AsyncLease], Coroutine[Any, Any, T]],
        ttl: Duration | None = None,
        timeout: Duration | None = None,  # noqa: ASYNC109 - by the flow's own deadline
        priority: int = 0,
        *,
        holder: str | None = None,
        on_progress: Notify | None = None,
    ) -> T:
        """Wait to become the leader, and await `serve` with the lease; return what it returns.

        `serve` is cancelled when the lease is lost, at the latest when a quarter of the TTL is still left; otherwise
        as `NamedLease.lead`.
        """
        while True:
            lease = await self.take(
                1, ttl, timeout, priority, holder=holder, renew=True, on_progress=on_progress, early=EARLY
            )
            try:
                task = await _until_lost(serve(lease), lease)
            finally:
                with suppress(Unavailable):  # the TTL frees it
                    await lease.release()
            if not lease.lost.is_set():
                return task.result()
            if not task.cancelled() and task.exception() and not isinstance(task.exception(), LeaseLost):
                return task.result()

    async def status(self) -> LeaseStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return cast("LeaseStatus", await super().status())

    def guard(self, **acquire: Any) -> AsyncGuard:  # noqa: ANN401 - the arguments of acquire
        """Return an async context manager and decorator that holds it inside; arguments as for `acquire`."""
        return AsyncGuard(self.acquire, acquire)


async def _until_lost(service: Coroutine[Any, Any, T], lease: AsyncLease) -> asyncio.Task[T]:
    """Run the service as a task until it ends or the lease is lost; return the task, done either way."""
    task, lost = asyncio.create_task(service), asyncio.create_task(lease.lost.wait())
    try:
        await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        lost.cancel()
        task.cancel()
        await asyncio.wait({task})
    return task
