"""The asyncio library: `AsyncKonductor`, with the surface of `konductor_core.client` and `await` in front."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

from konductor_core import identity
from konductor_core.amounts import leased_object
from konductor_core.async_lease import Acquiring, withdrawn_if_cancelled
from konductor_core.async_leases import AsyncLeases
from konductor_core.config import Settings
from konductor_core.drivers.aio import AsyncDriver
from konductor_core.flows import objects, scenes
from konductor_core.flows.leases import Hold
from konductor_core.handles.async_barrier import AsyncBarrier
from konductor_core.handles.async_latches import AsyncGate, AsyncWaitGroup
from konductor_core.handles.async_leases import AsyncNamedLease
from konductor_core.handles.async_locks import AsyncMutex, AsyncRWMutex
from konductor_core.handles.async_once import AsyncOnce
from konductor_core.handles.async_permits import AsyncPermitHandle, AsyncSemaphore
from konductor_core.latch_verbs import GateVerbs, WaitGroupVerbs
from konductor_core.permit_verbs import LeaseVerbs, MutexVerbs, OnceVerbs, RWMutexVerbs, SemaphoreVerbs, several
from konductor_core.verbs import BarrierVerbs, Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from konductor_core.async_lease import AsyncLease
    from konductor_core.explaining.explanation import Explanation
    from konductor_core.handles.base import Notify
    from konductor_core.identity import Kind
    from konductor_core.verbs import Duration

__all__ = ["AsyncKonductor", "AsyncSemaphore"]


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

    def lease(self, name: str) -> AsyncNamedLease:
        """Return the handle of a lease object, whether it exists or not."""
        return AsyncNamedLease(self.driver, LeaseVerbs(self._caller, name))

    def mutex(self, name: str) -> AsyncMutex:
        """Return the handle of a mutex, whether it exists or not."""
        return AsyncMutex(self.driver, MutexVerbs(self._caller, name))

    def rwmutex(self, name: str) -> AsyncRWMutex:
        """Return the handle of an RWMutex, whether it exists or not."""
        return AsyncRWMutex(self.driver, RWMutexVerbs(self._caller, name))

    def permits(self, ref: str) -> AsyncPermitHandle:
        """Return the handle of what grants permits, named like `mutex/x`. Raises `InvalidInput` for another kind."""
        kind, name = leased_object(ref)
        handle: AsyncPermitHandle = getattr(self, kind.key)(name)
        return handle

    def barrier(self, name: str) -> AsyncBarrier:
        """Return the handle of a barrier, whether it exists or not."""
        return AsyncBarrier(self.driver, BarrierVerbs(self._caller, name))

    def once(self, name: str) -> AsyncOnce:
        """Return the handle of what is done once, whether it exists or not."""
        return AsyncOnce(self.driver, OnceVerbs(self._caller, name))

    def gate(self, name: str) -> AsyncGate:
        """Return the handle of a gate, whether it exists or not."""
        return AsyncGate(self.driver, GateVerbs(self._caller, name))

    def waitgroup(self, name: str) -> AsyncWaitGroup:
        """Return the handle of a wait group, whether it exists or not."""
        return AsyncWaitGroup(self.driver, WaitGroupVerbs(self._caller, name))

    def acquire_all(
        self,
        amounts: Mapping[str, int | str],
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
    ) -> Acquiring[AsyncLeases]:
        """Get several at once, all or none: `{"semaphore/gpu": 2, "mutex/index": 1, "rwmutex/warehouse": "read"}`.

        `await` it for a lease of each, sorted by name, or hold them inside `async with`. Nothing is held while it
        waits, so that whoever asks in whatever order never blocks another for ever. The other arguments and the errors
        are those of `Semaphore.acquire`.
        """

        async def take() -> AsyncLeases:
            verbs, among = several(self._caller, amounts)
            ask = verbs[0].ask(1, ttl, priority, holder, force=force, among=among)
            async with withdrawn_if_cancelled(self.driver, ask):
                grant = await self.driver.run(verbs[0].acquire(ask, timeout, must_exist=must_exist), notify=on_progress)
                holds = [Hold.of(grant, each.keys, number) for number, each in enumerate(verbs)]
                return AsyncLeases(self.driver, holds, renewing=renew, on_lost=on_lost)

        return Acquiring(take)

    async def objects(self, kind: Kind | None = None) -> list[tuple[Kind, str]]:
        """Return kind and name of every object of the namespace, sorted."""
        return await self.driver.run(objects.list_objects(self.namespace, kind))

    async def explain(self, what: str) -> Explanation:
        """Explain why something waits; see `Konductor.explain`."""
        from konductor_core.explaining.explanation import explain, ref_of

        return explain(await self.driver.run(scenes.read_scene(self.namespace, ref_of(what))), what)

    async def close(self) -> None:
        """Close all connections."""
        await self.driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
