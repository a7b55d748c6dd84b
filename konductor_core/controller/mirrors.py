"""Objects that no resource owns: those that koncli or the library made have a mirror, the others are removed.

A mirror is a resource with the label `konductor.io/mirror=true`. It follows its object, whose life goes on as it was;
deleting the mirror deletes the object. Redis notes the mirror's uid beside the object, so that a deletion while the
controller was down counts too.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from konductor_core.annotations import MIRROR_LABEL
from konductor_core.controller.cluster import Conflict, Forbidden, Missing
from konductor_core.controller.view import Resource
from konductor_core.errors import InvalidInput, Owned
from konductor_core.identity import API_VERSION
from konductor_core.models import SPECS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from konductor_core.controller.cluster import Cluster
    from konductor_core.controller.store import Store
    from konductor_core.controller.view import Key, View
    from konductor_core.models.objects import Status

__all__ = ["Mirrors", "see"]

log = logging.getLogger(__name__)

CLI = "cli"


async def see(view: View, cluster: Cluster, key: Key) -> Resource | None:
    """Ask the API for a resource, and note in the view what it has."""
    body = await cluster.resource(key)
    found = None if body is None else Resource.of(key.kind, body)
    view.resources.put(key, found)
    return found


class Mirrors:
    """Keeps objects and mirrors alike, and removes the objects of resources that are gone."""

    def __init__(
        self,
        view: View,
        cluster: Cluster,
        store: Store,
        *,
        show: Callable[[Resource, Status], Awaitable[float | None]],
        restore: Callable[[str], Awaitable[None]],
    ) -> None:
        self._view = view
        self._cluster = cluster
        self._store = store
        self._show = show
        self._restore = restore

    async def reconcile(self, key: Key, mirror: Resource | None) -> float | None:
        """Bring an object and its mirror together, either of which may be absent."""
        status = await self._store.read(key)
        if status is None and mirror is not None:
            await self._restore(key.namespace)
            status = await self._store.read(key)
        if status is None:
            await self._remove_mirror(key, mirror)
            return None
        if status.owner != CLI:
            return await self._remove_orphan(key, status.owner)
        if mirror is None:
            mirror = await self._make_mirror(key, status)
        elif await self._store.mirror_of(key) != mirror.uid:
            await self._store.note_mirror(key, mirror.uid)
        if mirror is None:
            return None
        if not _is_alike(mirror, status):
            mirror = await self._follow(mirror, status)
        return None if mirror is None else await self._show(mirror, status)

    async def _remove_mirror(self, key: Key, mirror: Resource | None) -> None:
        """Remove the mirror of an object that was deleted."""
        if mirror is not None and await self._cluster.delete_resource(key, mirror.uid):
            log.info("%s: deleted, and so is its mirror", key)
        await self._store.note_mirror(key, None)

    async def _remove_orphan(self, key: Key, owner: str) -> float | None:
        """Delete the object of a resource that is gone, unless the API still has that resource."""
        found = await see(self._view, self._cluster, key)
        if found is not None and found.owner == owner:
            return None  # whoever listens to the view is told
        with suppress(Owned):  # by another resource by now
            if await self._store.delete(key, owner):
                log.info("%s: deleted with its resource", key)
        return 0.0  # there may be a mirror without an object

    async def _make_mirror(self, key: Key, status: Status) -> Resource | None:
        """Return a new mirror; None if there cannot be one, or if its deletion was the wish to delete the object."""
        uid = await self._store.mirror_of(key)
        if uid:
            found = await see(self._view, self._cluster, key)
            if found is not None and found.uid == uid:
                return found
            with suppress(Owned):  # by a resource by now
                if await self._store.delete(key, CLI):
                    log.info("%s: deleted, since its mirror was", key)
            await self._store.note_mirror(key, None)
            return None
        if self._view.is_ending(key.namespace):
            return None
        labels = {**status.labels, MIRROR_LABEL: "true"}
        metadata = {"name": key.name, "namespace": key.namespace, "labels": labels}
        body: Mapping[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": str(key.kind),
            "metadata": metadata,
            "spec": status.spec.to_dict(),
        }
        try:
            body = await self._cluster.create_resource(key, body)
        except Missing:
            return None  # the namespace went
        except (Conflict, Forbidden):
            if await see(self._view, self._cluster, key) is None:
                raise
            return None
        mirror = Resource.of(key.kind, body)
        self._view.resources.put(key, mirror)
        await self._store.note_mirror(key, mirror.uid)
        log.info("%s: has a mirror", key)
        return mirror

    async def _follow(self, mirror: Resource, status: Status) -> Resource | None:
        """Give a mirror the spec and labels that its object has by now."""
        spec = status.spec.to_dict()
        gone = {name: None for name in mirror.spec if name not in spec}
        gone_labels = {name: None for name in mirror.own_labels if name not in status.labels}
        patch = {"metadata": {"labels": {**gone_labels, **status.labels}}, "spec": {**gone, **spec}}
        try:
            body = await self._cluster.patch_resource(mirror, patch)
        except (Missing, Conflict):
            await see(self._view, self._cluster, mirror.key)
            return None
        followed = Resource.of(mirror.key.kind, body)
        self._view.resources.put(mirror.key, followed)
        return followed


def _is_alike(mirror: Resource, status: Status) -> bool:
    """Whether a mirror says what its object is."""
    try:
        spec = SPECS[mirror.key.kind].from_dict(dict(mirror.spec))
    except InvalidInput:
        return False
    return spec == status.spec and mirror.own_labels == status.labels
