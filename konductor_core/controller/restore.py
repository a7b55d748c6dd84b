"""What Redis has lost is brought back from the statuses of the custom resources.

A marker in each namespace shows a loss by its absence. Whoever holds goes on renewing while the object is unknown, and
finds its lease again; who waits asks again. A status is a little behind the truth: what happened in the moment before
the loss is lost, and so is what a list was too short to show. That is said in the condition `Ready`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from konductor_core.annotations import ENABLED_LABEL, MIRROR_LABEL
from konductor_core.controller.remains import remains_of
from konductor_core.errors import InvalidInput, Unavailable
from konductor_core.models import SPECS

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core.controller.store import Store
    from konductor_core.controller.view import Key, Resource, View

__all__ = ["Restore"]

log = logging.getLogger(__name__)

INTERVAL: Final = 2.0
"""Seconds between looks at the markers: well below the time in which a holder tries to renew."""
TIDY_EVERY: Final = 15
"""Looks between two at namespaces that are gone."""


class Restore:
    """Watches the markers, and brings back what is missing.

    `degraded` is told of an object that could not be restored as it was, and why; `poke` has an object looked at;
    `restored` is told of a namespace that has been lost, once it is back.
    """

    def __init__(
        self,
        view: View,
        store: Store,
        *,
        degraded: Callable[[Key, str], None],
        poke: Callable[[Key], None],
        restored: Callable[[str], None],
    ) -> None:
        self._view = view
        self._store = store
        self._degraded = degraded
        self._poke = poke
        self._restored = restored
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def run(self) -> None:
        """Look at the markers until cancelled."""
        looks = 0
        while True:
            try:
                if self._view.synced:
                    for namespace in self._view.namespaces_in_use(ENABLED_LABEL):
                        await self.restore(namespace)
                    if looks % TIDY_EVERY == 0:
                        await self._tidy()
                    looks += 1
            except Unavailable as error:
                log.debug("markers: %s", error)
            await asyncio.sleep(INTERVAL)

    async def restore(self, namespace: str) -> None:
        """Bring back all that is missing of a namespace, if Redis has lost it; then mark it.

        The mark comes last: whoever finds it may rely on all the rest. Whoever dies before that does it again.
        """
        if await self._store.is_marked(namespace):
            return
        async with self._locks[namespace]:
            if await self._store.is_marked(namespace):
                return
            found = [each for key, each in self._view.resources.items.items() if key.namespace == namespace]
            count = 0
            for resource in found:
                count += await self._bring_back(resource)
            await self._store.mark(namespace)
        if count:
            log.warning("%s: Redis had lost it; %d of its objects are back", namespace, count)
            self._restored(namespace)
        for resource in found:
            self._poke(resource.key)

    async def _bring_back(self, resource: Resource) -> bool:
        """Restore one object, unless it is there, or its status says nothing of it."""
        try:
            spec = SPECS[resource.key.kind].from_dict(dict(resource.spec))
        except InvalidInput:
            return False  # that is said where the spec is applied
        remains, losses = remains_of(resource.status, spec)
        if remains is None:
            return False
        owner = "cli" if resource.is_mirror else resource.owner
        labels = {name: value for name, value in resource.labels.items() if name != MIRROR_LABEL}
        if not await self._store.restore(resource.key, spec, labels, owner, remains):
            return False
        if losses:
            log.warning("%s: restored, but %s", resource.key, losses)
            self._degraded(resource.key, f"Redis had lost it, and {losses}")
        return True

    async def _tidy(self) -> None:
        """Expect nothing any more of namespaces that are gone, once nothing of them is left."""
        for namespace in await self._store.namespaces():
            if namespace not in self._view.namespaces.items and not await self._store.objects(namespace):
                await self._store.unmark(namespace)
                self._locks.pop(namespace, None)
