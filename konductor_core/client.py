"""The sync library: `Konductor` and its handles. `konductor_core.aio` has the same surface for asyncio."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from konductor_core import identity, keys
from konductor_core.config import Settings
from konductor_core.drivers.sync import Driver
from konductor_core.errors import KonductorError
from konductor_core.flows import objects
from konductor_core.flows.leases import Hold
from konductor_core.handles import Handle
from konductor_core.latch_verbs import WaitGroupVerbs
from konductor_core.latches import WaitGroup
from konductor_core.lease import Guard, Lease
from konductor_core.verbs import PATIENCE, BarrierVerbs, Caller, SemaphoreVerbs, several

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from konductor_core.flows.barriers import Arrived, Opened
    from konductor_core.flows.leases import Released
    from konductor_core.flows.objects import Defined
    from konductor_core.flows.permits import Ask
    from konductor_core.flows.steps import Progress
    from konductor_core.identity import Kind
    from konductor_core.models import BarrierSpec, BarrierStatus, Policy, SemaphoreSpec, SemaphoreStatus
    from konductor_core.verbs import Duration

    Notify = Callable[[Progress], None]

__all__ = ["Barrier", "Konductor", "Semaphore"]


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

    def barrier(self, name: str) -> Barrier:
        """Return the handle of a barrier, whether it exists or not."""
        return Barrier(self.driver, BarrierVerbs(self._caller, name))

    def waitgroup(self, name: str) -> WaitGroup:
        """Return the handle of a wait group, whether it exists or not."""
        return WaitGroup(self.driver, WaitGroupVerbs(self._caller, name))

    def acquire(
        self,
        amounts: Mapping[str, int],
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
    ) -> list[Lease]:
        """Get permits of several objects at once, all or none: `{"semaphore/gpu": 1, "semaphore/disk": 2}`.

        Returns a lease of each, sorted by name. The other arguments and the errors are those of `Semaphore.acquire`.
        """
        verbs, among = several(self._caller, amounts)
        ask = verbs[0].ask(1, ttl, priority, holder, force=force, among=among)
        with _withdrawn_if_interrupted(self.driver, ask):
            grant = self.driver.run(verbs[0].acquire(ask, timeout, must_exist=must_exist), notify=on_progress)
            holds = [Hold.of(grant, each.keys, number) for number, each in enumerate(verbs)]
            return [Lease(self.driver, hold, renewing=renew, on_lost=on_lost) for hold in holds]

    def objects(self, kind: Kind | None = None) -> list[tuple[Kind, str]]:
        """Return kind and name of every object of the namespace, sorted."""
        return self.driver.run(objects.list_objects(self.namespace, kind))

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


@contextmanager
def _withdrawn_if_interrupted(driver: Driver, ask: Ask) -> Iterator[None]:
    """Cancel the request when a signal ends the block, perhaps at a moment that the flow did not see."""
    try:
        yield
    except Exception:
        raise
    except BaseException:
        if not ask.cancelled:
            with suppress(KonductorError):
                driver.call(ask.cancel("cancelled"))
        raise


class Semaphore(Handle):
    """A number of permits, held under leases. Every method raises `Unavailable` when Redis is."""

    _verbs: SemaphoreVerbs

    def __init__(self, driver: Driver, verbs: SemaphoreVerbs) -> None:
        super().__init__(driver)
        self._verbs = verbs

    def define(
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
        return self.define_spec(self._verbs.spec(permits, ttl, policy, max_bypass), labels, owner)

    def define_spec(self, spec: SemaphoreSpec, labels: Mapping[str, str] | None = None, owner: str = "cli") -> Defined:
        """Create the semaphore or bring it to this spec. Raises `Owned`."""
        return self._run(self._verbs.define(spec, labels, owner))

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
        on_lost: Callable[[Lease], None] | None = None,
    ) -> Lease:
        """Get permits: a `timeout` of None waits without end, 0 tries once; a `ttl` of None is the semaphore's own.

        With `renew`, a thread renews at a third of the TTL until release; when the lease is lost all the same, it
        sets `Lease.lost` and calls `on_lost`. Raises `WouldBlock`, `WaitTimeout`, `Impossible`, `NotFound` (a try, or
        `must_exist`), `AlreadyWaiting`, `InvalidInput`.
        """
        ask = self._verbs.ask(permits, ttl, priority, holder, force=force)
        with _withdrawn_if_interrupted(self._driver, ask):
            grant = self._run(self._verbs.acquire(ask, timeout, must_exist=must_exist), on_progress)
            return Lease(self._driver, Hold.of(grant, self._verbs.keys), renewing=renew, on_lost=on_lost)

    def adopt(
        self,
        holder: str,
        token: int,
        permits: int = 1,
        *,
        ttl: Duration,
        expires_in: float,
        on_lost: Callable[[Lease], None] | None = None,
    ) -> Lease:
        """Go on with a lease that another process acquired: it is renewed at once, and kept renewed from then on.

        `expires_in` are the seconds that are surely left of it, infinite without an end. If it is lost already,
        `Lease.lost` is set soon.
        """
        hold = self._verbs.held(holder, token, permits, ttl, expires_in)
        return Lease(self._driver, hold, renewing=True, at_once=True, on_lost=on_lost)

    def report_lost(self, holder: str, token: int, detail: str = "") -> None:
        """Note in the history that the holder has found its lease lost. Raises `NotFound`."""
        self._run(self._verbs.report_lost(holder, token, detail))

    def renew(self, holder: str | None = None, token: int | None = None, ttl: Duration | None = None) -> Lease:
        """Give a lease a new end; a `ttl` of None is the one it had. Raises `LeaseLost`, `NotFound`."""
        return Lease(self._driver, self._run(self._verbs.renew(holder, token, ttl)))

    def release(self, holder: str | None = None, token: int | None = None) -> Released:
        """Give back what the holder holds, and say which it was; doing so twice does no harm."""
        return self._run(self._verbs.release(holder, token))

    def force_release(self, holder: str) -> Released:
        """Take away what another holds; it learns so when it next renews."""
        return self._run(self._verbs.release(holder, None, "force-released"))

    def status(self) -> SemaphoreStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return self._run(self._verbs.status())

    def guard(self, **acquire: Any) -> Guard:  # noqa: ANN401 - the arguments of acquire
        """Return a context manager and decorator that holds a lease inside; arguments as for `acquire`."""
        return Guard(self.acquire, acquire)


class Barrier(Handle):
    """A number of arrivals that many wait for. Every method raises `Unavailable` when Redis is."""

    _verbs: BarrierVerbs

    def __init__(self, driver: Driver, verbs: BarrierVerbs) -> None:
        super().__init__(driver)
        self._verbs = verbs

    def define(
        self,
        expected: int,
        quorum: int | None = None,
        timeout: Duration | None = None,
        *,
        cyclic: bool = False,
        labels: Mapping[str, str] | None = None,
        owner: str = "cli",
    ) -> Defined:
        """Create the barrier or bring it to this state. Raises `InvalidInput`, `Owned`."""
        return self.define_spec(self._verbs.spec(expected, quorum, timeout, cyclic=cyclic), labels, owner)

    def define_spec(self, spec: BarrierSpec, labels: Mapping[str, str] | None = None, owner: str = "cli") -> Defined:
        """Create the barrier or bring it to this spec. Raises `Owned`."""
        return self._run(self._verbs.define(spec, labels, owner))

    def arrive(
        self, holder: str | None = None, *, patience: Duration = PATIENCE, on_progress: Notify | None = None
    ) -> Arrived:
        """Arrive under an id that counts once; `patience` is for a barrier that does not exist yet.

        Raises `NotFound`, `BarrierFailed`.
        """
        return self._run(self._verbs.arrive(holder, patience), on_progress)

    def wait(
        self,
        timeout: Duration | None = None,
        *,
        cycle: int | None = None,
        holder: str | None = None,
        must_exist: bool = False,
        on_progress: Notify | None = None,
    ) -> Opened:
        """Wait until it is open; of a cyclic one, for `cycle`, else the holder's last, else the current one.

        A `timeout` of None waits without end, 0 looks once. Raises `WaitTimeout`, `BarrierFailed`, `NotFound`.
        """
        return self._run(self._verbs.wait(timeout, cycle, holder, must_exist=must_exist), on_progress)

    def arrive_and_wait(
        self,
        holder: str | None = None,
        *,
        timeout: Duration | None = None,
        patience: Duration = PATIENCE,
        on_progress: Notify | None = None,
    ) -> Opened:
        """Arrive, and wait until the cycle opens that this arrival counts in. Raises `Replaced` too."""
        return self._run(self._verbs.arrive_and_wait(holder, timeout, patience), on_progress)

    def status(self) -> BarrierStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return self._run(self._verbs.status())
