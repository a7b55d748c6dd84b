"""The sync handle of a barrier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from konductor_core.handles.base import Handle
from konductor_core.verbs import PATIENCE, BarrierVerbs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.flows.barriers import Arrived, Opened
    from konductor_core.flows.objects import Defined
    from konductor_core.handles.base import Notify
    from konductor_core.models import BarrierSpec, BarrierStatus
    from konductor_core.verbs import Duration

__all__ = ["Barrier"]


class Barrier(Handle):
    """A number of arrivals that many wait for. Every method raises `Unavailable` when Redis is."""

    _verbs: BarrierVerbs

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
