"""The asyncio handles of Mutex and RWMutex."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from konductor_core.amounts import SHARES
from konductor_core.async_lease import AsyncGuard
from konductor_core.handles.async_permits import AsyncPermitHandle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from konductor_core.async_lease import Acquiring, AsyncLease
    from konductor_core.flows.leases import Released
    from konductor_core.flows.objects import Defined
    from konductor_core.handles.async_permits import AsyncAsking
    from konductor_core.models import LockSpec, MutexStatus, RWMutexStatus
    from konductor_core.permit_verbs import LockVerbs
    from konductor_core.verbs import Duration

__all__ = ["AsyncLockHandle", "AsyncMutex", "AsyncRWMutex"]


class AsyncLockHandle(AsyncPermitHandle):
    """What the kinds with a fixed number of permits share."""

    _verbs: LockVerbs

    async def define(
        self, ttl: Duration | None = None, *, labels: Mapping[str, str] | None = None, owner: str = "cli"
    ) -> Defined:
        """Create the object or bring it to this state. Raises `InvalidInput`, `Owned`."""
        return await self.define_spec(self._verbs.spec(ttl), labels, owner)

    async def define_spec(self, spec: LockSpec, labels: Mapping[str, str] | None = None, owner: str = "cli") -> Defined:
        """Create the object or bring it to this spec. Raises `Owned`."""
        return await self._run(self._verbs.define(spec, labels, owner))


class AsyncMutex(AsyncLockHandle):
    """A lock that one holder has at a time; see `Mutex`."""

    def lock(
        self, ttl: Duration | None = None, timeout: Duration | None = None, **asking: Unpack[AsyncAsking]
    ) -> Acquiring[AsyncLease]:
        """Lock it, as `Mutex.lock` does: `await` it for a lease, or use it in `async with`."""
        return self.take(1, ttl, timeout, **asking)

    async def unlock(self, holder: str | None = None, token: int | None = None) -> Released:
        """Unlock it, if the holder has it, and say which it was; doing so twice does no harm."""
        return await self.release(holder, token)

    async def status(self) -> MutexStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return cast("MutexStatus", await super().status())

    def guard(self, **lock: Any) -> AsyncGuard:  # noqa: ANN401 - the arguments of lock
        """Return an async context manager and decorator that holds the lock inside; arguments as for `lock`."""
        return AsyncGuard(self.lock, lock)


class AsyncRWMutex(AsyncLockHandle):
    """A lock that many have to read, or one to write; see `RWMutex`."""

    def read(
        self, ttl: Duration | None = None, timeout: Duration | None = None, **asking: Unpack[AsyncAsking]
    ) -> Acquiring[AsyncLease]:
        """Lock it for reading, as `RWMutex.read` does: `await` it for a lease, or use it in `async with`."""
        return self.take(SHARES["read"], ttl, timeout, **asking)

    def write(
        self, ttl: Duration | None = None, timeout: Duration | None = None, **asking: Unpack[AsyncAsking]
    ) -> Acquiring[AsyncLease]:
        """Lock it for writing, as `RWMutex.write` does: `await` it for a lease, or use it in `async with`."""
        return self.take(SHARES["write"], ttl, timeout, **asking)

    async def unlock(self, holder: str | None = None, token: int | None = None) -> Released:
        """Give back what the holder has, read or write, and say which it was; doing so twice does no harm."""
        return await self.release(holder, token)

    async def status(self) -> RWMutexStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return cast("RWMutexStatus", await super().status())

    def read_guard(self, **read: Any) -> AsyncGuard:  # noqa: ANN401 - the arguments of read
        """Return an async context manager and decorator that reads inside; arguments as for `read`."""
        return AsyncGuard(self.read, read)

    def write_guard(self, **write: Any) -> AsyncGuard:  # noqa: ANN401 - the arguments of write
        """Return an async context manager and decorator that writes inside; arguments as for `write`."""
        return AsyncGuard(self.write, write)
