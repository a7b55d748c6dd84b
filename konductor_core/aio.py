"""The asyncio library: `AsyncKonductor`, with the surface of `konductor_core.client` and `await` in front."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from konductor_core import identity
from konductor_core.async_handles import AsyncHandle
from konductor_core.async_latches import AsyncWaitGroup
from konductor_core.async_lease import Acquiring, AsyncGuard, AsyncLease, withdrawn_if_cancelled
from konductor_core.config import Settings
from konductor_core.drivers.aio import AsyncDriver
from konductor_core.flows import objects
from konductor_core.flows.leases import Hold
from konductor_core.latch_verbs import WaitGroupVerbs
from konductor_core.verbs import PATIENCE, BarrierVerbs, Caller, SemaphoreVerbs, several

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from konductor_core.flows.barriers import Arrived, Opened
    from konductor_core.flows.leases import Released
    from konductor_core.flows.objects import Defined
    from konductor_core.flows.steps import Progress
    from konductor_core.identity import Kind
    from konductor_core.models import BarrierSpec, BarrierStatus, Policy, SemaphoreSpec, SemaphoreStatus
    from konductor_core.verbs import Duration

    Notify = Callable[[Progress], None]

__all__ = ["AsyncBarrier", "AsyncKonductor", "AsyncSemaphore"]


class AsyncKonductor:
    """A connection to the objects of one namespace, for the tasks of one event loop; see `Konductor`.

    All broadcast waiters share one connection; every queued waiter has one of its own while it waits.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        namespace: str | None = None,
        holder: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        if settings is None:
            settings = Settings.load({"redis_url": url, "namespace": namespace})
        elif namespace is not None:
            settings = replace(settings, namespace=identity.check_namespace(namespace))
        self.settings = settings
        self.driver = AsyncDriver(self.settings)
        self._caller = Caller.of(self.settings, holder)

    @property
    def namespace(self) -> str:
        """The namespace of all objects reached from here."""
        return self.settings.namespace

    def semaphore(self, name: str) -> AsyncSemaphore:
        """Return the handle of a semaphore, whether it exists or not."""
        return AsyncSemaphore(self.driver, SemaphoreVerbs(self._caller, name))

    def barrier(self, name: str) -> AsyncBarrier:
        """Return the handle of a barrier, whether it exists or not."""
        return AsyncBarrier(self.driver, BarrierVerbs(self._caller, name))

    def waitgroup(self, name: str) -> AsyncWaitGroup:
        """Return the handle of a wait group, whether it exists or not."""
        return AsyncWaitGroup(self.driver, WaitGroupVerbs(self._caller, name))

    async def acquire(
        self,
        amounts: Mapping[str, int],
        ttl: Duration | None = None,
        timeout: Duration | None = None,  # noqa: ASYNC109 - by the flow's own deadline
        priority: int = 0,
        *,
        holder: str | None = None,
        renew: bool = False,
        must_exist: bool = False,
        force: bool = False,
        on_progress: Notify | None = None,
        on_lost: Callable[[AsyncLease], None] | None = None,
    ) -> list[AsyncLease]:
        """Get permits of several objects at once, all or none: `{"semaphore/gpu": 1, "semaphore/disk": 2}`.

        Returns a lease of each, sorted by name. The other arguments and the errors are those of `Semaphore.acquire`.
        """
        verbs, among = several(self._caller, amounts)
        ask = verbs[0].ask(1, ttl, priority, holder, force=force, among=among)
        async with withdrawn_if_cancelled(self.driver, ask):
            grant = await self.driver.run(verbs[0].acquire(ask, timeout, must_exist=must_exist), notify=on_progress)
            holds = [Hold.of(grant, each.keys, number) for number, each in enumerate(verbs)]
            return [AsyncLease(self.driver, hold, renewing=renew, on_lost=on_lost) for hold in holds]

    async def objects(self, kind: Kind | None = None) -> list[tuple[Kind, str]]:
        """Return kind and name of every object of the namespace, sorted."""
        return await self.driver.run(objects.list_objects(self.namespace, kind))

    async def close(self) -> None:
        """Close all connections."""
        await self.driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AsyncSemaphore(AsyncHandle):
    """A number of permits, held under leases; see `Semaphore`."""

    _verbs: SemaphoreVerbs

    def __init__(self, driver: AsyncDriver, verbs: SemaphoreVerbs) -> None:
        super().__init__(driver)
        self._verbs = verbs

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
    ) -> Acquiring:
        """Get permits, as `Semaphore.acquire` does: `await` it for a lease, or use it in `async with`."""

        async def take() -> AsyncLease:
            ask = self._verbs.ask(permits, ttl, priority, holder, force=force)
            async with withdrawn_if_cancelled(self._driver, ask):
                grant = await self._run(self._verbs.acquire(ask, timeout, must_exist=must_exist), on_progress)
                return AsyncLease(self._driver, Hold.of(grant, self._verbs.keys), renewing=renew, on_lost=on_lost)

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
        return AsyncLease(self._driver, hold, renewing=True, at_once=True, on_lost=on_lost)

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

    async def status(self) -> SemaphoreStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return await self._run(self._verbs.status())

    def guard(self, **acquire: Any) -> AsyncGuard:  # noqa: ANN401 - the arguments of acquire
        """Return an async context manager and decorator that holds a lease inside; arguments as for `acquire`."""
        return AsyncGuard(self.acquire, acquire)


