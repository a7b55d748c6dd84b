"""Leases of several objects that were acquired at once, in the hands of a task."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self, overload

from konductor_core.async_lease import AsyncLease
from konductor_core.errors import KonductorError, LeaseLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from konductor_core.drivers.aio import AsyncDriver
    from konductor_core.flows.leases import Hold, Released
    from konductor_core.verbs import Duration

__all__ = ["AsyncLeases"]


class AsyncLeases(Sequence[AsyncLease]):
    """A lease of each object; see `Leases`. `lost` is an `asyncio.Event`."""

    def __init__(
        self,
        driver: AsyncDriver,
        holds: Iterable[Hold],
        *,
        renewing: bool,
        on_lost: Callable[[AsyncLease], None] | None,
    ) -> None:
        self.lost = asyncio.Event()
        self._on_lost = on_lost
        self._leases = tuple(AsyncLease(driver, hold, renewing=renewing, on_lost=self._note) for hold in holds)

    def _note(self, lease: AsyncLease) -> None:
        self.lost.set()
        if self._on_lost is not None:
            self._on_lost(lease)

    @overload
    def __getitem__(self, index: int) -> AsyncLease: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[AsyncLease]: ...

    def __getitem__(self, index: int | slice) -> AsyncLease | Sequence[AsyncLease]:
        return self._leases[index]

    def __len__(self) -> int:
        return len(self._leases)

    @property
    def ttl_ms(self) -> int:
        """The shortest TTL in milliseconds; 0 if none of them ends."""
        return min((lease.ttl_ms for lease in self if lease.ttl_ms), default=0)

    @property
    def expires_in(self) -> float:
        """Seconds for which all of them are surely held, by this process's clock; infinite without end."""
        return min(lease.expires_in for lease in self)

    async def renew(self, ttl: Duration | None = None) -> Self:
        """Give each a new end from now. Raises `LeaseLost` if one is gone; the others are renewed all the same."""
        errors = []
        for lease in self:
            try:
                await lease.renew(ttl)
            except KonductorError as error:
                errors.append(error)
        if any(isinstance(error, LeaseLost) for error in errors):
            self.lost.set()
        if errors:
            raise errors[0]
        return self

    async def release(self) -> list[Released]:
        """Give all back, and say of each which it was; an `Unavailable` is raised after all were tried."""
        outcomes, errors = [], []
        for lease in self:
            try:
                outcomes.append(await lease.release())
            except KonductorError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return outcomes

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ends = AsyncExitStack()
        for lease in self:
            ends.push_async_exit(lease)
        await ends.__aexit__(kind, error, trace)
