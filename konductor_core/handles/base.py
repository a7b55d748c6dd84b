"""What the handles of all kinds can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core.drivers.sync import Driver
    from konductor_core.flows.steps import Flow, Progress
    from konductor_core.models import Event
    from konductor_core.verbs import ObjectVerbs

    Notify = Callable[[Progress], None]

__all__ = ["Handle"]

T = TypeVar("T")


class Handle:
    """What all kinds can do."""

    _verbs: ObjectVerbs

    def __init__(self, driver: Driver, verbs: ObjectVerbs) -> None:
        self._driver = driver
        self._verbs = verbs

    def _run(self, flow: Flow[T], notify: Notify | None = None) -> T:
        return self._driver.run(flow, notify=notify)

    @property
    def name(self) -> str:
        """The object's name."""
        return self._verbs.keys.name

    def reset(self) -> str:
        """Start a new epoch at once, with nothing carried over; return it. Raises `NotFound`."""
        return self._run(self._verbs.reset())

    def delete(self, owner: str = "cli") -> bool:
        """Delete the object; False if there was none. Raises `Owned` if a custom resource owns it."""
        return self._run(self._verbs.delete(owner))

    def events(self, limit: int = 100, since_id: str | None = None) -> list[Event]:
        """Return the newest `limit` events in order, or the first `limit` after event `since_id`."""
        return self._run(self._verbs.events(limit, since_id))
