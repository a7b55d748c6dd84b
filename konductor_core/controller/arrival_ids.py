"""Under which id a pod arrives: a pod that takes another's place, after a failure or an eviction, has the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from konductor_core.controller.cluster import Cluster
    from konductor_core.controller.store import Store
    from konductor_core.controller.view import Key, Pod

__all__ = ["ArrivalIds"]

REMEMBERED: Final = 10_000
GONE: Final = -1
"""In place of a Job's completions."""


class ArrivalIds:
    """Finds the ids; what a Job says of its completions never changes, and is asked once."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self._cluster = cluster
        self._store = store
        self._completions: dict[str, int] = {}

    async def of(self, pod: Pod, key: Key) -> str:
        """Return the id under which a pod arrives at a barrier.

        `job-uid/index` in an Indexed Job, `job-uid` in a Job that one success completes, else the pod's uid. If the Job
        is gone, and has not arrived as such, the pod's uid too.
        """
        if not pod.job_uid:
            return pod.uid
        if pod.index:
            return f"{pod.job_uid}/{pod.index}"
        completions = await self._completions_of(pod)
        if completions == 1 or (completions == GONE and await self._store.has_arrived(key, pod.job_uid)):
            return pod.job_uid
        return pod.uid

    async def _completions_of(self, pod: Pod) -> int:
        """Return how many successes complete the pod's Job: 0 if it does not say, `GONE` if it is not there."""
        if pod.job_uid not in self._completions:
            job = await self._cluster.job(pod.namespace, pod.job)
            if job is None or job["metadata"]["uid"] != pod.job_uid:
                return GONE
            if len(self._completions) >= REMEMBERED:
                self._completions.clear()
            self._completions[pod.job_uid] = int(job["spec"].get("completions") or 0)
        return self._completions[pod.job_uid]
