"""A lease in the hands of a task: renewed by another task if wished, released at the end of an `async with` block."""

from __future__ import annotations

import asyncio
from contextlib import AsyncContextDecorator, asynccontextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from konductor_core.durations import to_ms
from konductor_core.errors import KonductorError, LeaseLost, Unavailable
from konductor_core.flows import leases
from konductor_core.flows.leases import Hold, Released

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
    from types import TracebackType

    from konductor_core.drivers.aio import AsyncDriver
    from konductor_core.flows.permits import Ask
    from konductor_core.verbs import Duration

__all__ = ["Acquiring", "AsyncGuard", "AsyncLease", "withdrawn_if_cancelled"]


class _Held(Protocol):
    """What is given back at the end of a block."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


T = TypeVar("T", bound=_Held)


@asynccontextmanager
async def withdrawn_if_cancelled(driver: AsyncDriver, ask: Ask) -> AsyncGenerator[None]:
    """Cancel the request when its task is cancelled in the block, perhaps after the flow that asked has ended."""
    try:
        yield
    except Exception:
        raise
    except BaseException:
        if not ask.cancelled:
            with suppress(KonductorError):
                await driver.call(ask.cancel("cancelled"))
        raise


class AsyncLease:
    """A holder's permits; see `Lease`. `lost` is an `asyncio.Event`."""

    def __init__(
        self,
        driver: AsyncDriver,
        hold: Hold,
        *,
        renewing: bool = False,
        at_once: bool = False,
        early: float = 0.0,
        on_lost: Callable[[AsyncLease], None] | None = None,
    ) -> None:
        self._driver = driver
        self._hold = hold
        self._on_lost = on_lost
        self._at_once = at_once
        self._early = early
        self._lock = asyncio.Lock()
        self.lost = asyncio.Event()
        self._renewal = _Renewal(self._keep, hold.keys.name) if renewing and hold.ttl_ms else None

    @property
    def ref(self) -> str:
        """What it is of, like `semaphore/gpu`."""
        return self._hold.keys.id

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

    @property
    def reason(self) -> str:
        """Why the lease was lost; empty as long as it is not."""
        return self._hold.reason

    async def renew(self, ttl: Duration | None = None) -> AsyncLease:
        """Give the lease a new end from now, and the TTL to go on with. Raises `LeaseLost`."""
        ttl_ms = self._hold.ttl_ms if ttl is None else to_ms(ttl, what="ttl")
        async with self._lock:
            renewing = await self._end_renewal()  # of two renewals at once, either could be the last one to arrive
            try:
                renewed = await self._driver.run(leases.renew(self._hold.keys, self.holder, self.token, ttl_ms))
                self._hold.deadline, self._hold.ttl_ms = renewed.deadline, renewed.ttl_ms
            except LeaseLost:
                self.lost.set()
                raise
            finally:
                if renewing and self._hold.ttl_ms and not self.lost.is_set():
                    self._renewal = _Renewal(self._keep, self._hold.keys.name)
        return self

    async def release(self) -> Released:
        """Stop renewing, then give the permits back; doing so twice does no harm."""
        async with self._lock:
            await self._end_renewal()
            return await self._driver.run(leases.release(self._hold.keys, self.holder, self.token))

    async def _end_renewal(self) -> bool:
        renewal, self._renewal = self._renewal, None
        if renewal is not None:
            await renewal.end()
        return renewal is not None

    async def _keep(self, stop: asyncio.Event) -> None:
        reason = "the task that renewed it has failed"
        try:
            reason = await self._driver.run(
                leases.keep_renewed(self._hold, at_once=self._at_once, early=self._early), stop=stop
            )
        finally:
            if reason and not stop.is_set():
                self._hold.reason = reason
                self.lost.set()
                if self._on_lost is not None:
                    self._on_lost(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            released = await self.release()
        except Unavailable:
            if kind is None:
                raise
            return  # what went wrong inside the block matters more, and the TTL frees the permits
        if kind is None and released is not Released.RELEASED:
            raise LeaseLost(f"{self._hold.keys.id} was lost while held: {self._hold.reason or released}")


class _Renewal:
    """The task that renews a lease, until it is told to end or the lease is lost."""

    def __init__(self, keep: Callable[[asyncio.Event], Coroutine[Any, Any, None]], name: str) -> None:
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(keep(self._stop), name=f"konductor-renew-{name}")

    async def end(self) -> None:
        """Let it renew no more, and wait for the renewal that may be under way."""
        self._stop.set()
        await asyncio.wait({self._task})


class Acquiring(Generic[T]):
    """An acquire that has yet to happen: `await` it for a lease, or hold one inside `async with`."""

    def __init__(self, take: Callable[[], Awaitable[T]]) -> None:
        self._take = take
        self._lease: T | None = None

    def __await__(self) -> Generator[Any, None, T]:
        return self._take().__await__()

    async def __aenter__(self) -> T:
        self._lease = await self._take()
        return self._lease

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lease is not None:
            await self._lease.__aexit__(kind, error, trace)


class AsyncGuard(AsyncContextDecorator):
    """Holds a lease, renewed, inside an `async with` block or around every call of a decorated coroutine function.

    Tasks may share it, and blocks may be nested: each has a lease of its own, unless a holder is named.
    """

    def __init__(self, acquire: Callable[..., Acquiring[AsyncLease]], arguments: dict[str, Any]) -> None:
        self._acquire = acquire
        self._arguments = {"renew": True, **arguments}
        self._mine: dict[asyncio.Task[Any] | None, list[Acquiring[AsyncLease]]] = {}

    async def __aenter__(self) -> AsyncLease:
        acquiring = self._acquire(**self._arguments)
        lease = await acquiring.__aenter__()
        self._mine.setdefault(asyncio.current_task(), []).append(acquiring)
        return lease

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = asyncio.current_task()
        acquiring = self._mine[task].pop()
        if not self._mine[task]:
            del self._mine[task]
        await acquiring.__aexit__(kind, error, trace)
