"""The asyncio handle of Once, and the lease under which it is run."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar, cast

from konductor_core.async_lease import AsyncLease
from konductor_core.errors import AlreadyDone, KonductorError
from konductor_core.flows import onces
from konductor_core.handles.async_locks import AsyncLockHandle
from konductor_core.identity import TEXT_MAX

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from konductor_core.async_lease import Acquiring
    from konductor_core.flows.onces import Completed, Done
    from konductor_core.handles.async_permits import AsyncAsking
    from konductor_core.handles.base import Notify
    from konductor_core.models import OnceStatus
    from konductor_core.permit_verbs import OnceVerbs
    from konductor_core.verbs import Duration

__all__ = ["AsyncOnce", "AsyncRun"]

T = TypeVar("T")


class AsyncRun(AsyncLease):
    """The lease under which a once is run; see `Run`."""

    _ended = False

    async def complete(self, result: str = "") -> Completed:
        """Stop renewing, then note that it is done. Raises `LeaseLost`, `AlreadyDone`."""
        async with self._lock:
            await self._end_renewal()
            done = await self._driver.run(
                onces.complete(self._hold.keys, self.holder, self.token, result, replicas=self._driver.replicas)
            )
            self._ended = True
            return done

    async def fail(self, reason: str = "") -> None:
        """Stop renewing, then let another run it. Raises `LeaseLost`, `AlreadyDone`."""
        async with self._lock:
            await self._end_renewal()
            await self._driver.run(onces.fail(self._hold.keys, self.holder, self.token, reason))
            self._ended = True

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._ended:
            return
        if kind is None:
            await self.complete()
            return
        with suppress(KonductorError):  # what went wrong inside the block matters more, and the TTL ends the lease
            await self.fail((str(error[0]) or kind.__name__)[:TEXT_MAX])


class AsyncOnce(AsyncLockHandle):
    """Something that is done once; see `Once`."""

    _verbs: OnceVerbs
    _lease = AsyncRun

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
        on_lost: Callable[[AsyncLease], None] | None = None,
    ) -> Acquiring[AsyncRun]:
        """Get the lease to run it, as `Once.begin` does: `await` it, or use it in `async with`."""
        asking: AsyncAsking = {
            "holder": holder,
            "renew": renew,
            "must_exist": must_exist,
            "force": force,
            "on_progress": on_progress,
            "on_lost": on_lost,
        }
        return cast("Acquiring[AsyncRun]", self.take(1, ttl, timeout, **asking))

    async def run(
        self,
        function: Callable[[], Awaitable[T]],
        ttl: Duration | None = None,
        timeout: Duration | None = None,  # noqa: ASYNC109 - by the flow's own deadline
        *,
        holder: str | None = None,
        on_progress: Notify | None = None,
    ) -> T | None:
        """Await the coroutine function's result if it has not been done, else return None; see `Once.run`."""
        try:
            run = await self.begin(ttl, timeout, holder=holder, renew=True, on_progress=on_progress)
        except AlreadyDone:
            return None
        async with run:
            value = await function()
            await run.complete(value if isinstance(value, str) else "")
            return value

    async def complete(self, holder: str | None = None, token: int | None = None, *, result: str = "") -> Completed:
        """Note that it is done, as whoever runs it. Raises `AlreadyDone`, `LeaseLost`, `NotHolder`, `NotFound`."""
        return await self._run(self._verbs.complete(holder, token, result))

    async def fail(self, holder: str | None = None, token: int | None = None, *, reason: str = "") -> None:
        """Let another run it. Raises what `complete` raises."""
        await self._run(self._verbs.fail(holder, token, reason))

    async def wait(
        self,
        timeout: Duration | None = None,  # noqa: ASYNC109 - by the flow's own deadline
        *,
        must_exist: bool = False,
        on_progress: Notify | None = None,
    ) -> Done:
        """Wait until it is done, without running it; see `Once.wait`."""
        return await self._run(self._verbs.wait(timeout, must_exist=must_exist), on_progress)

    async def status(self) -> OnceStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return cast("OnceStatus", await super().status())
