"""Kubernetes Events on pods and Secrets: what the controller did to them, or could not do, and why."""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from konductor_core.annotations import CONTROLLER
from konductor_core.controller.cluster import ApiError
from konductor_core.durations import rfc3339

if TYPE_CHECKING:
    from konductor_core.controller.cluster import Cluster
    from konductor_core.controller.store import Store

__all__ = ["Notices"]

log = logging.getLogger(__name__)


class Notices:
    """Writes Events, each once: its name follows from what it says of what. `instance` is the name of this replica."""

    def __init__(self, cluster: Cluster, store: Store, instance: str) -> None:
        self._cluster = cluster
        self._store = store
        self._instance = instance

    async def tell(
        self,
        about: tuple[Literal["Pod", "Secret"], str, str, str],
        reason: str,
        message: str,
        severity: Literal["Normal", "Warning"] = "Warning",
    ) -> None:
        """Say something about a thing, given as kind, namespace, name and uid. What keeps an Event away is logged."""
        kind, namespace, name, uid = about
        log.log(
            logging.WARNING if severity == "Warning" else logging.INFO,
            "%s/%s/%s: %s",
            namespace,
            kind.lower(),
            name,
            message,
        )
        moment = rfc3339(await self._store.now_ms())
        digest = sha256(f"{kind} {uid} {reason} {message}".encode()).hexdigest()[:16]
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name[:230]}.{digest}", "namespace": namespace},
            "involvedObject": {"apiVersion": "v1", "kind": kind, "namespace": namespace, "name": name, "uid": uid},
            "reason": reason,
            "type": severity,
            "message": message[:1_000],
            "count": 1,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "source": {"component": CONTROLLER, "host": self._instance},
            "reportingComponent": CONTROLLER,
            "reportingInstance": self._instance,
        }
        try:
            await self._cluster.create_event(namespace, body)
        except ApiError as error:
            log.debug("%s/%s: no Event: %s", namespace, name, error)
