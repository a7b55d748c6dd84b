"""Everything that runs in one run: Jobs, Deployments and bare Pods, what has become of them, the first failure."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from koncli.local.deployment import Deployment
from koncli.local.expand import Identity
from koncli.local.job import Job
from koncli.local.pod import Pod
from koncli.local.state import FAILED, SUCCEEDED, Audience

if TYPE_CHECKING:
    from koncli.local.deploymentspec import DeploymentSpec
    from koncli.local.documents import Documents
    from koncli.local.host import Host
    from koncli.local.jobspec import JobSpec
    from koncli.local.podowner import PodOwner
    from koncli.local.podspec import PodSpec
    from koncli.local.standin import StandIn


@dataclass(frozen=True, slots=True)
class Failure:
    """The first thing that failed: `what` with its `reason`, and the pod to blame where there is one."""

    what: str
    reason: str
    pod: Pod | None


class Workload:
    """The Jobs, Deployments and Pods of a run, all started at once as `kubectl apply` does."""

    def __init__(self, documents: Documents, host: Host, audience: Audience, stand_in: StandIn) -> None:
        """Make what is to run; `stand_in` does for each what a cluster's controller does."""
        self._host = host
        self._audience = audience
        self._stand_in = stand_in
        self.pods: list[Pod] = []
        self.failure: Failure | None = None
        self.jobs = [Job(spec, self._make_job_pod, self._live, audience.say) for spec in documents.jobs]
        self.deployments = [
            Deployment(spec, self._make_deployment_pod, self._live, self._tell) for spec in documents.deployments
        ]
        self.bare = [self._make_pod(name, spec) for name, spec in documents.pods]
        self._failed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Run until all that can end has ended and all Deployments are available together, or something failed."""
        jobs = [asyncio.create_task(self._run_owner(job)) for job in self.jobs]
        pods = {pod: asyncio.create_task(self._run_pod(pod)) for pod in self.bare}
        deployments = [asyncio.create_task(self._run_owner(each)) for each in self.deployments]
        self._tasks = [*jobs, *pods.values(), *deployments]
        ending = [*jobs, *(task for pod, task in pods.items() if pod.spec.restart_policy != "Always")]
        if not ending and not deployments:
            ending = list(pods.values())
        complete = asyncio.create_task(self._complete(ending))
        failed = asyncio.create_task(self._failed.wait())
        try:
            done, _ = await asyncio.wait({complete, failed, *deployments}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            complete.cancel()
            failed.cancel()

    async def _complete(self, ending: list[asyncio.Task[None]]) -> None:
        pending = set(ending)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        while missing := [each for each in self.deployments if not each.available.is_set()]:
            await missing[0].available.wait()

    async def stop(self, reason: str) -> None:
        """Delete everything that still runs, with its grace, and wait for its end."""
        running: tuple[PodOwner | Pod, ...] = (*self.jobs, *self.deployments, *self.bare)
        await asyncio.gather(*(each.stop(reason) for each in running))
        await asyncio.gather(*self._tasks)

    async def kill(self) -> None:
        """Take everything down at once."""
        await asyncio.gather(*(pod.kill() for pod in self.pods))

    def nudge(self) -> None:
        """Let the Jobs and Deployments look at their pods: one is in another state."""
        for owner in (*self.jobs, *self.deployments):
            owner.nudge()

    @property
    def endless(self) -> bool:
        """Whether something runs that does not end by itself."""
        return any(each.spec.replicas for each in self.deployments) or any(pod.ended is None for pod in self.bare)

    def unfinished(self) -> list[str]:
        """Return what has not ended, by name."""
        jobs = [job.reference for job in self.jobs if job.ended is None]
        deployments = [f"{each.reference} ({each.facts})" for each in self.deployments if each.ended is None]
        return jobs + deployments + [f"pod/{pod.name}" for pod in self.bare if pod.ended is None]

    def _tell(self, text: str) -> None:
        """Say what has become of a Deployment, which is another state of it too."""
        self._audience.say(text)
        self._audience.changed()

    async def _run_owner(self, owner: PodOwner) -> None:
        await owner.run()
        self._audience.changed()
        if owner.phase == FAILED:
            self._fail(Failure(owner.reference, owner.reason, owner.failed_pod()))

    async def _run_pod(self, pod: Pod) -> None:
        await self._live(pod)
        if pod.phase != SUCCEEDED and not pod.deleted:
            self._fail(Failure(f"pod/{pod.name}", pod.reason or "failed", pod))

    def _fail(self, failure: Failure) -> None:
        self.failure = self.failure or failure
        self._failed.set()

    async def _live(self, pod: Pod) -> None:
        await self._stand_in.schedule(pod)
        watching = asyncio.create_task(self._stand_in.watch(pod))
        await pod.run()
        watching.cancel()
        await self._stand_in.bury(pod)

    def _make_job_pod(self, name: str, job: JobSpec, index: int | None) -> Pod:
        spec = job.pod
        if index is not None and not spec.hostname:
            spec = dataclasses.replace(spec, hostname=f"{job.name}-{index}")
        arrival = f"{job.uid}/{index}" if index is not None else job.uid if job.completions == 1 else ""
        return self._make_pod(name, spec, index, arrival)

    def _make_deployment_pod(self, name: str, deployment: DeploymentSpec) -> Pod:
        return self._make_pod(name, deployment.pod)

    def _make_pod(self, name: str, spec: PodSpec, index: int | None = None, arrival: str = "") -> Pod:
        node, uid = spec.node or self._host.node, str(uuid.uuid4())
        identity = Identity(name, self._host.namespace, uid, node, index, arrival or uid)
        pod = Pod(identity, spec, self._host, self._audience)
        self.pods.append(pod)
        return pod
