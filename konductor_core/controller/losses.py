"""Pods whose keeper has reported a lost lease: they are told of it in an Event, and deleted if they ask for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from konductor_core.annotations import Annotation
from konductor_core.controller.agenda import Agenda
from konductor_core.controller.cluster import ApiUnavailable
from konductor_core.coordination import Coordination
from konductor_core.errors import InvalidInput, Unavailable
from konductor_core.flows.leases import pod_of_loss

if TYPE_CHECKING:
    from konductor_core.controller.cluster import Cluster
    from konductor_core.controller.notices import Notices
    from konductor_core.controller.view import Key, Pod, View
    from konductor_core.models import Event

__all__ = ["Losses"]


class Loss(NamedTuple):
    """A lease that a pod found lost: of which object, and which pod."""

    key: Key
    uid: str
    detail: str


class Losses:
    """Acts on losses. It must be told of the histories of all objects: `note`; more than once does no harm."""

    def __init__(self, view: View, cluster: Cluster, notices: Notices) -> None:
        self._view = view
        self._cluster = cluster
        self._notices = notices
        self._agenda: Agenda[Loss] = Agenda(self._work, workers=4, outages=(Unavailable, ApiUnavailable))

    async def run(self) -> None:
        """Act until cancelled."""
        await self._agenda.run()

    def note(self, key: Key, event: Event) -> None:
        """Take note of what happened to an object."""
        if event.type == "lost" and (uid := pod_of_loss(event.detail or "")):
            self._agenda.poke(Loss(key, uid, event.detail or ""))

    async def _work(self, loss: Loss) -> None:
        self._agenda.forget(loss)
        pod = next((each for each in self._view.pods_of(loss.key.namespace) if each.uid == loss.uid), None)
        if pod is None or pod.ended or pod.deleting:
            return
        what = f"lost its lease of {loss.key.kind.key}/{loss.key.name}"
        deleted = _asks_to_be_deleted(pod)
        if deleted:
            what += f", and is deleted, as {Annotation.ON_LOST} says"
        await self._notices.tell(("Pod", pod.namespace, pod.name, pod.uid), "LeaseLost", what)
        if deleted:
            await self._cluster.delete_pod(pod.namespace, pod.name, pod.uid)


def _asks_to_be_deleted(pod: Pod) -> bool:
    try:
        return Coordination.from_annotations(pod.annotations).on_lost == "delete-pod"
    except InvalidInput:
        return False
