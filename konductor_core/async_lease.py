"""A lease in the hands of a task: renewed by another task if wished, released at the end of an `async with` block."""

from __future__ import annotations

import asyncio
from contextlib import AsyncContextDecorator
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from konductor_core.durations import to_ms
from konductor_core.errors import LeaseLost
from konductor_core.flows import leases
from konductor_core.flows.leases import Hold, Released

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import TracebackType

    from konductor_core.drivers.aio import AsyncDriver
    from konductor_core.verbs import Duration

__all__ = ["Acquiring", "AsyncGuard", "AsyncLease"]


class AsyncLease:
    """A holder's permits; see `Lease`. `lost` is an `asyncio.Event`."""

    def __init__(
        self,
        driver: AsyncDriver,
        hold: Hold,
        *,
        renewing: bool = False,
        on_lost: Callable[[AsyncLease], None] | None = None,
    ) -> None:
        self._driver = driver
        self._hold = hold
        self._on_lost = on_lost
        self._stop = asyncio.Event()
        self.lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        if renewing and hold.ttl_ms:
            self._task = asyncio.create_task(self._keep(), name=f"konductor-renew-{hold.keys.name}")

    @property
    def holder(self) -> str:
        """Who holds."""
        return self._hold.holder

    @property
    def permits(self) -> int:
        """How many permits."""
        return self._hold.permits

    @property
    def token(self) -> int:
        """The fencing token: hand it to what you write to, and let that refuse smaller ones."""
        return self._hold.token

    @property
    def ttl_ms(self) -> int:
        """The TTL in milliseconds; 0 has no end."""
        return self._hold.ttl_ms

    @property
    def expires_in(self) -> float:
        """Seconds for which the lease is surely held, by this process's clock; 0 when lost, infinite without end."""
        return 0.0 if self.lost.is_set() else max(0.0, self._hold.deadline - monotonic())

    async def renew(self, ttl: Duration | None = None) -> AsyncLease:
        """Give the lease a new end from now. Raises `LeaseLost`."""
        ttl_ms = self._hold.ttl_ms if ttl is None else to_ms(ttl, what="ttl")
        try:
            renewed = await self._driver.run(leases.renew(self._hold.keys, self.holder, self.token, ttl_ms))
        except LeaseLost:
            self.lost.set()
            raise
        self._hold.deadline, self._hold.ttl_ms = renewed.deadline, renewed.ttl_ms
        return self

    async def release(self) -> Released:
        """Stop renewing, then give the permits back; doing so twice does no harm."""
        self._stop.set()
        if self._task is not None and self._task is not asyncio.current_task():
            await asyncio.gather(self._task, return_exceptions=True)
        return await self._driver.run(leases.release(self._hold.keys, self.holder, self.token))

    async def _keep(self) -> None:
        reason = await self._driver.run(leases.keep_renewed(self._hold), stop=self._stop)
        if reason:
            self._hold.reason = reason
            self.lost.set()
            if self._on_lost is not None:
                self._on_lost(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        released = await self.release()
        if kind is None and released is not Released.RELEASED:
            raise LeaseLost(f"{self._hold.keys.id} was lost while held: {self._hold.reason or released}")


class Acquiring:
    """An acquire that has yet to happen: `await` it for a lease, or hold one inside `async with`."""

    def __init__(self, take: Callable[[], Awaitable[AsyncLease]]) -> None:
        self._take = take
        self._lease: AsyncLease | None = None

    def __await__(self) -> Generator[Any, None, AsyncLease]:
        return self._take().__await__()

    async def __aenter__(self) -> AsyncLease:
        self._lease = await self._take()
        return self._lease

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lease is not None:
            await self._lease.__aexit__(kind, error, trace)


class AsyncGuard(AsyncContextDecorator):
    """Holds a lease, renewed, inside an `async with` block or around every call of a decorated coroutine function."""

    def __init__(self, acquire: Callable[..., Acquiring], arguments: dict[str, Any]) -> None:
        self._acquire = acquire
        self._arguments = {"renew": True, **arguments}
        self._acquiring: Acquiring | None = None

    def _recreate_cm(self) -> Self:
        return type(self)(self._acquire, self._arguments)

    async def __aenter__(self) -> AsyncLease:
        self._acquiring = self._acquire(**self._arguments)
        return await self._acquiring.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._acquiring is not None:
            await self._acquiring.__aexit__(kind, error, trace)
