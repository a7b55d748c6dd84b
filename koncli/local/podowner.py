"""What a Job and a Deployment have in common: each owns the pods that it starts, and ends with them."""

from __future__ import annotations

import abc
import time
from typing import TYPE_CHECKING, Any

from koncli.local.crew import Crew

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from koncli.local.pod import Pod


class PodOwner(abc.ABC):
    """What keeps pods running. `phase` is "" while it works, and has a `reason` where it is Failed.

    `started` and `ended` are monotonic seconds.
    """

    def __init__(self, name: str, live: Callable[[Pod], Coroutine[Any, Any, None]], say: Callable[[str], None]) -> None:
        """Take `live(pod)`, which runs a pod and cleans up, and `say(line)`."""
        self.name = name
        self.phase = ""
        self.reason = ""
        self.started: float | None = None
        self.ended: float | None = None
        self._crew = Crew(live)
        self._say = say
        self._not_before = 0.0
        """The moment before which no pod is replaced, in monotonic seconds."""
        self._stopping = False

    @property
    def reference(self) -> str:
        """What people call it: `job/extract`."""
        return f"{type(self).__name__.lower()}/{self.name}"

    @property
    def pods(self) -> list[Pod]:
        """Every pod there has been, in the order of their starts."""
        return self._crew.pods

    async def run(self) -> None:
        """Work until there is a verdict, or it is stopped; its pods have ended then."""
        self.started = time.monotonic()
        try:
            self.phase, self.reason = await self._work()
            await self._crew.stop(f"the {type(self).__name__} has ended")
        finally:
            self.ended = time.monotonic()

    @abc.abstractmethod
    async def _work(self) -> tuple[str, str]:
        """Keep the pods running; return phase and reason of the end."""

    async def stop(self, reason: str) -> None:
        """Delete it and its pods, with their grace."""
        self._stopping = True
        self._crew.nudge()
        await self._crew.stop(reason)

    def nudge(self) -> None:
        """Look again: a pod is in another state."""
        self._crew.nudge()

    def failed_pod(self) -> Pod | None:
        """Return the last pod that failed of itself, to show why this did."""
        return self._crew.failed_pod()
