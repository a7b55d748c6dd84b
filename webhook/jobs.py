"""How many completions a pod's Job wants: what makes its pods arrive as one, or each for itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from webhook.cluster import ApiError
from webhook.environment import JOB_INDEX, JOB_UID
from webhook.shapes import items, mapping

if TYPE_CHECKING:
    from webhook.cluster import Cluster
    from webhook.shapes import Json

__all__ = ["Jobs"]

log = logging.getLogger(__name__)

REMEMBERED: Final = 10_000


class Jobs:
    """Asks the API once for each Job; what a Job without indexes says of its completions never changes."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._known: dict[str, int] = {}

    async def completions(self, namespace: str, pod: Json) -> int | None:
        """Return the completions of the Job that makes `pod`, 0 for a work queue; None if it has none or nobody knows.

        Pods of Indexed Jobs are not asked about: their index says all.
        """
        metadata = mapping(pod, "metadata")
        uid = mapping(metadata, "labels", "metadata.").get(JOB_UID)
        if not isinstance(uid, str) or JOB_INDEX in mapping(metadata, "annotations", "metadata."):
            return None
        if uid not in self._known:
            found = await self._ask(namespace, _owner(metadata, uid), uid)
            if found is None:
                return None
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[uid] = found
        return self._known[uid]

    async def _ask(self, namespace: str, name: str | None, uid: str) -> int | None:
        if name is None:
            return None
        try:
            job = await self._cluster.job(namespace, name)
        except ApiError as error:
            log.warning("%s/job/%s: %s; its pods arrive as one", namespace, name, error)
            return None
        if job is None or job["metadata"]["uid"] != uid:
            return None
        return int(job["spec"].get("completions") or 0)


def _owner(metadata: Json, uid: str) -> str | None:
    """Return the name of the Job with this uid that made the pod."""
    owners: list[Any] = items(metadata, "ownerReferences", "metadata.")
    return next((str(each["name"]) for each in owners if each.get("kind") == "Job" and each.get("uid") == uid), None)
