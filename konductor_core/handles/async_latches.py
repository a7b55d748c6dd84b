"""The asyncio handles of wait groups; `konductor_core.latches` has the same for threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from konductor_core.handles.async_base import AsyncHandle
from konductor_core.models import WaitGroupSpec
from konductor_core.verbs import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.flows.objects import Defined
    from konductor_core.flows.waitgroups import Counted, Finished
    from konductor_core.handles.base import Notify
    from konductor_core.latch_verbs import WaitGroupVerbs
    from konductor_core.models import WaitGroupStatus
    from konductor_core.verbs import Duration

__all__ = ["AsyncWaitGroup"]


class AsyncWaitGroup(AsyncHandle):
    """Members that many wait for to be done; see `WaitGroup`."""

    _verbs: WaitGroupVerbs

    async def define(self, *, labels: Mapping[str, str] | None = None, owner: str = "cli") -> Defined:
        """Create the wait group, or give it these labels. Raises `Owned`."""
        return await self.define_spec(WaitGroupSpec(), labels, owner)

    async def define_spec(
        self, spec: WaitGroupSpec, labels: Mapping[str, str] | None = None, owner: str = "cli"
    ) -> Defined:
        """Create the wait group or bring it to this spec. Raises `Owned`."""
        return await self._run(self._verbs.define(spec, labels, owner))

    async def add(
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
        return await self._run(self._verbs.add(member, count, patience), on_progress)

    async def done(
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
        return await self._run(self._verbs.done(member, count, patience), on_progress)

    async def wait(
        self,
        timeout: Duration | None = None,  # noqa: ASYNC109 - by the flow's own deadline, as in the sync library
        *,
        allow_idle: bool = False,
        must_exist: bool = False,
        on_progress: Notify | None = None,
    ) -> Finished:
        """Wait until no member is left; also for the first one to be added, unless `allow_idle`.

        A `timeout` of None waits without end, 0 looks once. Raises `WaitTimeout`, `NotFound`.
        """
        return await self._run(self._verbs.wait(timeout, allow_idle=allow_idle, must_exist=must_exist), on_progress)

    async def status(self) -> WaitGroupStatus:
        """Return a consistent snapshot. Raises `NotFound`."""
        return await self._run(self._verbs.status())
