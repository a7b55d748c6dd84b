"""The asyncio handle of a barrier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from konductor_core.handles.async_base import AsyncHandle
from konductor_core.verbs import PATIENCE, BarrierVerbs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.flows.barriers import Arrived, Opened
    from konductor_core.flows.objects import Defined
    from konductor_core.handles.base import Notify
    from konductor_core.models import BarrierSpec, BarrierStatus
    from konductor_core.verbs import Duration

__all__ = ["AsyncBarrier"]


class AsyncBarrier(AsyncHandle):
    """A number of arrivals that many wait for; see `Barrier`."""

    _verbs: BarrierVerbs

    async def define(
        self,
        expected: int,
        quorum: int | None = None,
        timeout: Duration | None = None,  # noqa: ASYNC109 - the barrier's own
        *,
        cyclic: bool = False,
        labels: Mapping[str, str] | None = None,
        owner: str = "cli",
    ) -> Defined:
        """Create the barrier or bring it to this state. Raises `InvalidInput`, `Owned`."""
        return await self.define_spec(self._verbs.spec(expected, quorum, timeout, cyclic=cyclic), labels, owner)

    async def define_spec(
        self, spec: BarrierSpec, labels: Mapping[str, str] | None = None, owner: str = "cli"
    ) -> Defined:
        """Create the barrier or bring it to this spec. Raises `Owned`."""
        return await self._run(self._verbs.define(spec, labels, owner))

    async def arrive(
        self, holder: str | None = None, *, patience: Duration = PATIENCE, on_progress: Notify | None = None
    ) -> Arrived:
        """Arrive under an id that counts once. Raises `NotFound` after `patience`, `BarrierFailed`."""
        return await self._run(self._verbs.arrive(holder, patience), on_progress)

    async def wait(
        self,
        timeout: Duration | None = None,  # noqa: ASYNC109 - by the flow's own deadline, as in the sync library
        *,
        cycle: int | None = None,
        holder: str | None = None,
        must_exist: bool = False,
        on_progress: Notify | None = None,
    ) -> Opened:
        """Wait until it is open; see `Barrier.wait`."""
        return await self._run(self._verbs.wait(timeout, cycle, holder, must_exist=must_exist), on_progress)

    async def arrive_and_wait(
        self,
        holder: str | None = None,
        *,
        timeout: Duration | None = None,  # noqa: ASYNC109 - by the flow's own deadline
        patience: Duration = PATIENCE,
        on_progress: Notify | None = None,
    ) -> Opened:
        """Arrive, and wait until the cycle opens that this arrival counts in. Raises `Replaced` too."""
        return await self._run(self._verbs.arrive_and_wait(holder, timeout, patience), on_progress)

    async def status(self) -> BarrierStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return await self._run(self._verbs.status())
