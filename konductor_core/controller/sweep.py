"""What no event told: everything is compared with whole lists and looked at again, at the start and now and then.

An object without a resource is found here too: its resource was deleted while nobody watched, or koncli made it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from konductor_core.controller.cluster import ApiError
from konductor_core.controller.view import Key, Namespace, Pod, Resource
from konductor_core.controller.workloads import workload_of
from konductor_core.errors import Unavailable
from konductor_core.models import SPECS

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core.controller.cluster import Cluster
    from konductor_core.controller.store import Store
    from konductor_core.controller.view import View

__all__ = ["Sweep", "refresh"]

log = logging.getLogger(__name__)

RETRY: Final = 5.0
"""Seconds after a sweep that failed."""
SETTLE: Final = 2.0
"""Seconds for which calls for an early sweep are collected."""


async def refresh(view: View, cluster: Cluster) -> int:
    """Bring the view up to whole lists of everything; return how much of it differed. Raises `ApiError`."""
    differed = 0
    for kind in SPECS:
        before = {key: each for key, each in view.resources.items.items() if key.kind is kind}
        listed = [Resource.of(kind, body) for body in await cluster.resources(kind)]
        differed += view.resources.replace(before, {each.key: each for each in listed})
    pods = dict(view.pods.items)
    found = await cluster.pods(Pod.of)
    differed += view.pods.replace(pods, {(each.namespace, each.name): each for each in found})
    workloads = dict(view.workloads.items)
    jobs = await cluster.jobs(partial(workload_of, "Job"))
    differed += view.workloads.replace(
        workloads, dict([*jobs, *await cluster.deployments(partial(workload_of, "Deployment"))])
    )
    namespaces = dict(view.namespaces.items)
    names = [Namespace.of(body) for body in await cluster.namespaces()]
    differed += view.namespaces.replace(namespaces, {each.name: each for each in names})
    return differed


class Sweep:
    """Looks at everything each `interval` seconds, and when `soon` was called. `poke` has one key looked at."""

    def __init__(
        self, view: View, cluster: Cluster, store: Store, poke: Callable[[Key], None], interval: float
    ) -> None:
        self._view = view
        self._cluster = cluster
        self._store = store
        self._poke = poke
        self._interval = interval
        self._wanted = asyncio.Event()
        self.done_at: float | None = None
        """When the last one ended, by the event loop's clock."""

    def soon(self) -> None:
        """Have a sweep done in a moment."""
        self._wanted.set()

    async def run(self) -> None:
        """Sweep until cancelled."""
        told = ""
        while True:
            try:
                await self._sweep()
                pause, told = self._interval, ""
            except (ApiError, Unavailable) as error:
                if told != str(error):
                    log.warning("cannot look at everything, trying again each %g s: %s", RETRY, error)
                pause, told = RETRY, str(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wanted.wait()
                    await asyncio.sleep(min(SETTLE, pause))
            self._wanted.clear()

    async def _sweep(self) -> None:
        if differed := await refresh(self._view, self._cluster):
            log.debug("the lists had %d things that the watches had not shown", differed)
        for key in tuple(self._view.resources.items):
            self._poke(key)
        for namespace in {*self._view.namespaces.items, *await self._store.namespaces()}:
            for key in await self._store.objects(namespace):
                if self._view.resource(key) is None:
                    self._poke(key)
        self.done_at = asyncio.get_running_loop().time()
