"""The sync handle of Once, and the lease under which it is run."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar, cast

from konductor_core.errors import AlreadyDone, KonductorError
from konductor_core.flows import onces
from konductor_core.handles.locks import LockHandle
from konductor_core.identity import TEXT_MAX
from konductor_core.lease import Lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core.flows.onces import Completed, Done
    from konductor_core.handles.base import Notify
    from konductor_core.handles.permits import Asking
    from konductor_core.models import OnceStatus
    from konductor_core.permit_verbs import OnceVerbs
    from konductor_core.verbs import Duration

__all__ = ["Once", "Run"]

T = TypeVar("T")


class Run(Lease):
    """The lease under which a once is run. As a context manager it completes at the end, and fails with an error."""

    _ended = False

    def complete(self, result: str = "") -> Completed:
        """Stop renewing, then note that it is done. Raises `LeaseLost`, `AlreadyDone`."""
        with self._lock:
            self._end_renewal()
            done = self._driver.run(
                onces.complete(self._hold.keys, self.holder, self.token, result, replicas=self._driver.replicas)
            )
            self._ended = True
            return done

    def fail(self, reason: str = "") -> None:
        """Stop renewing, then let another run it. Raises `LeaseLost`, `AlreadyDone`."""
        with self._lock:
            self._end_renewal()
            self._driver.run(onces.fail(self._hold.keys, self.holder, self.token, reason))
            self._ended = True

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._ended or self._process != os.getpid():
            return
        if kind is None:
            self.complete()
            return
        with suppress(KonductorError):  # what went wrong inside the block matters more, and the TTL ends the lease
            self.fail((str(error[0]) or kind.__name__)[:TEXT_MAX])


class Once(LockHandle):
    """Something that is done once. Every method raises `Unavailable` when Redis is."""

    _verbs: OnceVerbs
    _lease = Run

    def begin(
        self,
        ttl: Duration | None = None,
        timeout: Duration | None = None,
        *,
        holder: str | None = None,
        renew: bool = False,
        must_exist: bool = False,
        force: bool = False,
        on_progress: Notify | None = None,
        on_lost: Callable[[Lease], None] | None = None,
    ) -> Run:
        """Get the lease to run it; whoever runs it already is waited for: without end for a timeout of None.

        A timeout of 0 tries once. Raises `AlreadyDone`, and what `Semaphore.acquire` raises, whose other arguments
        these are.
        """
        asking: Asking = {
            "holder": holder,
            "renew": renew,
            "must_exist": must_exist,
            "force": force,
            "on_progress": on_progress,
            "on_lost": on_lost,
        }
        return cast("Run", self.take(1, ttl, timeout, **asking))

    def run(
        self,
        function: Callable[[], T],
        ttl: Duration | None = None,
        timeout: Duration | None = None,
        *,
        holder: str | None = None,
        on_progress: Notify | None = None,
    ) -> T | None:
        """Call the function if it has not been done, and return what that returns; else, and for all others, None.

        If another runs it, that is waited for; if that fails or dies, the function is called after all. An error of the
        function fails the run, and is raised. Text that it returns is the result that `status` shows.
        """
        try:
            run = self.begin(ttl, timeout, holder=holder, renew=True, on_progress=on_progress)
        except AlreadyDone:
            return None
        with run:
            value = function()
            run.complete(value if isinstance(value, str) else "")
            return value

    def complete(self, holder: str | None = None, token: int | None = None, *, result: str = "") -> Completed:
        """Note that it is done, as whoever runs it. Raises `AlreadyDone`, `LeaseLost`, `NotHolder`, `NotFound`."""
        return self._run(self._verbs.complete(holder, token, result))

    def fail(self, holder: str | None = None, token: int | None = None, *, reason: str = "") -> None:
        """Let another run it. Raises what `complete` raises."""
        self._run(self._verbs.fail(holder, token, reason))

    def wait(
        self,
        timeout: Duration | None = None,
        *,
        must_exist: bool = False,
        on_progress: Notify | None = None,
    ) -> Done:
        """Wait until it is done, without running it: without end for a timeout of None, 0 looks once.

        Raises `WaitTimeout`, `NotFound`.
        """
        return self._run(self._verbs.wait(timeout, must_exist=must_exist), on_progress)

    def status(self) -> OnceStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return cast("OnceStatus", super().status())
