"""The sync handles of Mutex and RWMutex."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from konductor_core.amounts import SHARES
from konductor_core.handles.permits import PermitHandle
from konductor_core.lease import Guard

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from konductor_core.flows.leases import Released
    from konductor_core.flows.objects import Defined
    from konductor_core.handles.permits import Asking
    from konductor_core.lease import Lease
    from konductor_core.models import LockSpec, MutexStatus, RWMutexStatus
    from konductor_core.permit_verbs import LockVerbs
    from konductor_core.verbs import Duration

__all__ = ["LockHandle", "Mutex", "RWMutex"]


class LockHandle(PermitHandle):
    """What the kinds with a fixed number of permits share."""

    _verbs: LockVerbs

    def define(
        self, ttl: Duration | None = None, *, labels: Mapping[str, str] | None = None, owner: str = "cli"
    ) -> Defined:
        """Create the object or bring it to this state. Raises `InvalidInput`, `Owned`."""
        return self.define_spec(self._verbs.spec(ttl), labels, owner)

    def define_spec(self, spec: LockSpec, labels: Mapping[str, str] | None = None, owner: str = "cli") -> Defined:
        """Create the object or bring it to this spec. Raises `Owned`."""
        return self._run(self._verbs.define(spec, labels, owner))


class Mutex(LockHandle):
    """A lock that one holder has at a time. Every method raises `Unavailable` when Redis is."""

    def lock(self, ttl: Duration | None = None, timeout: Duration | None = None, **asking: Unpack[Asking]) -> Lease:
        """Lock it: a `timeout` of None waits without end, 0 tries once; a `ttl` of None is the mutex's own.

        Who waits gets it in the order in which they asked. The other arguments and the errors are those of
        `Semaphore.acquire`. The same holder again gets the same lock with a new end.
        """
        return self.take(1, ttl, timeout, **asking)

    def unlock(self, holder: str | None = None, token: int | None = None) -> Released:
        """Unlock it, if the holder has it, and say which it was; doing so twice does no harm."""
        return self.release(holder, token)

    def status(self) -> MutexStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return cast("MutexStatus", super().status())

    def guard(self, **lock: Any) -> Guard:  # noqa: ANN401 - the arguments of lock
        """Return a context manager and decorator that holds the lock inside, renewed; arguments as for `lock`."""
        return Guard(self.lock, lock)


class RWMutex(LockHandle):
    """A lock that many have to read, or one to write. Every method raises `Unavailable` when Redis is."""

    def read(self, ttl: Duration | None = None, timeout: Duration | None = None, **asking: Unpack[Asking]) -> Lease:
        """Lock it for reading, beside other readers: a `timeout` of None waits without end, 0 tries once.

        A reader that comes after a waiting writer waits for that writer, so that neither side starves. The other
        arguments and the errors are those of `Semaphore.acquire`; raises `Denied` for a holder that writes.
        """
        return self.take(SHARES["read"], ttl, timeout, **asking)

    def write(self, ttl: Duration | None = None, timeout: Duration | None = None, **asking: Unpack[Asking]) -> Lease:
        """Lock it for writing, alone; as `read`. Raises `Denied` for a holder that reads: nothing is upgraded."""
        return self.take(SHARES["write"], ttl, timeout, **asking)

    def unlock(self, holder: str | None = None, token: int | None = None) -> Released:
        """Give back what the holder has, read or write, and say which it was; doing so twice does no harm."""
        return self.release(holder, token)

    def status(self) -> RWMutexStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return cast("RWMutexStatus", super().status())

    def read_guard(self, **read: Any) -> Guard:  # noqa: ANN401 - the arguments of read
        """Return a context manager and decorator that reads inside, renewed; arguments as for `read`."""
        return Guard(self.read, read)

    def write_guard(self, **write: Any) -> Guard:  # noqa: ANN401 - the arguments of write
        """Return a context manager and decorator that writes inside, renewed; arguments as for `write`."""
        return Guard(self.write, write)
