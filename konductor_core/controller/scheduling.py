"""Pods that wait unscheduled: the scheduling gate is taken off when all that they wait for has opened.

Until then they hold no resources. A wait that fails or takes too long is told in an Event, and the pod stays where it
is, since a pod that was never scheduled cannot fail: whoever owns it decides. Should the barrier open after all, the
pod goes on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from konductor_core.annotations import SCHEDULING_GATE
from konductor_core.controller.agenda import Agenda
from konductor_core.controller.cluster import ApiUnavailable, Conflict, Missing
from konductor_core.controller.holdings import PodName
from konductor_core.controller.remains import moment
from konductor_core.controller.view import Key, Pod
from konductor_core.coordination import Coordination
from konductor_core.durations import SECOND, about
from konductor_core.errors import InvalidInput, Unavailable
from konductor_core.models import BarrierStatus, GateStatus, OnceStatus, WaitGroupStatus

if TYPE_CHECKING:
    from konductor_core.controller.cluster import Cluster
    from konductor_core.controller.notices import Notices
    from konductor_core.controller.store import Store
    from konductor_core.controller.view import View
    from konductor_core.coordination import Wait
    from konductor_core.models.objects import Status

__all__ = ["Scheduling"]

log = logging.getLogger(__name__)

LOOK_AGAIN: Final = 60.0
"""Seconds between looks at a gated pod that nothing has been heard of."""


@dataclass(slots=True)
class _Gated:
    """A pod behind the gate: what it waits for, since when (ms), the last cycle of each barrier then, what was told."""

    uid: str
    waits: tuple[Wait, ...]
    since_ms: int = 0
    cycles: dict[Key, int] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)


class Scheduling:
    """Takes the gates off. It must be told of every snapshot of what pods wait for: `note`."""

    def __init__(self, view: View, cluster: Cluster, store: Store, notices: Notices) -> None:
        self._view = view
        self._cluster = cluster
        self._store = store
        self._notices = notices
        self._agenda: Agenda[PodName] = Agenda(self._work, workers=8, outages=(Unavailable, ApiUnavailable))
        self._gated: dict[PodName, _Gated] = {}
        self._shown: dict[Key, tuple[str, int | None]] = {}
        for name, pod in view.pods.items.items():
            self._pod_changed(name, None, pod)
        view.pods.listeners.append(self._pod_changed)

    async def run(self) -> None:
        """Take gates off until cancelled."""
        for name in self._gated:
            self._agenda.poke(name)
        await self._agenda.run()

    def note(self, key: Key, status: Status | None) -> None:
        """Take note of what pods wait for: whoever waits for it is looked at when it has opened or failed."""
        match status:
            case BarrierStatus():
                shown: tuple[str, int | None] = (status.phase, status.last_opened_cycle)
            case WaitGroupStatus():
                shown = (status.phase, status.round)
            case OnceStatus() | GateStatus():
                shown = (status.phase, None)
            case _:
                self._shown.pop(key, None)
                return
        if self._shown.get(key) != shown:
            self._shown[key] = shown
            for name, gated in self._gated.items():
                if any(_key(name, wait) == key for wait in gated.waits):
                    self._agenda.poke(name)

    def _pod_changed(self, key: tuple[str, str], _before: Pod | None, after: Pod | None) -> None:
        name = PodName(*key)
        if after is None or SCHEDULING_GATE not in after.gates or after.deleting:
            if self._gated.pop(name, None):
                self._agenda.forget(name)
        elif name not in self._gated or self._gated[name].uid != after.uid:
            try:
                self._gated[name] = _Gated(after.uid, Coordination.from_annotations(after.annotations).waits)
            except InvalidInput as error:
                log.warning("%s/%s: is not scheduled: %s", *name, error)
                return
            self._agenda.poke(name)

    async def _work(self, name: PodName) -> float | None:
        """Look at one pod; return after how many seconds to look again."""
        gated = self._gated.get(name)
        if gated is None:
            return None
        if not gated.since_ms:
            body = await self._cluster.pod(*name)
            if body is None or body["metadata"]["uid"] != gated.uid:
                return None
            gated.since_ms = moment(body["metadata"]["creationTimestamp"])
        closed = [wait for wait in gated.waits if not await self._is_open(name, gated, wait)]
        if closed:
            return await self._overdue(name, gated, closed)
        await self._lift(name, gated)
        return None

    async def _is_open(self, name: PodName, gated: _Gated, wait: Wait) -> bool:
        key = _key(name, wait)
        latch = await self._store.latch(key)
        if latch is None:
            return False
        if latch.phase == "Failed":
            await self._tell(name, gated, "WaitFailed", f"{wait.kind.key}/{wait.name} has failed: {latch.reason}")
        return latch.is_open(gated.since_ms, gated.cycles.setdefault(key, latch.last_cycle))

    async def _overdue(self, name: PodName, gated: _Gated, closed: list[Wait]) -> float:
        """Tell of waits that have taken too long; return the seconds until the next one will have."""
        waited = await self._store.now_ms(name.namespace) - gated.since_ms
        left = LOOK_AGAIN
        for wait in closed:
            if wait.timeout_ms is None:
                continue
            if waited < wait.timeout_ms:
                left = min(left, (wait.timeout_ms - waited) / SECOND)
                continue
            text = f"has waited {about(wait.timeout_ms)} for {wait.kind.key}/{wait.name}, which is still closed"
            await self._tell(name, gated, "WaitTimedOut", text)
        return left

    async def _lift(self, name: PodName, gated: _Gated) -> None:
        """Let a pod be scheduled, unless it is another by now, or somebody has done so."""
        body = await self._cluster.pod(*name)
        pod = None if body is None else Pod.of(body)
        if pod is None or pod.uid != gated.uid or SCHEDULING_GATE not in pod.gates:
            return
        others = [gate for gate in pod.gates if gate != SCHEDULING_GATE]
        try:
            await self._cluster.set_scheduling_gates(*name, pod.version, others)
        except Missing:
            return
        except Conflict:  # it has changed at this moment
            self._agenda.poke(name)
            return
        opened = ", ".join(f"{wait.kind.key}/{wait.name}" for wait in gated.waits)
        log.info("%s/%s: may be scheduled, since %s opened", *name, opened)

    async def _tell(self, name: PodName, gated: _Gated, reason: str, message: str) -> None:
        if message not in gated.told:
            await self._notices.tell(("Pod", *name, gated.uid), reason, message)
            gated.told.add(message)


def _key(name: PodName, wait: Wait) -> Key:
    return Key(wait.kind, name.namespace, wait.name)
