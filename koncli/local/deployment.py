"""One Deployment: keeps as many pods running as it has replicas, and knows whether it is available."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from koncli.local.crew import pod_name
from koncli.local.podowner import PodOwner
from koncli.local.state import FAILED, STOPPED, back_off_ms
from konductor_core.durations import to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from koncli.local.deploymentspec import DeploymentSpec
    from koncli.local.pod import Pod


class Deployment(PodOwner):
    """One Deployment at work, until it is stopped or its deadline passes."""

    def __init__(
        self,
        spec: DeploymentSpec,
        make_pod: Callable[[str, DeploymentSpec], Pod],
        live: Callable[[Pod], Coroutine[Any, Any, None]],
        say: Callable[[str], None],
    ) -> None:
        """Take `make_pod(name, spec)`, which makes a pod."""
        super().__init__(spec.name, live, say)
        self.spec = spec
        self.available = asyncio.Event()
        """Whether enough of its pods are available."""
        self.available_replicas = 0
        self._make_pod = make_pod
        self._ready_since: dict[Pod, float] = {}
        self._failures = 0
        self._due: float | None = None

    @property
    def facts(self) -> str:
        """Say how far it is: `2/3 available`."""
        return f"{self.available_replicas}/{self.spec.replicas} available"

    async def _work(self) -> tuple[str, str]:
        if self.spec.deadline_ms is not None:
            self._due = time.monotonic() + self.spec.deadline_ms / 1000
        while not self._stopping and not self._overdue():
            self._replace()
            settling = self._count()
            await self._crew.sleep(self._not_before, settling, self._due)
        return (STOPPED, "") if self._stopping else (FAILED, "ProgressDeadlineExceeded")

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
