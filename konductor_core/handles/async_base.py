"""What the asyncio handles of all kinds can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from konductor_core.drivers.aio import AsyncDriver
    from konductor_core.flows.steps import Flow
    from konductor_core.handles.base import Notify
    from konductor_core.models import Event
    from konductor_core.verbs import ObjectVerbs

__all__ = ["AsyncHandle"]

T = TypeVar("T")


class AsyncHandle:
    """What all kinds can do."""

    _verbs: ObjectVerbs

    def __init__(self, driver: AsyncDriver, verbs: ObjectVerbs) -> None:
        self._driver = driver
        self._verbs = verbs

    async def _run(self, flow: Flow[T], notify: Notify | None = None) -> T:
        return await self._driver.run(flow, notify=notify)

    @property
    def name(self) -> str:
        """The object's name."""
        return self._verbs.keys.name

    async def reset(self) -> str:
        """Start a new epoch at once, with nothing carried over; return it. Raises `NotFound`."""
        return await self._run(self._verbs.reset())

    async def delete(self, owner: str = "cli") -> bool:
        """Delete the object; False if there was none. Raises `Owned` if a custom resource owns it."""
        return await self._run(self._verbs.delete(owner))

    async def events(self, limit: int = 100, since_id: str | None = None) -> list[Event]:
        """Return the newest `limit` events in order, or the first `limit` after event `since_id`."""
        return await self._run(self._verbs.events(limit, since_id))
