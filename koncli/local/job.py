"""One Job: starts its pods, replaces failed ones after a back-off, and decides when it is complete or has failed."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any

from koncli.local.jobspec import FAILED, JobSpec, Ledger
from koncli.local.state import SUCCEEDED, back_off_ms
from konductor_core.durations import to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from koncli.local.pod import Pod

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""What Kubernetes makes its suffixes of: no vowels, nothing that looks alike."""

_LONGEST_BASE = 57

STOPPED = "Stopped"


def pod_name(base: str) -> str:
    """Return a new pod name: the base and five random characters, at most 63 long."""
    return f"{base[:_LONGEST_BASE]}-{''.join(secrets.choice(_ALPHABET) for _ in range(5))}"


class Job:
    """One Job at work. `phase` is "", then Complete, Failed or Stopped, with a `reason` where it failed."""

    def __init__(
        self,
        spec: JobSpec,
        make_pod: Callable[[str, JobSpec, int | None], Pod],
        live: Callable[[Pod], Coroutine[Any, Any, None]],
        say: Callable[[str], None],
    ) -> None:
        """Take `make_pod(name, spec, index)`, which makes a pod, and `live(pod)`, which runs it and cleans up."""
        self.spec = spec
        self.phase = ""
        self.reason = ""
        self.started: float | None = None
        self.ended: float | None = None
        self.pods: list[Pod] = []
        self._ledger = Ledger(spec)
        self._make_pod = make_pod
        self._live = live
        self._say = say
        self._active: dict[asyncio.Task[None], Pod] = {}
        self._wake = asyncio.Event()
        self._not_before = 0.0
        self._stopping = False

    @property
    def name(self) -> str:
        """The Job's name."""
        return self.spec.name

    @property
    def succeeded(self) -> int:
        """Pods that have succeeded."""
        return self._ledger.succeeded

    async def run(self) -> None:
        """Run the Job until it is complete, has failed or is stopped; its pods have ended then."""
        self.started = time.monotonic()
        try:
            while (verdict := self._verdict()) is None:
                self._start_pods()
                await self._sleep()
            self.phase, self.reason = verdict
            await self._stop_pods("the Job has ended")
        finally:
            self.ended = time.monotonic()

    async def stop(self, reason: str) -> None:
        """Delete the Job and its pods, with their grace."""
        self._stopping = True
        self._wake.set()
        await self._stop_pods(reason)

    def nudge(self) -> None:
        """Look again: a pod's container was restarted."""
        self._wake.set()

    def failed_pod(self) -> Pod | None:
        """Return the last pod that failed of itself, to show why the Job did."""
        return next((pod for pod in reversed(self.pods) if pod.failure() is not None), None)

    def _verdict(self) -> tuple[str, str] | None:
        self._collect()
        if self._stopping:
            return STOPPED, ""
        restarts = sum(pod.restarts for pod in self._active.values())
        verdict = self._ledger.verdict(len(self._active), restarts)
        if verdict is None and self._deadline is not None and time.monotonic() >= self._deadline:
            return FAILED, "DeadlineExceeded"
        return verdict

    @property
    def _deadline(self) -> float | None:
        if self.spec.deadline_ms is None or self.started is None:
            return None
        return self.started + self.spec.deadline_ms / 1000

    def _collect(self) -> None:
        for task, pod in list(self._active.items()):
            if not task.done():
                continue
            del self._active[task]
            task.result()
            self._ledger.record(success=pod.phase == SUCCEEDED, index=pod.identity.index)
            if pod.phase != SUCCEEDED and not self._stopping:
                self._hold_back(pod)

    def _hold_back(self, pod: Pod) -> None:
        """Wait before a failed pod is replaced, longer each time."""
        delay_ms, failed, limit = back_off_ms(self._ledger.failed), self._ledger.failed, self.spec.backoff_limit
        self._not_before = time.monotonic() + delay_ms / 1000
        if failed <= limit:
            self._say(
                f"pod {pod.name} has failed: another one in {to_text(delay_ms)} (failure {failed} of {limit + 1})"
            )

    def _start_pods(self) -> None:
        if time.monotonic() < self._not_before:
            return
        for index in self._ledger.wanted([pod.identity.index for pod in self._active.values()]):
            base = self.name if index is None else f"{self.name}-{index}"
            pod = self._make_pod(pod_name(base), self.spec, index)
            self.pods.append(pod)
            task = asyncio.create_task(self._live(pod), name=pod.name)
            task.add_done_callback(lambda _: self._wake.set())
            self._active[task] = pod

    async def _sleep(self) -> None:
        moments = [self._not_before, self._deadline]
        now = time.monotonic()
        timeout = min((moment - now for moment in moments if moment is not None and moment > now), default=None)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout)
        self._wake.clear()

    async def _stop_pods(self, reason: str) -> None:
        tasks = dict(self._active)
        await asyncio.gather(*(pod.stop(reason) for pod in tasks.values()))
        if tasks:
            await asyncio.wait(tasks)
