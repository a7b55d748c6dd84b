"""Leases of several objects that were acquired at once, in the hands of a thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self, overload

from konductor_core.errors import KonductorError, LeaseLost
from konductor_core.lease import Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from konductor_core.drivers.sync import Driver
    from konductor_core.flows.leases import Hold, Released
    from konductor_core.verbs import Duration

__all__ = ["Leases"]


class Leases(Sequence[Lease]):
    """A lease of each object, sorted by name. `lost` is set once any of them is known to be gone.

    As a context manager it releases all at the end, and raises `LeaseLost` there if one was lost on the way.
    """

    def __init__(self, leases: Iterable[Lease], lost: threading.Event) -> None:
        self._leases = tuple(leases)
        self.lost = lost

    @classmethod
    def of(
        cls, driver: Driver, holds: Iterable[Hold], *, renewing: bool, on_lost: Callable[[Lease], None] | None
    ) -> Self:
        """Return the leases that these holds are, renewed by a thread each if wished."""
        lost = threading.Event()

        def note(lease: Lease) -> None:
            lost.set()
            if on_lost is not None:
                on_lost(lease)

        leases: list[Lease] = []
        with ExitStack() as undone:
            for hold in holds:
                leases.append(Lease(driver, hold, renewing=renewing, on_lost=note))
                undone.callback(leases[-1].release)
            undone.pop_all()
        return cls(leases, lost)

    @overload
    def __getitem__(self, index: int) -> Lease: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Lease]: ...

    def __getitem__(self, index: int | slice) -> Lease | Sequence[Lease]:
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

    def renew(self, ttl: Duration | None = None) -> Self:
        """Give each a new end from now. Raises `LeaseLost` if one is gone; the others are renewed all the same."""
        errors = []
        for lease in self:
            try:
                lease.renew(ttl)
            except KonductorError as error:
                errors.append(error)
        if any(isinstance(error, LeaseLost) for error in errors):
            self.lost.set()
        if errors:
            raise errors[0]
        return self

    def release(self) -> list[Released]:
        """Give all back, and say of each which it was; an `Unavailable` is raised after all were tried."""
        outcomes, errors = [], []
        for lease in self:
            try:
                outcomes.append(lease.release())
            except KonductorError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return outcomes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ends = ExitStack()
        for lease in self:
            ends.push(lease)
        ends.__exit__(kind, error, trace)
