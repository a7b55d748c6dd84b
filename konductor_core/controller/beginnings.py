"""Since when an epoch of a barrier counts what pods did: the moment from which their success is meant for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from konductor_core.controller.remains import moment

if TYPE_CHECKING:
    from konductor_core.controller.cluster import Cluster
    from konductor_core.controller.store import Store
    from konductor_core.controller.view import Key
    from konductor_core.flows.upkeep import Life
    from konductor_core.models import Event

__all__ = ["Beginnings"]

HISTORY: Final = 1_000
BEGINNINGS: Final = frozenset({"created", "replaced", "reset", "restored"})


class Beginnings:
    """When the present epochs of barriers began, each looked up once."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self._cluster = cluster
        self._store = store
        self._known: dict[Key, tuple[str, int]] = {}

    async def of(self, key: Key) -> int | None:
        """Return the moment in ms since 1970, or None if there is no such barrier.

        An epoch that a custom resource began counts from the creation of that resource: the controller may have been
        away, and pods have succeeded, before it could define the barrier. One that began by a reset counts from that.
        """
        life = await self._store.life(key)
        if life is None:
            self._known.pop(key, None)
            return None
        epoch, began = self._known.get(key, ("", 0))
        if epoch != life.epoch:
            began = await self._look_up(key, life)
            self._known[key] = life.epoch, began
        return began

    async def _look_up(self, key: Key, life: Life) -> int:
        events = await self._store.history(key, None, HISTORY)
        first = next((event for event in reversed(events) if event.type in BEGINNINGS), None)
        if not _is_of_resource(first, life.owner):
            return life.created_ms
        body = await self._cluster.resource(key)
        if body is None or f"cr/{body['metadata']['uid']}" != life.owner:
            return life.created_ms
        return min(life.created_ms, moment(body["metadata"]["creationTimestamp"]))


def _is_of_resource(event: Event | None, owner: str) -> bool:
    """Whether the custom resource that owns the object began its epoch."""
    return event is not None and event.type in {"created", "replaced"} and event.detail == f"by {owner}"
