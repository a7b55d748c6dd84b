"""The sync library: `Konductor` and its handles. `konductor_core.aio` has the same surface for asyncio."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

from konductor_core import identity, keys
from konductor_core.amounts import leased_object
from konductor_core.config import Settings
from konductor_core.drivers.sync import Driver
from konductor_core.flows import objects, scenes
from konductor_core.flows.leases import Hold
from konductor_core.handles.barrier import Barrier
from konductor_core.handles.latches import Gate, WaitGroup
from konductor_core.handles.leases import NamedLease
from konductor_core.handles.locks import Mutex, RWMutex
from konductor_core.handles.once import Once
from konductor_core.handles.permits import PermitHandle, Semaphore, withdrawn_if_interrupted
from konductor_core.latch_verbs import GateVerbs, WaitGroupVerbs
from konductor_core.leases import Leases
from konductor_core.permit_verbs import LeaseVerbs, MutexVerbs, OnceVerbs, RWMutexVerbs, SemaphoreVerbs, several
from konductor_core.verbs import BarrierVerbs, Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from konductor_core.explaining.explanation import Explanation
    from konductor_core.handles.base import Notify
    from konductor_core.identity import Kind
    from konductor_core.lease import Lease
    from konductor_core.verbs import Duration

__all__ = ["Konductor"]


class Konductor:
    """A connection to the objects of one namespace; threads may share it. Use it as a context manager, or close it.

    Every argument has koncli's default: flags are replaced by these arguments, then come KONDUCTOR_* variables, the
    config file, the surroundings. Without a `holder`, every lease gets one of its own. Raises `InvalidInput`.
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
        self.driver = Driver(self.settings)
        self._caller = Caller.of(self.settings, holder)

    @property
    def namespace(self) -> str:
        """The namespace of all objects reached from here."""
        return self.settings.namespace

    def semaphore(self, name: str) -> Semaphore:
        """Return the handle of a semaphore, whether it exists or not."""
        return Semaphore(self.driver, SemaphoreVerbs(self._caller, name))

    def lease(self, name: str) -> NamedLease:
        """Return the handle of a lease object, whether it exists or not."""
        return NamedLease(self.driver, LeaseVerbs(self._caller, name))

    def mutex(self, name: str) -> Mutex:
        """Return the handle of a mutex, whether it exists or not."""
        return Mutex(self.driver, MutexVerbs(self._caller, name))

    def rwmutex(self, name: str) -> RWMutex:
        """Return the handle of an RWMutex, whether it exists or not."""
        return RWMutex(self.driver, RWMutexVerbs(self._caller, name))

    def permits(self, ref: str) -> PermitHandle:
        """Return the handle of what grants permits, named like `mutex/x`. Raises `InvalidInput` for another kind."""
        kind, name = leased_object(ref)
        handle: PermitHandle = getattr(self, kind.key)(name)
        return handle

    def barrier(self, name: str) -> Barrier:
        """Return the handle of a barrier, whether it exists or not."""
        return Barrier(self.driver, BarrierVerbs(self._caller, name))

    def once(self, name: str) -> Once:
        """Return the handle of what is done once, whether it exists or not."""
        return Once(self.driver, OnceVerbs(self._caller, name))

    def gate(self, name: str) -> Gate:
        """Return the handle of a gate, whether it exists or not."""
        return Gate(self.driver, GateVerbs(self._caller, name))

    def waitgroup(self, name: str) -> WaitGroup:
        """Return the handle of a wait group, whether it exists or not."""
        return WaitGroup(self.driver, WaitGroupVerbs(self._caller, name))

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
        on_lost: Callable[[Lease], None] | None = None,
    ) -> Leases:
        """Get several at once, all or none: `{"semaphore/gpu": 2, "mutex/index": 1, "rwmutex/warehouse": "read"}`.

        Returns a lease of each, sorted by name, to hold them inside `with`. Nothing is held while it waits, so that
        whoever asks in whatever order never blocks another for ever. The other arguments and the errors are those of
        `Semaphore.acquire`.
        """
        verbs, among = several(self._caller, amounts)
        ask = verbs[0].ask(1, ttl, priority, holder, force=force, among=among)
        with withdrawn_if_interrupted(self.driver, ask):
            grant = self.driver.run(verbs[0].acquire(ask, timeout, must_exist=must_exist), notify=on_progress)
            holds = [Hold.of(grant, each.keys, number) for number, each in enumerate(verbs)]
            return Leases.of(self.driver, holds, renewing=renew, on_lost=on_lost)

    def objects(self, kind: Kind | None = None) -> list[tuple[Kind, str]]:
        """Return kind and name of every object of the namespace, sorted."""
        return self.driver.run(objects.list_objects(self.namespace, kind))

    def explain(self, what: str) -> Explanation:
        """Explain why something waits: an object as `kind/name`, or what a pod or holder waits for.

        Its `to_dict()` is the JSON of `koncli explain`. Reads all objects of the namespace, up to 2,000. Raises
        `NotFound` for a name that nobody holds, waits or has arrived under.
        """
        from konductor_core.explaining.explanation import explain, ref_of

        return explain(self.driver.run(scenes.read_scene(self.namespace, ref_of(what))), what)

    def nudges(self, interval: float = 1.0) -> Generator[tuple[Kind, str] | None]:
        """Yield each object as it changes, and None after every `interval` seconds without a change.

        It also yields None at the start, once it listens, and after a lost connection: look at everything then. Its
        `close` gives the connection back; so does its end.
        """
        return self.driver.listen(keys.nudge(self.namespace), interval)

    def close(self) -> None:
        """Close all connections; leases that are being renewed are not any more."""
        self.driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
