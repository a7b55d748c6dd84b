"""One Job: starts its pods, replaces failed ones after a back-off, and decides when it is complete or has failed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from koncli.local.crew import pod_name
from koncli.local.jobspec import FAILED, JobSpec, Ledger
from koncli.local.podowner import PodOwner
from koncli.local.state import STOPPED, SUCCEEDED, back_off_ms
from konductor_core.durations import to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from koncli.local.pod import Pod


class Job(PodOwner):
    """One Job at work; ends as Complete, Failed or Stopped."""

    def __init__(
        self,
        spec: JobSpec,
        make_pod: Callable[[str, JobSpec, int | None], Pod],
        live: Callable[[Pod], Coroutine[Any, Any, None]],
        say: Callable[[str], None],
    ) -> None:
        """Take `make_pod(name, spec, index)`, which makes a pod."""
        super().__init__(spec.name, live, say)
        self.spec = spec
        self._ledger = Ledger(spec)
        self._make_pod = make_pod

    @property
    def succeeded(self) -> int:
        """Pods that have succeeded."""
        return self._ledger.succeeded

    async def _work(self) -> tuple[str, str]:
        while (verdict := self._verdict()) is None:
            self._start_pods()
            await self._crew.sleep(self._not_before, self._deadline)
        return verdict

    def _verdict(self) -> tuple[str, str] | None:
        self._collect()
        if self._stopping:
            return STOPPED, ""
        restarts = sum(pod.restarts for pod in self._crew.active)
        verdict = self._ledger.verdict(len(self._crew.active), restarts)
        if verdict is None and self._deadline is not None and time.monotonic() >= self._deadline:
            return FAILED, "DeadlineExceeded"
        return verdict

    @property
    def _deadline(self) -> float | None:
        if self.spec.deadline_ms is None or self.started is None:
            return None
        return self.started + self.spec.deadline_ms / 1000

    def _collect(self) -> None:
        for pod in self._crew.collect():
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
        for index in self._ledger.wanted([pod.identity.index for pod in self._crew.active]):
            base = self.name if index is None else f"{self.name}-{index}"
            self._crew.start(self._make_pod(pod_name(base), self.spec, index))
