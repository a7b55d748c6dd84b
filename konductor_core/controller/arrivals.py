"""Pods arrive at barriers by succeeding: the controller sees their end, and arrives for them.

Each pod arrives once in its life, under an id that a retry of it shares: the index of an Indexed Job, the Job itself if
one success completes it, else the pod. A pod that ended before the present epoch of its barrier began belonged to an
earlier one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from konductor_core.annotations import ARRIVES
from konductor_core.controller.agenda import Agenda
from konductor_core.controller.arrival_ids import ArrivalIds
from konductor_core.controller.beginnings import Beginnings
from konductor_core.controller.cluster import ApiUnavailable
from konductor_core.controller.remains import moment
from konductor_core.controller.view import Key
from konductor_core.coordination import Coordination
from konductor_core.durations import ARRIVE_PATIENCE, SECOND
from konductor_core.errors import BarrierFailed, BelowZero, InvalidInput, NotFound, Unavailable

if TYPE_CHECKING:
    from konductor_core.controller.cluster import Cluster
    from konductor_core.controller.notices import Notices
    from konductor_core.controller.store import Store
    from konductor_core.controller.view import Pod, View
    from konductor_core.models.objects import Status

__all__ = ["Arrivals"]

log = logging.getLogger(__name__)

SKEW: Final = 5 * SECOND
"""How far the clocks of nodes, API server and Redis may be apart, in ms: a pod that ended so shortly before an epoch
began still counts in it."""
LOOK_AGAIN: Final = 60.0
"""Seconds between looks for a barrier that does not exist yet, should its creation go unheard."""


class Ended(NamedTuple):
    """A pod that has ended."""

    namespace: str
    name: str
    uid: str


class Arrivals:
    """Arrives for pods. It must be told of every snapshot of a barrier: `note`."""

    def __init__(self, view: View, cluster: Cluster, store: Store, notices: Notices) -> None:
        self._view = view
        self._cluster = cluster
        self._store = store
        self._notices = notices
        self._beginnings = Beginnings(cluster, store)
        self._agenda: Agenda[Ended] = Agenda(self._work, workers=8, outages=(Unavailable, ApiUnavailable))
        self._ids = ArrivalIds(cluster, store)
        self._pods: dict[Ended, tuple[Pod, float]] = {}
        self._witnessed: set[str] = set()
        self._awaited: dict[Key, set[Ended]] = {}
        self._running = False
        view.pods.listeners.append(self._pod_changed)

    async def run(self) -> None:
        """Arrive until cancelled; first for all that ended while nobody did."""
        self._pods.clear()
        self._awaited.clear()
        self._witnessed = {pod.uid for pod in self._view.pods.items.values() if not pod.ended}
        self._running = True
        try:
            for pod in self._view.pods.items.values():
                self._consider(pod)
            await self._agenda.run()
        finally:
            self._running = False

    def note(self, key: Key, status: Status | None) -> None:
        """Take note that a barrier exists."""
        if status is not None and key in self._awaited:
            for ended in self._awaited.pop(key):
                self._agenda.poke(ended)

    def again(self, namespace: str) -> None:
        """Arrive once more for all of a namespace that was restored: what was lost counts, the rest did already."""
        for pod in self._view.pods_of(namespace):
            self._witnessed.discard(pod.uid)
            self._consider(pod)

    def _pod_changed(self, _key: tuple[str, str], before: Pod | None, after: Pod | None) -> None:
        if not self._running:
            return
        if before is not None and (after is None or after.uid != before.uid):
            self._witnessed.discard(before.uid)
        if after is None:
            return
        if not after.ended:
            self._witnessed.add(after.uid)
        elif before is None or before.uid != after.uid or not before.ended:
            self._consider(after)

    def _consider(self, pod: Pod) -> None:
        """Have a pod looked at if it has ended, and if anything of it says that it arrives."""
        if pod.ended and any(annotation in pod.annotations for annotation in ARRIVES.values()):
            ended = Ended(pod.namespace, pod.name, pod.uid)
            self._pods[ended] = pod, self._now()
            self._agenda.poke(ended)

    async def _work(self, ended: Ended) -> float | None:
        """Arrive for one pod wherever it arrives; return after how many seconds to try the rest again."""
        if ended not in self._pods:
            return None
        pod, since = self._pods[ended]
        pending = [key for key in await self._targets(pod) if not await self._arrive(pod, key)]
        patient = self._view.pod(*ended[:2]) is not None or self._now() < since + ARRIVE_PATIENCE / SECOND
        if not pending or not patient:
            self._pods.pop(ended, None)
            self._agenda.forget(ended)
            for key in pending:
                self._awaited.get(key, set()).discard(ended)
            return None
        for key in pending:
            self._awaited.setdefault(key, set()).add(ended)
        return LOOK_AGAIN

    async def _targets(self, pod: Pod) -> list[Key]:
        """Return the barriers at which a pod arrives by the way in which it has ended."""
        try:
            asked = Coordination.from_annotations(pod.annotations)
        except InvalidInput as error:
            await self._notices.tell(("Pod", pod.namespace, pod.name, pod.uid), "NotCounted", str(error))
            return []
        phases = {"success": {"Succeeded"}, "completion": {"Succeeded", "Failed"}, "start": set()}
        if pod.phase not in phases[asked.arrive_on]:
            return []
        return [Key(each.kind, pod.namespace, each.name) for each in asked.arrives]

    async def _arrive(self, pod: Pod, key: Key) -> bool:
        """Arrive at one barrier; False if there is none yet."""
        arrival = await self._ids.of(pod, key)
        if pod.uid not in self._witnessed:
            if await self._store.has_arrived(key, arrival):
                return True
            began = await self._beginnings.of(key)
            if began is None:
                return False
            ended = await self._ended_ms(pod)
            if ended is not None and ended + SKEW < began:
                log.debug("%s: %s ended before this epoch began", key, pod.name)
                return True
        try:
            arrived = await self._store.arrive(key, arrival, f"pod/{pod.uid}")
        except NotFound:
            return False
        except (BarrierFailed, BelowZero) as error:
            await self._notices.tell(("Pod", pod.namespace, pod.name, pod.uid), "NotCounted", str(error))
            return True
        if arrived.counted:
            log.info("%s: %s has arrived, %s", key, pod.name, arrived.summary)
        return True

    async def _ended_ms(self, pod: Pod) -> int | None:
        """Return when the pod ended, None if nothing tells any more."""
        body = await self._cluster.pod(pod.namespace, pod.name)
        if body is None or body["metadata"]["uid"] != pod.uid:
            return None
        status = body.get("status") or {}
        states = [each.get("state") or {} for each in status.get("containerStatuses") or []]
        ends = [state["terminated"].get("finishedAt") for state in states if "terminated" in state]
        changes = [each.get("lastTransitionTime") for each in status.get("conditions") or []]
        found = [text for text in ends if text] or [text for text in changes if text]
        return max(map(moment, found), default=None)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
