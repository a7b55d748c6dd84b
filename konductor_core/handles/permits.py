"""The sync handles of what grants permits: what they share, and the semaphore."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, cast

from konductor_core.errors import KonductorError
from konductor_core.flows.leases import Hold
from konductor_core.handles.base import Handle
from konductor_core.lease import Guard, Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from konductor_core.drivers.sync import Driver
    from konductor_core.flows.leases import Released
    from konductor_core.flows.objects import Defined
    from konductor_core.flows.permits import Ask
    from konductor_core.handles.base import Notify
    from konductor_core.models import PermitStatus, Policy, SemaphoreSpec, SemaphoreStatus
    from konductor_core.permit_verbs import PermitVerbs, SemaphoreVerbs
    from konductor_core.verbs import Duration

__all__ = ["Asking", "PermitHandle", "Semaphore", "withdrawn_if_interrupted"]


class Asking(TypedDict, total=False):
    """The further arguments of everything that acquires; `Semaphore.acquire` says what they mean."""

    holder: str | None
    renew: bool
    must_exist: bool
    force: bool
    on_progress: Notify | None
    on_lost: Callable[[Lease], None] | None


@contextmanager
def withdrawn_if_interrupted(driver: Driver, ask: Ask) -> Iterator[None]:
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


class PermitHandle(Handle):
    """What everything that grants permits can do."""

    _verbs: PermitVerbs
    _lease: ClassVar[type[Lease]] = Lease

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
        on_lost: Callable[[Lease], None] | None = None,
        early: float = 0.0,
    ) -> Lease:
        """Get so many permits, whatever that is called for this kind; arguments as for `Semaphore.acquire`.

        A renewed lease is given up when the part `early` of its TTL is still left.
        """
        ask = self._verbs.ask(permits, ttl, priority, holder, force=force)
        with withdrawn_if_interrupted(self._driver, ask):
            grant = self._run(self._verbs.acquire(ask, timeout, must_exist=must_exist), on_progress)
            hold = Hold.of(grant, self._verbs.keys)
            return self._lease(self._driver, hold, renewing=renew, on_lost=on_lost, early=early)

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
        return self._lease(self._driver, hold, renewing=True, at_once=True, on_lost=on_lost)

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

    def status(self) -> PermitStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return self._run(self._verbs.status())


class Semaphore(PermitHandle):
    """A number of permits, held under leases. Every method raises `Unavailable` when Redis is."""

    _verbs: SemaphoreVerbs

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

    def status(self) -> SemaphoreStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return cast("SemaphoreStatus", super().status())

    def guard(self, **acquire: Any) -> Guard:  # noqa: ANN401 - the arguments of acquire
        """Return a context manager and decorator that holds a lease inside; arguments as for `acquire`."""
        return Guard(self.acquire, acquire)
