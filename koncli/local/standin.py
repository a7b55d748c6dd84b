"""What a cluster's controller does for each pod: schedules it, deletes it after a loss, arrives and releases for it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from koncli.kinds import ref
from koncli.local.state import SUCCEEDED
from konductor_core.errors import BarrierFailed, BelowZero, KonductorError
from konductor_core.identity import Kind
from webhook.containers import VOLUME_NAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from koncli.local.cluster import Cluster
    from koncli.local.pod import Pod
    from konductor_core import AsyncKonductor

__all__ = ["StandIn"]

_LOOK_S: Final = 0.25
"""Seconds between two looks at what a pod's keeper has written down."""


class StandIn:
    """The controller of one run. `silent` tells whether errors are of no interest any more, because the run is over."""

    def __init__(
        self, k: AsyncKonductor, cluster: Cluster, say: Callable[[str], None], silent: Callable[[], bool], *, keep: bool
    ) -> None:
        self._k = k
        self._cluster = cluster
        self._say = say
        self._silent = silent
        self._keep = keep

    async def schedule(self, pod: Pod) -> None:
        """Hold a pod back until all that it waits for unscheduled is there; fail it if that can't come any more."""
        if not pod.gated:
            return
        pod.started = time.monotonic()
        waiting = asyncio.create_task(self._wait(pod))
        stopping = asyncio.create_task(pod.until_stopping())
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        while not waiting.done():  # before Python 3.12, `wait_for` may swallow a cancellation
            waiting.cancel()
            await asyncio.wait({waiting}, timeout=_LOOK_S)
        pod.gated = False
        if not waiting.cancelled() and (why := waiting.result()):
            self._say(f"pod {pod.name} is never scheduled: {why}")
            await pod.fail(f"SchedulingGated: {why}")

    async def _wait(self, pod: Pod) -> str:
        """Return why the pod can't be scheduled, or nothing once it can."""
        for wait in pod.spec.wanted.waits:
            timeout = None if wait.timeout_ms is None else wait.timeout_ms / 1000
            try:
                who = {"holder": pod.identity.arrival} if wait.kind is Kind.BARRIER else {}
                await getattr(self._k, wait.kind.key)(wait.name).wait(timeout, **who)
            except KonductorError as error:
                return error.message
        return ""

    async def watch(self, pod: Pod) -> None:
        """Once the pod has lost a lease, delete it or signal its containers, if it is to be so."""
        if pod.spec.wanted.on_lost == "continue":
            return
        while True:
            await asyncio.sleep(_LOOK_S)
            folder = pod.shared(VOLUME_NAME)
            if folder is not None and (lost := await asyncio.to_thread(_lost, folder)):
                break
        if pod.spec.wanted.on_lost == "signal":
            self._say(f"pod {pod.name} has lost {lost}: its containers get TERM")
            pod.terminate()
        else:
            self._say(f"pod {pod.name} has lost {lost}: it is deleted")
            await pod.fail("LeaseLost")

    async def bury(self, pod: Pod) -> None:
        """Arrive for a pod that has ended, and release what it still holds."""
        try:
            for line in await asyncio.to_thread(self._cluster.reclaim, pod.identity.uid):
                self._say(f"{line} (pod {pod.name} has ended)")
        except KonductorError as error:
            if not self._silent():
                self._say(f"the leases of pod {pod.name} could not be released: {error}")
        await self._arrive(pod)
        if not self._keep:
            await asyncio.to_thread(pod.remove_volumes)

    async def _arrive(self, pod: Pod) -> None:
        wanted = pod.spec.wanted
        counts = not pod.deleted and (
            wanted.arrive_on == "completion" or (wanted.arrive_on == "success" and pod.phase == SUCCEEDED)
        )
        for each in wanted.arrives if counts else ():
            try:
                line = await asyncio.to_thread(self._cluster.arrive, each.kind, each.name, pod.identity.arrival)
                self._say(f"{line} (pod {pod.name} has ended)")
            except (BarrierFailed, BelowZero) as error:
                self._say(f"pod {pod.name} arrives in vain: {error}")
            except KonductorError as error:
                if not self._silent():
                    self._say(f"pod {pod.name} could not arrive at {ref(each.kind, each.name)}: {error}")


def _lost(folder: Path) -> str:
    """Return what the keeper says was lost: `semaphore-load`; nothing if all is held."""
    states = sorted(folder.glob("grants/*/state"))
    return next((each.parent.name for each in states if each.read_text(encoding="utf-8").strip() == "lost"), "")
