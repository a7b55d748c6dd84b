"""The asyncio handles of what grants permits: what they share, and the semaphore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, cast

from konductor_core.async_lease import Acquiring, AsyncGuard, AsyncLease, withdrawn_if_cancelled
from konductor_core.flows.leases import Hold
from konductor_core.handles.async_base import AsyncHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from konductor_core.flows.leases import Released
    from konductor_core.flows.objects import Defined
    from konductor_core.handles.base import Notify
    from konductor_core.models import PermitStatus, Policy, SemaphoreSpec, SemaphoreStatus
    from konductor_core.permit_verbs import PermitVerbs, SemaphoreVerbs
    from konductor_core.verbs import Duration

__all__ = ["AsyncAsking", "AsyncPermitHandle", "AsyncSemaphore"]


class AsyncAsking(TypedDict, total=False):
    """The further arguments of everything that acquires; `Semaphore.acquire` says what they mean."""

    holder: str | None
    renew: bool
    must_exist: bool
    force: bool
    on_progress: Notify | None
    on_lost: Callable[[AsyncLease], None] | None


class AsyncPermitHandle(AsyncHandle):
    """What everything that grants permits can do."""

    _verbs: PermitVerbs
    _lease: ClassVar[type[AsyncLease]] = AsyncLease

    def take(
        self,
        permits: int,
        ttl: Duration | None = None,
        timeout: Duration | None = None,
        priority: int = 0,
        *,
        holder: str | None = None,
        renew: bool = False,
        must_exist: bool = False,
        force: bool = False,
        on_progress: Notify | None = None,
        on_lost: Callable[[AsyncLease], None] | None = None,
        early: float = 0.0,
    ) -> Acquiring[AsyncLease]:
        """Get so many permits, whatever that is called for this kind; see `PermitHandle.take`."""

        async def take() -> AsyncLease:
            ask = self._verbs.ask(permits, ttl, priority, holder, force=force)
            async with withdrawn_if_cancelled(self._driver, ask):
                grant = await self._run(self._verbs.acquire(ask, timeout, must_exist=must_exist), on_progress)
                hold = Hold.of(grant, self._verbs.keys)
                return self._lease(self._driver, hold, renewing=renew, on_lost=on_lost, early=early)

        return Acquiring(take)

    def adopt(
        self,
        holder: str,
        token: int,
        permits: int = 1,
        *,
        ttl: Duration,
        expires_in: float,
        on_lost: Callable[[AsyncLease], None] | None = None,
    ) -> AsyncLease:
        """Go on with a lease that another process acquired: it is renewed at once, and kept renewed from then on.

        `expires_in` are the seconds that are surely left of it, infinite without an end. If it is lost already,
        `AsyncLease.lost` is set soon.
        """
        hold = self._verbs.held(holder, token, permits, ttl, expires_in)
        return self._lease(self._driver, hold, renewing=True, at_once=True, on_lost=on_lost)

    async def report_lost(self, holder: str, token: int, detail: str = "") -> None:
        """Note in the history that the holder has found its lease lost. Raises `NotFound`."""
        await self._run(self._verbs.report_lost(holder, token, detail))

    async def renew(
        self, holder: str | None = None, token: int | None = None, ttl: Duration | None = None
    ) -> AsyncLease:
        """Give a lease a new end; a `ttl` of None is the one it had. Raises `LeaseLost`, `NotFound`."""
        return AsyncLease(self._driver, await self._run(self._verbs.renew(holder, token, ttl)))

    async def release(self, holder: str | None = None, token: int | None = None) -> Released:
        """Give back what the holder holds, and say which it was; doing so twice does no harm."""
        return await self._run(self._verbs.release(holder, token))

    async def force_release(self, holder: str) -> Released:
        """Take away what another holds; it learns so when it next renews."""
        return await self._run(self._verbs.release(holder, None, "force-released"))

    async def status(self) -> PermitStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return await self._run(self._verbs.status())


class AsyncSemaphore(AsyncPermitHandle):
    """A number of permits, held under leases; see `Semaphore`."""

    _verbs: SemaphoreVerbs

    async def define(
        self,
        permits: int,
        ttl: Duration | None = None,
        policy: Policy = "Strict",
        max_bypass: Duration | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        owner: str = "cli",
    ) -> Defined:
        """Create the semaphore or bring it to this state. Raises `InvalidInput`, `Owned`."""
        return await self.define_spec(self._verbs.spec(permits, ttl, policy, max_bypass), labels, owner)

    async def define_spec(
        self, spec: SemaphoreSpec, labels: Mapping[str, str] | None = None, owner: str = "cli"
    ) -> Defined:
        """Create the semaphore or bring it to this spec. Raises `Owned`."""
        return await self._run(self._verbs.define(spec, labels, owner))

    def acquire(
        self,
        permits: int = 1,
        ttl: Duration | None = None,
        timeout: Duration | None = None,
        priority: int = 0,
        *,
        holder: str | None = None,
        renew: bool = False,
        must_exist: bool = False,
        force: bool = False,
        on_progress: Notify | None = None,
        on_lost: Callable[[AsyncLease], None] | None = None,
    ) -> Acquiring[AsyncLease]:
        """Get permits, as `Semaphore.acquire` does: `await` it for a lease, or use it in `async with`."""
        return self.take(
            permits,
            ttl,
            timeout,
            priority,
            holder=holder,
            renew=renew,
            must_exist=must_exist,
            force=force,
            on_progress=on_progress,
            on_lost=on_lost,
        )

    async def status(self) -> SemaphoreStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return cast("SemaphoreStatus", await super().status())

    def guard(self, **acquire: Any) -> AsyncGuard:  # noqa: ANN401 - the arguments of acquire
        """Return an async context manager and decorator that holds a lease inside; arguments as for `acquire`."""
        return AsyncGuard(self.acquire, acquire)
