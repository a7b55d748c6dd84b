"""The sync handles of wait groups and gates; `konductor_core.handles.async_latches` has the same for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from konductor_core.handles.base import Handle
from konductor_core.models import WaitGroupSpec
from konductor_core.verbs import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from konductor_core.flows.gates import Overridden, Passed
    from konductor_core.flows.objects import Defined
    from konductor_core.flows.waitgroups import Counted, Finished
    from konductor_core.handles.base import Notify
    from konductor_core.latch_verbs import Conditional, GateVerbs, WaitGroupVerbs
    from konductor_core.models import GateSpec, GateStatus, WaitGroupStatus
    from konductor_core.verbs import Duration

__all__ = ["Gate", "WaitGroup"]


class WaitGroup(Handle):
    """Members that many wait for to be done. Every method raises `Unavailable` when Redis is."""

    _verbs: WaitGroupVerbs

    def define(self, *, labels: Mapping[str, str] | None = None, owner: str = "cli") -> Defined:
        """Create the wait group, or give it these labels. Raises `Owned`."""
        return self.define_spec(WaitGroupSpec(), labels, owner)

    def define_spec(self, spec: WaitGroupSpec, labels: Mapping[str, str] | None = None, owner: str = "cli") -> Defined:
        """Create the wait group or bring it to this spec. Raises `Owned`."""
        return self._run(self._verbs.define(spec, labels, owner))

    def add(
        self,
        member: str | None = None,
        *,
        count: int = 1,
        patience: Duration = PATIENCE,
        on_progress: Notify | None = None,
    ) -> Counted:
        """Add a member whose name counts once, or `count` without a name; `patience` is for a group yet to be made.

        Raises `NotFound`, `InvalidInput`.
        """
        return self._run(self._verbs.add(member, count, patience), on_progress)

    def done(
        self,
        member: str | None = None,
        *,
        count: int = 1,
        patience: Duration = PATIENCE,
        on_progress: Notify | None = None,
    ) -> Counted:
        """Take off a member, or `count` without a name; a name that was never added stands for one of those.

        Raises `BelowZero`, `NotFound`, `InvalidInput`.
        """
        return self._run(self._verbs.done(member, count, patience), on_progress)

    def wait(
        self,
        timeout: Duration | None = None,
        *,
        allow_idle: bool = False,
        must_exist: bool = False,
        on_progress: Notify | None = None,
    ) -> Finished:
        """Wait until no member is left; also for the first one to be added, unless `allow_idle`.

        A `timeout` of None waits without end, 0 looks once. Raises `WaitTimeout`, `NotFound`.
        """
        return self._run(self._verbs.wait(timeout, allow_idle=allow_idle, must_exist=must_exist), on_progress)

    def status(self) -> WaitGroupStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return self._run(self._verbs.status())


class Gate(Handle):
    """Conditions that many wait for to hold. Every method raises `Unavailable` when Redis is."""

    _verbs: GateVerbs

    def define(
        self,
        conditions: Iterable[Conditional] = (),
        timeout: Duration | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        owner: str = "cli",
    ) -> Defined:
        """Create the gate or bring it to this state: conditions like `job/migrate=Complete`; none for by hand only.

        Raises `InvalidInput`, also if it would wait for itself by way of other gates, and `Owned`.
        """
        return self.define_spec(self._verbs.spec(conditions, timeout), labels, owner)

    def define_spec(self, spec: GateSpec, labels: Mapping[str, str] | None = None, owner: str = "cli") -> Defined:
        """Create the gate or bring it to this spec. Raises what `define` raises."""
        return self._run(self._verbs.define(spec, labels, owner))

    def open(self) -> Overridden:
        """Open it by hand, whatever its conditions say, until `close`, `auto` or `reset`. Raises `NotFound`."""
        return self._run(self._verbs.override("Open"))

    def close(self) -> Overridden:
        """Close it by hand, whatever its conditions say, until `open`, `auto` or `reset`. Raises `NotFound`."""
        return self._run(self._verbs.override("Closed"))

    def auto(self) -> Overridden:
        """Let its conditions decide again. Raises `NotFound`."""
        return self._run(self._verbs.override(""))

    def wait(
        self,
        timeout: Duration | None = None,
        *,
        must_exist: bool = False,
        on_progress: Notify | None = None,
    ) -> Passed:
        """Wait until it is open. A `timeout` of None waits without end, 0 looks once.

        Raises `WaitTimeout`, `GateFailed`, `NotFound`.
        """
        return self._run(self._verbs.wait(timeout, must_exist=must_exist), on_progress)

    def status(self) -> GateStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return self._run(self._verbs.status())
