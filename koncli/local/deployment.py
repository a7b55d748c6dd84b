"""One Deployment: keeps as many pods running as it has replicas, and knows whether it is available."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from koncli.local.crew import Crew, pod_name
from koncli.local.state import FAILED, STOPPED, back_off_ms
from konductor_core.durations import to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from koncli.local.deploymentspec import DeploymentSpec
    from koncli.local.pod import Pod


class Deployment:
    """One Deployment at work, until it is stopped or its deadline passes; `phase` is "" till then."""

    def __init__(
        self,
        spec: DeploymentSpec,
        make_pod: Callable[[str, DeploymentSpec], Pod],
        live: Callable[[Pod], Coroutine[Any, Any, None]],
        say: Callable[[str], None],
    ) -> None:
        """Take `make_pod(name, spec)`, which makes a pod, and `live(pod)`, which runs it and cleans up."""
        self.spec = spec
        self.phase = ""
        self.reason = ""
        self.started: float | None = None
        self.ended: float | None = None
        self.available = asyncio.Event()
        """Whether enough of its pods are available."""
        self.available_replicas = 0
        self._crew = Crew(live)
        self._make_pod = make_pod
        self._say = say
        self._ready_since: dict[Pod, float] = {}
        self._failures = 0
        self._not_before = 0.0
        self._due: float | None = None
        self._stopping = False

    @property
    def name(self) -> str:
        """The Deployment's name."""
        return self.spec.name

    @property
    def pods(self) -> list[Pod]:
        """Every pod there has been, in the order of their starts."""
        return self._crew.pods

    @property
    def facts(self) -> str:
        """Say how far it is: `2/3 available`."""
        return f"{self.available_replicas}/{self.spec.replicas} available"

    async def run(self) -> None:
        """Keep the pods running until it is stopped, or has not become available by its deadline."""
        self.started = time.monotonic()
        if self.spec.deadline_ms is not None:
            self._due = self.started + self.spec.deadline_ms / 1000
        try:
            while not self._stopping and not self._overdue():
                self._replace()
                settling = self._count()
                await self._crew.sleep(self._not_before, settling, self._due)
            self.phase, self.reason = (STOPPED, "") if self._stopping else (FAILED, "ProgressDeadlineExceeded")
            await self._crew.stop("the Deployment has ended")
        finally:
            self.ended = time.monotonic()

    async def stop(self, reason: str) -> None:
        """Delete the Deployment and its pods, with their grace."""
        self._stopping = True
        self._crew.nudge()
        await self._crew.stop(reason)

    def nudge(self) -> None:
        """Look again: a pod is in another state."""
        self._crew.nudge()

    def failed_pod(self) -> Pod | None:
        """Return the last pod that failed of itself, to show why it is not available."""
        return self._crew.failed_pod()

    def _replace(self) -> None:
        """Start what is missing; after pods that ended one by one before all was well, later each time."""
        for pod in self._crew.collect():
            self._ready_since.pop(pod, None)
            self._failures += 1
            delay_ms = back_off_ms(self._failures - 1)
            self._not_before = time.monotonic() + delay_ms / 1000
            self._say(f"pod {pod.name} has ended: another one {f'in {to_text(delay_ms)}' if delay_ms else 'now'}")
        if time.monotonic() >= self._not_before:
            for _ in range(self.spec.replicas - len(self._crew.active)):
                name = pod_name(f"{self.name}-{self.spec.template_hash}")
                self._crew.start(self._make_pod(name, self.spec))

    def _count(self) -> float | None:
        """Count the available pods, and return when another one will be, if one is ready now."""
        now = time.monotonic()
        ready = [pod for pod in self._crew.active if pod.ready]
        self._ready_since = {pod: self._ready_since.get(pod, now) for pod in ready}
        moments = sorted(since + self.spec.min_ready_ms / 1000 for since in self._ready_since.values())
        available = sum(moment <= now for moment in moments)
        changed = available != self.available_replicas
        self.available_replicas = available
        if changed:
            self._say(f"deployment/{self.name}: {self.facts}")
        if available >= self.spec.needed:
            self._failures, self._due = 0, None
            self.available.set()
        else:
            self.available.clear()
        return next((moment for moment in moments if moment > now), None)

    def _overdue(self) -> bool:
        return self._due is not None and time.monotonic() >= self._due
