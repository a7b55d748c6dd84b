"""One pod's life in Kubernetes' order: init containers one by one, sidecars beside them, then the app containers."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import time
from typing import TYPE_CHECKING, Any

from koncli.local.init import NOT_RUNNABLE
from koncli.local.probes import attend
from koncli.local.process import Exit, Process
from koncli.local.state import FAILED, PENDING, RUNNING, SUCCEEDED, Audience, ContainerRun, back_off_ms
from konductor_core.errors import KonductorError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from koncli.local.expand import Identity
    from koncli.local.host import Host
    from koncli.local.podspec import PodSpec
    from koncli.local.process import Launch
    from koncli.local.volumes import PodVolumes


class Pod:
    """One pod. `run` lives it to the end; `stop` deletes it; the rest is for looking at it."""

    def __init__(self, identity: Identity, spec: PodSpec, host: Host, audience: Audience) -> None:
        self.identity = identity
        self.spec = spec
        self.phase = PENDING
        self.reason = ""
        self.deleted = False
        """Whether it was told to end before it had ended of itself."""
        self.started: float | None = None
        self.ended: float | None = None
        self.containers = {each.name: ContainerRun(each) for each in spec.containers}
        self._host = host
        self._audience = audience
        self._volumes: PodVolumes | None = None
        self._live: dict[str, Process] = {}
        self._stopping = asyncio.Event()
        self._expired = False
        self._grace_ms = spec.grace_ms
        self.gated = bool(spec.wanted.waits) and spec.wanted.wait_mode == "schedule"
        """Whether it may not start yet."""

    @property
    def name(self) -> str:
        """The pod's name."""
        return self.identity.name

    @property
    def restarts(self) -> int:
        """Restarts of all its containers."""
        return sum(run.restarts for run in self.containers.values())

    @property
    def ready(self) -> bool:
        """Whether all its containers that run beside each other are up and pass their readiness probes."""
        beside = [run for run in self.containers.values() if run.container in self.spec.apps or run.container.sidecar]
        return self.phase == RUNNING and not self.stopping and all(run.ready for run in beside)

    @property
    def app_started(self) -> float | None:
        """When its first app container started."""
        moments = [self.containers[each.name].started for each in self.spec.apps]
        return min((moment for moment in moments if moment is not None), default=None)

    async def run(self) -> None:
        """Run the pod until it has succeeded or failed; never raises for what its programs do."""
        self.started = self.started or time.monotonic()
        deadline = asyncio.create_task(self._expire()) if self.spec.deadline_ms is not None else None
        sidecars: list[asyncio.Task[None]] = []
        if await self._run_init(sidecars):
            self._set(RUNNING)
            await asyncio.gather(*(self._run_app(self.containers[each.name]) for each in self.spec.apps))
        if deadline is not None:
            deadline.cancel()
        await self._stop_sidecars(sidecars)
        self.ended = time.monotonic()
        self._set(SUCCEEDED if self._all_succeeded() and not self._expired else FAILED)

    async def fail(self, reason: str) -> None:
        """End the pod for a reason that is its own: TERM to every app and init container, KILL after the grace."""
        if not self.stopping:
            self.reason = self.reason or reason
            self._stopping.set()
            self._audience.changed()
        apps = [process for name, process in self._live.items() if not self.containers[name].container.sidecar]
        await asyncio.gather(*(process.stop(self._grace_ms) for process in apps))

    async def until_stopping(self) -> None:
        """Wait until the pod is being deleted or ended."""
        await self._stopping.wait()

    def terminate(self) -> None:
        """Send TERM to its app containers, and nothing else: what they make of it decides."""
        for each in self.spec.apps:
            if each.name in self._live:
                self._live[each.name].signal(signal.SIGTERM)

    def shared(self, volume: str) -> Path | None:
        """Return the directory of one of its volumes, once it is there."""
        return None if self._volumes is None else self._volumes.directory(volume)

    async def stop(self, reason: str = "") -> None:
        """Delete the pod, with the same grace; `run` then ends."""
        if not self.stopping:
            self.deleted = True
        await self.fail(reason)

    async def kill(self) -> None:
        """Take everything down at once."""
        self.deleted = True
        self._grace_ms = 0
        self._stopping.set()
        await asyncio.gather(*(process.kill() for process in self._live.values()))

    @property
    def stopping(self) -> bool:
        """Whether it is being deleted."""
        return self._stopping.is_set()

    def remove_volumes(self) -> None:
        """Delete the directories that go with the pod."""
        if self._volumes is not None:
            self._volumes.remove()

    def failure(self) -> ContainerRun | None:
        """Return the container to blame for a failed pod: the last one that ended badly."""
        bad = [run for run in self.containers.values() if run.exit and run.exit.code]
        return max(bad, key=lambda run: run.ended or 0.0, default=None)

    async def _run_init(self, sidecars: list[asyncio.Task[None]]) -> bool:
        for container in self.spec.init:
            run = self.containers[container.name]
            if container.sidecar:
                sidecars.append(asyncio.create_task(self._run_sidecar(run)))
                await self._unless_stopping(run.has_started.wait())
                if self.stopping:
                    return False
            elif not await self._run_until_success(run):
                return False
        return not self.stopping

    async def _unless_stopping(self, waiting: Coroutine[Any, Any, object]) -> None:
        """Wait for something, or until the pod is being deleted."""
        tasks = {asyncio.create_task(waiting), asyncio.create_task(self._stopping.wait())}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    async def _run_until_success(self, run: ContainerRun) -> bool:
        while (ended := await self._once(run)) is not None:
            if ended.code == 0:
                return True
            if self.spec.restart_policy == "Never" or not await self._back_off(run):
                break
        return False

    async def _run_app(self, run: ContainerRun) -> None:
        while (ended := await self._once(run)) is not None:
            again = self.spec.restart_policy == "Always" or (
                self.spec.restart_policy == "OnFailure" and ended.code != 0
            )
            if not again or not await self._back_off(run):
                return

    async def _run_sidecar(self, run: ContainerRun) -> None:
        while await self._once(run) is not None and await self._back_off(run):
            pass
        run.has_started.set()

    async def _once(self, run: ContainerRun) -> Exit | None:
        """Run a container once; None if the pod is being deleted."""
        if self.stopping:
            return None

        def hear(texts: list[str]) -> None:
            run.tail.extend(texts)
            self._audience.lines(self.name, run.container.name, texts)

        run.phase, run.started, run.ended, run.exit = "running", run.started or time.monotonic(), None, None
        self._audience.changed()
        run.exit = ended = await self._perform(run, hear)
        run.phase, run.ended = "ended", time.monotonic()
        if ended.error is not None:
            hear([f"did not start: {ended.error}"])
        self._audience.changed()
        return ended

    async def _perform(self, run: ContainerRun, hear: Callable[[list[str]], None]) -> Exit:
        name = run.container.name
        try:
            self._volumes = self._volumes or self._host.volumes.make(self.name, self.spec)
            process = await Process.start(
                self._host.launch(run.container, self.spec, self.identity, self._volumes), hear
            )
        except (KonductorError, OSError) as error:
            run.has_started.set()
            return Exit(NOT_RUNNABLE, error=str(error))
        self._live[name] = process
        attending = asyncio.create_task(self._attend(run, process, self._volumes))
        if self.stopping:  # meanwhile
            await process.stop(self._grace_ms)
        ended = await process.wait()
        attending.cancel()
        await asyncio.wait([attending])
        run.ready = False
        del self._live[name]
        return ended

    async def _attend(self, run: ContainerRun, process: Process, volumes: PodVolumes) -> None:
        """Follow a container's probes while it runs, and stop it where they ask for that."""

        def launcher(command: tuple[str, ...]) -> Launch:
            asking = dataclasses.replace(run.container, command=command, args=())
            return self._host.launch(asking, self.spec, self.identity, volumes)

        if why := await attend(run, launcher, self._audience.changed):
            self._audience.say(f"pod {self.name}: container {run.container.name} {why}")
            await process.stop(self._grace_ms)

    async def _back_off(self, run: ContainerRun) -> bool:
        """Wait before a restart, the first of which comes at once; False if the pod is deleted meanwhile."""
        delay_ms = back_off_ms(run.restarts)
        run.restarts += 1
        run.phase = "backoff"
        self._audience.changed()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay_ms / 1000)
        return not self.stopping

    async def _expire(self) -> None:
        await asyncio.sleep((self.spec.deadline_ms or 0) / 1000)
        self._expired = True
        await self.fail("DeadlineExceeded")

    async def _stop_sidecars(self, tasks: list[asyncio.Task[None]]) -> None:
        self._stopping.set()
        for container in reversed(self.spec.init):
            process = self._live.get(container.name)
            if process is not None:
                await process.stop(self._grace_ms)
        await asyncio.gather(*tasks)

    def _all_succeeded(self) -> bool:
        exits = [self.containers[each.name].exit for each in self.spec.apps]
        return all(each is not None and each.code == 0 for each in exits)

    def _set(self, phase: str) -> None:
        self.phase = phase
        self._audience.changed()
