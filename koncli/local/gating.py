"""Gates of a run: their conditions are looked at here, in the controller's place, whenever something has changed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from koncli.local.jobspec import COMPLETE
from koncli.local.state import FAILED
from konductor_core.durations import HEARTBEAT
from konductor_core.errors import KonductorError, NotFound
from konductor_core.facts import FACTS, fact_of
from konductor_core.flows import gates, snapshots
from konductor_core.gates import Reference, is_news, judge, references
from konductor_core.identity import Kind
from konductor_core.keys import ObjectKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from koncli.local.deployment import Deployment
    from koncli.local.job import Job
    from koncli.local.pod import Pod
    from koncli.local.workload import Workload
    from konductor_core import AsyncKonductor
    from konductor_core.facts import Fact
    from konductor_core.models import GateStatus, Status

__all__ = ["Gating"]

_REST_S: Final = 0.05
"""Seconds between two looks: what changes together is looked at once."""
_RETRY_S: Final = 1.0


class Gating:
    """Looks at the gates of the namespace, as far as no custom resource owns them: those a controller looks at."""

    def __init__(self, k: AsyncKonductor, workload: Callable[[], Workload | None]) -> None:
        self._k = k
        self._workload = workload
        self._wake = asyncio.Event()
        self._due_ms = HEARTBEAT

    def wake(self) -> None:
        """Look again: something has changed."""
        self._wake.set()

    async def run(self) -> None:
        """Look at all gates again and again, until cancelled."""
        while True:
            self._wake.clear()
            self._due_ms = HEARTBEAT
            try:
                for _, name in await self._k.objects(Kind.GATE):
                    await self._look(name)
            except KonductorError:  # Redis is away
                self._due_ms = round(_RETRY_S * 1000)
            waiting = asyncio.create_task(self._wake.wait())
            await asyncio.wait({waiting}, timeout=self._due_ms / 1000)
            waiting.cancel()
            await asyncio.sleep(_REST_S)

    async def _look(self, name: str) -> None:
        with suppress(NotFound):
            status: GateStatus = await self._read(Reference(str(Kind.GATE), self._k.namespace, name))
            if status.verdict != "Waiting" or status.owner != "cli":
                return
            facts = {each: await self._fact(each) for each in references(status.spec, status.namespace)}
            known = {each: fact for each, fact in facts.items() if fact is not None}
            verdict = judge(status.spec, status.namespace, known)
            if is_news(status, verdict):
                keys = ObjectKeys(status.namespace, Kind.GATE, name)
                await self._k.driver.run(gates.evaluate(keys, status.epoch, status.spec, verdict))

    async def _fact(self, reference: Reference) -> Fact | None:
        """Return how an object stands, None if there is none; of the runner's own there are some in one namespace."""
        if reference.type not in FACTS:
            try:
                return fact_of(await self._read(reference))
            except NotFound:
                return None
        workload = self._workload()
        if workload is None or reference.namespace != self._k.namespace:
            return None
        body = _body(workload, reference)
        return None if body is None else FACTS[reference.type](body)

    async def _read(self, reference: Reference) -> Any:  # noqa: ANN401 - each kind has its own status
        """Read an object of ours, and come back when it changes by itself. Raises `NotFound`."""
        keys = ObjectKeys(reference.namespace, Kind(reference.type), reference.name)
        status: Status = await self._k.driver.run(snapshots.glance(keys))
        if status.next_change_ms >= 0:
            self._due_ms = min(self._due_ms, status.next_change_ms)
        return status


def _body(workload: Workload, reference: Reference) -> Mapping[str, Any] | None:
    """Return what an API server would have of a Job, Deployment or Pod of the run, as far as a gate looks at it."""
    if reference.type == "Job":
        return next((_job(each) for each in workload.jobs if each.name == reference.name), None)
    if reference.type == "Deployment":
        return next((_deployment(each) for each in workload.deployments if each.name == reference.name), None)
    pod = next((each for each in workload.pods if each.name == reference.name), None)
    return None if pod is None else _pod(pod, is_bare=pod in workload.bare)


def _job(job: Job) -> Mapping[str, Any]:
    ended = job.phase in {COMPLETE, FAILED}
    active = sum(pod.ended is None for pod in job.pods)
    conditions = [{"type": job.phase, "status": "True", "reason": job.reason}] if ended else []
    return {
        "spec": {"completions": job.spec.completions},
        "status": {"active": active, "succeeded": job.succeeded, "conditions": conditions},
    }


def _deployment(deployment: Deployment) -> Mapping[str, Any]:
    replicas = sum(pod.ended is None and not pod.stopping for pod in deployment.pods)
    counts = {"replicas": replicas, "updatedReplicas": replicas, "availableReplicas": deployment.available_replicas}
    return {"spec": {"replicas": deployment.spec.replicas}, "status": counts}


def _pod(pod: Pod, *, is_bare: bool) -> Mapping[str, Any]:
    ready = {"type": "Ready", "status": "True" if pod.ready else "False"}
    return {
        "metadata": {} if is_bare else {"ownerReferences": [{"controller": True}]},
        "status": {"phase": pod.phase, "conditions": [ready]},
    }
