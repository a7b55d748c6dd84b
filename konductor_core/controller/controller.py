"""One replica of the controller: what it is made of, and what of it runs when.

Every replica watches the cluster and serves its health. Only the active one looks at objects and writes anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from konductor_core import __version__
from konductor_core.controller.agenda import Agenda
from konductor_core.controller.arrivals import Arrivals
from konductor_core.controller.cluster import ApiUnavailable, Cluster
from konductor_core.controller.connections import Connections
from konductor_core.controller.events import EventWriter
from konductor_core.controller.gating import Gating
from konductor_core.controller.health import Health
from konductor_core.controller.leader import Leader
from konductor_core.controller.losses import Losses
from konductor_core.controller.metrics import Metrics
from konductor_core.controller.notices import Notices
from konductor_core.controller.reclaim import Reclaim
from konductor_core.controller.reconcile import Reconciler
from konductor_core.controller.restore import Restore
from konductor_core.controller.scheduling import Scheduling
from konductor_core.controller.startup import kinds_are_known, persist
from konductor_core.controller.store import Store
from konductor_core.controller.sweep import Sweep, refresh
from konductor_core.controller.tenants import Tenants
from konductor_core.controller.view import Key, Resource, View
from konductor_core.controller.watching import Watch
from konductor_core.errors import Unavailable

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

    from konductor_core.controller.settings import ControllerSettings
    from konductor_core.models.objects import Status

__all__ = ["Controller"]

log = logging.getLogger(__name__)

CLEAN_EVERY: Final = 1.0
"""Seconds between two notes in Redis on what was looked at."""
STUCK: Final = 60.0
"""Seconds after which what has not moved counts as stuck."""
BEAT: Final = 5.0
LIST_AGAIN: Final = 0.2
"""Seconds for the other watches to begin, once one has."""


class Controller:
    """Runs until cancelled, or until the watches end. `listening` has the port of its HTTP server once it has one."""

    def __init__(self, settings: ControllerSettings, configuration: Configuration) -> None:
        self._settings = settings
        self._configuration = configuration
        self.metrics = Metrics(settings.metrics_objects)
        self.view = View()
        self.store = Store(settings.redis)
        self.cluster = Cluster(configuration, self.metrics.called)
        self.listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._watch = Watch(self.view, configuration, self._relisted)
        self._looked_at: defaultdict[str, dict[Key, int]] = defaultdict(dict)
        self._compose()

    def _compose(self) -> None:
        view, cluster, store = self.view, self.cluster, self.store
        self.restore = Restore(view, store, degraded=self._degraded, poke=self._poke, restored=self._restored)
        self.events = EventWriter(cluster, store, self._settings.instance)
        self.gating = Gating(view, cluster, store, show=self._poke)
        self.reconciler = Reconciler(
            view,
            cluster,
            store,
            events=self.events,
            restore=self.restore.restore,
            seen=self._seen,
            problem=self.gating.problem,
        )
        self.agenda: Agenda[Key] = Agenda(
            self._look,
            workers=self._settings.workers,
            outages=(Unavailable, ApiUnavailable),
            observe=self._observe,
        )
        self.reclaim = Reclaim(view, cluster, store)
        notices = Notices(cluster, store, self._settings.instance)
        self.arrivals = Arrivals(view, cluster, store, notices)
        self.scheduling = Scheduling(view, cluster, store, notices)
        self.losses = Losses(view, cluster, notices)
        self.events.listeners.append(self.losses.note)
        self.tenants = Tenants(self._settings.redis, store)
        self.connections = Connections(
            view, cluster, self.tenants, notices, settings=self._settings.redis, tenancy=self._settings.tenancy
        )
        self.sweep = Sweep(view, cluster, store, self._poke, self._settings.resync_ms / 1000)
        self.leader = Leader(store, self._settings.redis, self._work)
        view.resources.listeners.append(self._resource_changed)

    async def run(self) -> None:
        """Run all of it. Raises `WatchEnded`; `OSError` if the port is taken."""
        health = Health(
            stuck=self._stuck, unready=self._unready, metrics=self._metrics_text, status=self._status_document
        )
        async with self.store, self.cluster, self.tenants, asyncio.TaskGroup() as tasks:
            tasks.create_task(health.run(self._settings.host, self._settings.port, self.listening.set_result))
            tasks.create_task(self._ask_redis())
            await persist(partial(kinds_are_known, self.cluster), "waiting for the Kubernetes API")
            tasks.create_task(self._watch.run())
            await self._see_everything()
            tasks.create_task(self.leader.run())

    async def _see_everything(self) -> None:
        """List all that there is, and again until no watch can have begun too late to see it change."""
        await self._watch.began.wait()
        while not self.view.synced:
            heard = frozenset(self._watch.heard)
            await persist(partial(refresh, self.view, self.cluster), "listing what the cluster has")
            self.view.synced = self.view.present() <= heard
            await asyncio.sleep(0 if self.view.synced else LIST_AGAIN)

    async def _ask_redis(self) -> None:
        """Know whether Redis is there, on a standby too."""
        while True:
            try:
                await self.store.now_ms()
                self.metrics.redis_up.set(1)
            except Unavailable:
                self.metrics.redis_up.set(0)
                self.metrics.redis_errors.inc()
            await asyncio.sleep(BEAT)

    # ---------------------------------------------------------------------------------------- the active replica

    async def _work(self) -> None:
        """Do all that only one replica does, until cancelled."""
        self.metrics.active.set(1)
        try:
            async with asyncio.TaskGroup() as tasks:
                for care in (self.agenda, self.restore, self.connections, self.gating, self.sweep):
                    tasks.create_task(care.run())
                for care_of_pods in (self.reclaim, self.arrivals, self.scheduling, self.losses):
                    tasks.create_task(care_of_pods.run())
                tasks.create_task(self._listen())
                tasks.create_task(self._note_looks())
        finally:
            self.metrics.active.set(0)
            self.metrics.forget_objects()

    async def _look(self, key: Key) -> float | None:
        try:
            return await self.reconciler.reconcile(key)
        except Unavailable:
            self.metrics.redis_errors.inc()
            raise

    async def _listen(self) -> None:
        """Look at what changes in Redis; and after a time without hearing, at what changed meanwhile."""
        async for key in self.store.nudges():
            if key is not None:
                self.metrics.nudges.inc()
                self._poke(key)
                continue
            try:
                for namespace in tuple(self.view.namespaces.items):
                    for changed in await self.store.changed(namespace):
                        self._poke(changed)
            except Unavailable as error:
                log.warning("what changed meanwhile: %s; everything is looked at instead", error)
                self.sweep.soon()

    async def _note_looks(self) -> None:
        """Take out of the sets of changed objects what was looked at since."""
        while True:
            await asyncio.sleep(CLEAN_EVERY)
            looked_at, self._looked_at = self._looked_at, defaultdict(dict)
            for namespace, looks in looked_at.items():
                try:
                    await self.store.looked_at(namespace, looks)
                except Unavailable as error:
                    log.debug("%s: %s", namespace, error)  # they are looked at once more, that is all

    # --------------------------------------------------------------------------------------- who is told of what

    def _poke(self, key: Key) -> None:
        self.agenda.poke(key)

    def _resource_changed(self, key: Key, _before: Resource | None, _after: Resource | None) -> None:
        self.agenda.poke(key)

    def _seen(self, key: Key, status: Status | None) -> None:
        """Pass on a snapshot to everybody who follows objects."""
        self.metrics.note(key, status)
        self.reclaim.note(key, status)
        self.arrivals.note(key, status)
        self.scheduling.note(key, status)
        self.gating.note(key, status)
        if status is None:
            self.events.forget(key)
        else:
            self._looked_at[key.namespace][key] = status.now_ms

    def _degraded(self, key: Key, message: str) -> None:
        self.reconciler.degraded[key] = message

    def _restored(self, namespace: str) -> None:
        self.sweep.soon()
        self.arrivals.again(namespace)

    def _relisted(self) -> None:
        if self.leader.leads:
            self.sweep.soon()

    def _observe(self, key: Key, waited: float, took: float, ok: bool) -> None:  # noqa: FBT001 - an Agenda's observer
        self.metrics.looked(key, waited, took, ok)
        if ok and self.view.resource(key) is None:
            self.agenda.forget(key)

    # ------------------------------------------------------------------------------------------------- its health

    def _stuck(self) -> list[str]:
        """Return what must move and does not."""
        problems = []
        if self.view.synced and self._watch.silence() > STUCK:
            problems.append(f"the watches have not moved for {self._watch.silence():.0f} s")
        if self.leader.leads and self.agenda.overdue() > STUCK:
            problems.append(f"an object has been due for {self.agenda.overdue():.0f} s, and nobody looks at it")
        return problems

    def _unready(self) -> list[str]:
        return [] if self.view.synced else ["the Kubernetes API has not yet said what the cluster has"]

    def _metrics_text(self) -> bytes:
        self.metrics.backlog.set(self.agenda.backlog())
        return self.metrics.text()

    def _status_document(self) -> dict[str, Any]:
        now = asyncio.get_running_loop().time()
        swept = self.sweep.done_at
        return {
            "version": __version__,
            "instance": self._settings.instance,
            "active": self.leader.leads,
            "fencingToken": self.leader.token,
            "synced": self.view.synced,
            "backlog": self.agenda.backlog(),
            "objects": self.metrics.summary(),
            "secondsSinceSweep": None if swept is None else round(now - swept, 1),
            "problems": [*self._stuck(), *self._unready(), *filter(None, [self.connections.problem])],
        }
