"""One object: the resource's spec down into Redis, the object's state up into the resource's status.

Level-triggered: each look compares what is with what should be, whatever woke it. What it does again does nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from konductor_core.annotations import MIRROR_LABEL
from konductor_core.controller.cluster import Conflict, Missing
from konductor_core.controller.mirrors import Mirrors, see
from konductor_core.controller.view import Resource
from konductor_core.errors import InvalidInput
from konductor_core.models import SPECS
from konductor_core.projection import DEGRADED, Problem, project, project_absent, status_patch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from konductor_core.controller.cluster import Cluster
    from konductor_core.controller.events import EventWriter
    from konductor_core.controller.store import Store
    from konductor_core.controller.view import Key, View
    from konductor_core.models import Spec
    from konductor_core.models.objects import Status

__all__ = ["Reconciler"]

log = logging.getLogger(__name__)

AFTER: Final = 0.02
"""Seconds after the moment when an object changes by itself, at which it has done so for sure."""


class Reconciler:
    """Works on one key at a time, for an `Agenda`. Raises `Unavailable` and `ApiError`: it is called again then.

    `restore` is awaited before an absent object is made: what was lost is to be restored, not begun anew.
    `seen` is told of every snapshot, and of None for an object that is gone. `problem` knows what is wrong with an
    object whose spec is in force.
    """

    def __init__(
        self,
        view: View,
        cluster: Cluster,
        store: Store,
        *,
        events: EventWriter,
        restore: Callable[[str], Awaitable[None]],
        seen: Callable[[Key, Status | None], None],
        problem: Callable[[Status], Problem | None],
    ) -> None:
        self._view = view
        self._cluster = cluster
        self._store = store
        self._events = events
        self._restore = restore
        self._seen = seen
        self._problem = problem
        self._mirrors = Mirrors(view, cluster, store, show=self._show, restore=restore)
        self.degraded: dict[Key, str] = {}
        """Why an object could not be restored as it was; shown with its next status."""

    async def reconcile(self, key: Key) -> float | None:
        """Bring object and resource together; return after how many seconds the object changes by itself, if ever."""
        resource = self._view.resource(key)
        if resource is not None and resource.is_mirror and resource.applied:
            await self._adopt(resource)
            resource = self._view.resource(key)
        if resource is not None and not resource.is_mirror:
            return await self._owned(resource)
        look_in = await self._mirrors.reconcile(key, resource)
        if self._view.resource(key) is None:
            self._seen(key, None)
        return look_in

    async def _owned(self, resource: Resource) -> float | None:
        """Apply the spec of a resource that owns its object, and show how it stands."""
        status = await self._store.read(resource.key)
        try:
            spec = SPECS[resource.key.kind].from_dict(dict(resource.spec))
        except InvalidInput as error:
            problem = Problem("InvalidSpec", str(error))
            mine = status if status is not None and status.owner == resource.owner else None
            return await self._show(resource, mine, problem)
        if status is None:
            await self._restore(resource.key.namespace)
            status = await self._store.read(resource.key)
        if status is None or not _in_force(status, resource, spec):
            await self._store.define(resource.key, spec, resource.own_labels, resource.owner)
            status = await self._store.read(resource.key)
        if status is None:
            return 0.0  # deleted at this very moment
        return await self._show(resource, status)

    async def _show(self, resource: Resource, status: Status | None, problem: Problem | None = None) -> float | None:
        """Patch the resource's status if there is news; return after how many seconds to look again, if at all."""
        key = resource.key
        self._seen(key, status)
        if status is None:
            now_ms = await self._store.now_ms()
            wanted = project_absent(resource.status, resource.generation, problem or _UNKNOWN, now_ms)
        else:
            if problem is None and key in self.degraded:
                problem = Problem(DEGRADED, self.degraded[key])
            problem = problem or self._problem(status)
            wanted = project(status, resource.status, resource.generation, problem)
            wanted |= self._events.cursor(resource)
        patch = status_patch(resource.status, wanted)
        if patch and not await self._patch(resource, patch):
            return None  # it is gone or another by now, and the watch will say so
        self.degraded.pop(key, None)
        if status is None:
            return None
        more = await self._events.write(resource, status)
        due = None if status.next_change_ms < 0 else status.next_change_ms / 1000 + AFTER
        return min((each for each in (due, more) if each is not None), default=None)

    async def _patch(self, resource: Resource, patch: Mapping[str, Any]) -> bool:
        """Patch a status; False if the resource is gone, or not what it was: whoever listens to the view is told."""
        try:
            body = await self._cluster.patch_status(resource, patch)
        except (Missing, Conflict):
            await see(self._view, self._cluster, resource.key)
            return False
        self._view.resources.put(resource.key, Resource.of(resource.key.kind, body), silently=True)
        return True

    async def _adopt(self, mirror: Resource) -> None:
        """Make a mirror that somebody has applied an ordinary resource: its object is the resource's from now on."""
        try:
            body = await self._cluster.patch_resource(mirror, {"metadata": {"labels": {MIRROR_LABEL: None}}})
        except (Missing, Conflict):
            await see(self._view, self._cluster, mirror.key)
            return
        log.info("%s: adopted, since its mirror was applied", mirror.key)
        self._view.resources.put(mirror.key, Resource.of(mirror.key.kind, body), silently=True)


_UNKNOWN: Final = Problem("Unknown", "The object is absent.")


def _in_force(status: Status, resource: Resource, spec: Spec) -> bool:
    """Whether an object is what its resource asks for."""
    return status.owner == resource.owner and status.spec == spec and status.labels == resource.own_labels