class AsyncBarrier(AsyncHandle):
    """A number of arrivals that many wait for; see `Barrier`."""

    _verbs: BarrierVerbs

    def __init__(self, driver: AsyncDriver, verbs: BarrierVerbs) -> None:
        super().__init__(driver)
        self._verbs = verbs

    async def define(
        self,
        expected: int,
        quorum: int | None = None,
        timeout: Duration | None = None,  # noqa: ASYNC109 - the barrier's own
        *,
        cyclic: bool = False,
        labels: Mapping[str, str] | None = None,
        owner: str = "cli",
    ) -> Defined:
        """Create the barrier or bring it to this state. Raises `InvalidInput`, `Owned`."""
        return await self.define_spec(self._verbs.spec(expected, quorum, timeout, cyclic=cyclic), labels, owner)

    async def define_spec(
        self, spec: BarrierSpec, labels: Mapping[str, str] | None = None, owner: str = "cli"
    ) -> Defined:
        """Create the barrier or bring it to this spec. Raises `Owned`."""
        return await self._run(self._verbs.define(spec, labels, owner))

    async def arrive(
        self, holder: str | None = None, *, patience: Duration = PATIENCE, on_progress: Notify | None = None
    ) -> Arrived:
        """Arrive under an id that counts once. Raises `NotFound` after `patience`, `BarrierFailed`."""
        return await self._run(self._verbs.arrive(holder, patience), on_progress)

    async def wait(
        self,
        timeout: Duration | None = None,  # noqa: ASYNC109 - by the flow's own deadline, as in the sync library
        *,
        cycle: int | None = None,
        holder: str | None = None,
        must_exist: bool = False,
        on_progress: Notify | None = None,
    ) -> Opened:
        """Wait until it is open; see `Barrier.wait`."""
        return await self._run(self._verbs.wait(timeout, cycle, holder, must_exist=must_exist), on_progress)

    async def arrive_and_wait(
        self,
        holder: str | None = None,
        *,
        timeout: Duration | None = None,  # noqa: ASYNC109 - by the flow's own deadline
        patience: Duration = PATIENCE,
        on_progress: Notify | None = None,
    ) -> Opened:
        """Arrive, and wait until the cycle opens that this arrival counts in. Raises `Replaced` too."""
        return await self._run(self._verbs.arrive_and_wait(holder, timeout, patience), on_progress)

    async def status(self) -> BarrierStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return await self._run(self._verbs.status())
