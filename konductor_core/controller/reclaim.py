"""What pods held is given back when they have ended, also where nothing in them could do so any more.

Ownership is the uid that is recorded with a lease. A pod that ended, or is gone, or has made room for another of its
name, holds nothing; what happens outside pods is not the controller's business.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from konductor_core.controller.agenda import Agenda
from konductor_core.controller.cluster import ApiUnavailable
from konductor_core.controller.holdings import Holding, Holdings, PodName, is_whole
from konductor_core.controller.view import Pod
from konductor_core.errors import Unavailable
from konductor_core.models import PermitStatus

if TYPE_CHECKING:
    from konductor_core.controller.cluster import Cluster
    from konductor_core.controller.store import Store
    from konductor_core.controller.view import Key, View
    from konductor_core.models.objects import Status

__all__ = ["Reclaim"]

log = logging.getLogger(__name__)

SWEEP: Final = 15.0
"""Seconds between looks at everything that is held: for what no event told."""
SETTLE: Final = 1.0
"""Seconds for which leases are collected of which only the pod's uid is known: all pods are listed for them."""
WHOLE: Final = 20_000
"""Holders of one object that a sweep looks at; a snapshot otherwise lists fewer."""


class Reclaim:
    """Ends the leases and waits of pods that have ended. It must be told of every snapshot: `note`."""

    def __init__(self, view: View, cluster: Cluster, store: Store, *, sweep: float = SWEEP) -> None:
        self._view = view
        self._cluster = cluster
        self._store = store
        self._sweep_interval = sweep
        self._holdings = Holdings()
        self._witnessed: set[Holding] = set()
        self._partial: set[Key] = set()
        self._wanted = asyncio.Event()
        self._agenda: Agenda[PodName] = Agenda(self._work, workers=4, outages=(Unavailable, ApiUnavailable))
        self._holdings.names = {pod.uid: pod.name for pod in view.pods.items.values()}
        view.pods.listeners.append(self._pod_changed)

    async def run(self) -> None:
        """Reclaim until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._agenda.run())
            while True:
                try:
                    await self._sweep()
                except (Unavailable, ApiUnavailable) as error:
                    log.warning("leases of ended pods: %s; looking again in %g s", error, self._sweep_interval)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._sweep_interval):
                        await self._wanted.wait()
                        await asyncio.sleep(SETTLE)
                self._wanted.clear()

    def note(self, key: Key, status: Status | None) -> None:
        """Take note of an object's snapshot; None if it is gone."""
        new, ended = self._holdings.note(key, status)
        self._witnessed -= ended
        if isinstance(status, PermitStatus) and not is_whole(status):
            self._partial.add(key)
        else:
            self._partial.discard(key)
        for each in new:
            if not each.uid and each.token and self._lives(each):
                self._witnessed.add(each)
            elif not each.pod:
                self._wanted.set()
            elif self._is_suspect(each):
                self._agenda.poke(_pod_of(each))

    def _pod_changed(self, name: tuple[str, str], before: Pod | None, after: Pod | None) -> None:
        if after is not None:
            self._holdings.names[after.uid] = after.name
        replaced = before is not None and after is not None and before.uid != after.uid
        if after is None or after.ended or replaced:
            pod = PodName(*name)
            if self._holdings.of(pod):
                self._agenda.poke(pod)

    def _lives(self, holding: Holding) -> bool:
        """Whether the view shows the holding's pod alive; without a uid, any pod of its name."""
        pod = self._view.pod(*_pod_of(holding))
        return pod is not None and not pod.ended and holding.uid in {"", pod.uid}

    def _is_suspect(self, holding: Holding) -> bool:
        """Whether the API should be asked if the pod still lives. Nobody knows the pod of most waiters without one."""
        return not self._lives(holding) and bool(holding.uid or holding in self._witnessed)

    async def _sweep(self) -> None:
        """Look at everything that is held."""
        for key in tuple(self._partial):
            self.note(key, await self._store.read(key, holders=WHOLE))
        nameless = []
        for each in self._holdings:
            if not each.pod:
                nameless.append(each)
            elif self._is_suspect(each):
                self._agenda.poke(_pod_of(each))
        if nameless:
            await self._end_nameless(nameless)
        known = {pod.uid for pod in self._view.pods.items.values()} | {each.uid for each in self._holdings}
        self._holdings.names = {uid: name for uid, name in self._holdings.names.items() if uid in known}

    async def _end_nameless(self, leases: list[Holding]) -> None:
        """End leases of pods that have never been seen here and of which only the uid is known."""
        pods = await self._cluster.pods(Pod.of)
        living = {pod.uid for pod in pods if not pod.ended}
        for each in leases:
            if each.uid not in living:
                await self._end_lease(each)

    async def _work(self, name: PodName) -> None:
        """End what pods of this name held and do not hold any more."""
        held = self._holdings.of(name)
        if not held:
            self._agenda.forget(name)
            return
        body = await self._cluster.pod(*name)
        pod = None if body is None else Pod.of(body)
        for each in held:
            if each.request:
                await self._end_wait(each, pod)
            elif self._is_over(each, pod):
                await self._end_lease(each)

    def _is_over(self, lease: Holding, pod: Pod | None) -> bool:
        """Whether a lease's owner is gone; `pod` is what has its owner's name at this moment."""
        if pod is None or pod.ended:
            return bool(lease.uid) or lease in self._witnessed
        if lease.uid in {"", pod.uid}:
            return False
        return not lease.is_shared_name

    async def _end_lease(self, lease: Holding) -> None:
        if await self._store.reclaim(lease.key, lease.holder, lease.token, lease.uid):
            log.info("%s: released what %s held, since its pod is gone", lease.key, lease.holder)

    async def _end_wait(self, wait: Holding, pod: Pod | None) -> None:
        uid = await self._store.waiter_uid(wait.key.namespace, wait.request)
        if uid and self._is_over(replace(wait, uid=uid), pod):
            await self._store.abandon(wait.key, wait.holder, wait.request)


def _pod_of(holding: Holding) -> PodName:
    return PodName(holding.key.namespace, holding.pod)
