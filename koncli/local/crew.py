"""The pods of one Job or Deployment while they run: names, starting them, learning of their end, stopping them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from koncli.local.pod import Pod

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""What Kubernetes makes its suffixes of: no vowels, nothing that looks alike."""

_LONGEST_BASE = 57


def pod_name(base: str) -> str:
    """Return a new pod name: the base and five random characters, at most 63 long."""
    return f"{base[:_LONGEST_BASE]}-{''.join(secrets.choice(ALPHABET) for _ in range(5))}"


class Crew:
    """Running pods, each in a task. `sleep` ends when one has ended, or at a `nudge`."""

    def __init__(self, live: Callable[[Pod], Coroutine[Any, Any, None]]) -> None:
        """Take `live(pod)`, which runs a pod and cleans up after it."""
        self.pods: list[Pod] = []
        """Every pod there has been, in the order of their starts."""
        self._live = live
        self._active: dict[asyncio.Task[None], Pod] = {}
        self._wake = asyncio.Event()

    @property
    def active(self) -> list[Pod]:
        """The pods whose end has not been collected yet."""
        return list(self._active.values())

    def start(self, pod: Pod) -> None:
        """Let a pod live."""
        self.pods.append(pod)
        task = asyncio.create_task(self._live(pod), name=pod.name)
        task.add_done_callback(lambda _: self._wake.set())
        self._active[task] = pod

    def collect(self) -> list[Pod]:
        """Return the pods that have ended since the last call."""
        ended = [task for task in self._active if task.done()]
        for task in ended:
            task.result()
        return [self._active.pop(task) for task in ended]

    def nudge(self) -> None:
        """End the present or the next `sleep`."""
        self._wake.set()

    async def sleep(self, *moments: float | None) -> None:
        """Sleep until a pod ends, a nudge comes, or the first of these moments in the future (monotonic seconds)."""
        now = time.monotonic()
        timeout = min((moment - now for moment in moments if moment is not None and moment > now), default=None)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout)
        self._wake.clear()

    async def stop(self, reason: str) -> None:
        """Delete the pods that run, with their grace, and wait for their end."""
        tasks = dict(self._active)
        await asyncio.gather(*(pod.stop(reason) for pod in tasks.values()))
        if tasks:
            await asyncio.wait(tasks)

    def failed_pod(self) -> Pod | None:
        """Return the last pod that failed of itself."""
        return next((pod for pod in reversed(self.pods) if pod.failure() is not None), None)
