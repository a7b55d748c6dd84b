"""One whole run: surroundings, objects, pods, the end. `Runner.run` says how it ended and leaves no process behind."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from koncli.local import isolation
from koncli.local.checks import check_containers
from koncli.local.cluster import Cluster
from koncli.local.embedded import EmbeddedServer
from koncli.local.folder import run_folder
from koncli.local.gating import Gating
from koncli.local.host import Host
from koncli.local.modes import allowed_mode
from koncli.local.process import Exit, Launch, Process
from koncli.local.report import UNREAD, Outcome, completed, failed, interrupted, timed_out
from koncli.local.standin import StandIn
from koncli.local.volumes import Volumes
from koncli.local.workload import Workload
from konductor_core import AsyncKonductor, Konductor
from konductor_core.annotations import URL_KEY
from konductor_core.config import Settings
from konductor_core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from koncli.local.documents import Documents
    from koncli.local.view import LinesView

_TICK_S = 0.125
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. `settings`: of an external Redis, None for an embedded server; `connection`: its variables."""

    namespace: str
    search: tuple[str, ...] = ()
    settings: Settings | None = None
    connection: Mapping[str, str] = field(default_factory=dict)
    namespaces: bool = True
    keep: bool = False
    stay: bool = False
    timeout_ms: int | None = None
    then: str | None = None


class Runner:
    """Runs documents once; it is the pods' audience, and passes on to the view what they say."""

    def __init__(self, documents: Documents, options: Options, view: LinesView) -> None:
        self.documents = documents
        self.options = options
        self.view = view
        self.workload: Workload | None = None
        self.cluster: Cluster | None = None
        self._stand_in: StandIn | None = None
        self._gating: Gating | None = None
        self._origin = time.monotonic()
        self._over = asyncio.Event()
        self._verdict: Outcome | None = None
        self._interrupts = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def took(self) -> float:
        """Seconds since the pods were started."""
        return time.monotonic() - self._origin

    async def run(self) -> Outcome:
        """Run everything to its end; KonductorError for what prevents a run, OSError when nobody reads the output."""
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)
        self.view.on_broken = self._over.set
        async with contextlib.AsyncExitStack() as stack:
            folder = stack.enter_context(run_folder(keep=self.options.keep))
            if self.options.keep:
                stack.callback(self.say, f"kept: {folder} (the claims are in {folder / 'claims'})")
            host = await self._connect(stack, folder, await self._surroundings(folder))
            outcome = await self._work(host)
        if self.view.broken is not None:
            raise self.view.broken
        return outcome

    def lines(self, pod: str, container: str, texts: list[str]) -> None:
        """Hear lines that a container printed."""
        self.view.lines(pod, container, texts)

    def say(self, text: str) -> None:
        """Something happened."""
        self.view.say(text)

    def changed(self) -> None:
        """Notice that a pod is in another state."""
        if self.workload is not None:
            self.workload.nudge()
        if self._gating is not None:
            self._gating.wake()
        self.view.changed()

    async def _surroundings(self, folder: Path) -> Host:
        """Find out how containers can run here, and refuse what can't. Nothing has started yet."""
        mode = await allowed_mode(folder / "probe") if self.options.namespaces else isolation.NONE
        sources = self.documents.sources
        host = Host(
            mode=mode,
            search=self.options.search,
            namespace=self.options.namespace,
            node=os.uname().nodename,
            connection={},
            sources=sources,
            volumes=Volumes(folder, sources),
        )
        for spec in self.documents.pod_specs:
            check_containers(spec, host, self.documents.refusals)
        self.documents.refusals.raise_if_any()
        for note in (*self.documents.notes(), *host.notes(self.documents.pod_specs)):
            self.say(note)
        return host

    async def _connect(self, stack: contextlib.AsyncExitStack, folder: Path, host: Host) -> Host:
        """Start the server, or use the one that was named, and define the objects."""
        settings, connection = self.options.settings, dict(self.options.connection)
        if settings is None:
            server = await EmbeddedServer.start(folder / "server", host.mode)
            stack.push_async_callback(server.stop)
            self._spawn(self._mourn(server))
            # Neither the user's config file nor their variables are about this server.
            settings = Settings.load({"redis_url": server.url, "namespace": self.options.namespace}, {})
            connection |= {"KONDUCTOR_REDIS_URL": server.url, "KONDUCTOR_CONFIG": os.devnull}
            self.say(f"embedded Valkey: koncli --redis-url {server.url} -n {self.options.namespace} get")
        client = stack.enter_context(Konductor(namespace=self.options.namespace, settings=settings))
        self.cluster = cluster = Cluster(client, self.documents.objects)
        stack.callback(cluster.close, delete=self.options.settings is not None and not self.options.keep)
        k = await stack.enter_async_context(AsyncKonductor(namespace=self.options.namespace, settings=settings))
        self._stand_in = StandIn(k, cluster, self.say, lambda: self._verdict is not None, keep=self.options.keep)
        self._gating = Gating(k, lambda: self.workload)
        self.documents.connection[URL_KEY] = settings.redis_url.encode()
        for line in await asyncio.to_thread(cluster.define):
            self.say(line)
        return dataclasses.replace(host, connection=connection | {"KONDUCTOR_NAMESPACE": self.options.namespace})

    async def _work(self, host: Host) -> Outcome:
        assert self.cluster is not None  # noqa: S101 - for the type checker: `_connect` has made them
        assert self._stand_in is not None  # noqa: S101
        assert self._gating is not None  # noqa: S101
        self.workload = Workload(self.documents, host, self, self._stand_in)
        loop = asyncio.get_running_loop()
        self._origin = time.monotonic()
        self.view.start(lambda: self.workload.pods if self.workload else [], self.cluster.statuses)
        wake = self._gating.wake
        self.cluster.follow(lambda *change: _tell(loop, self.view.object_changed, *change), lambda: _tell(loop, wake))
        beside = [asyncio.create_task(self._tick()), asyncio.create_task(self._gating.run())]
        try:
            outcome = await self._until_over(self.workload)
            if outcome.code != 0:
                self.say(outcome.text)
            if unfinished := self.workload.unfinished():
                self.say(f"stopping {', '.join(unfinished)}")
            await self.workload.stop("the run is over")
            if self._verdict is None:
                await asyncio.to_thread(self.cluster.refresh)
        except BaseException:
            await self.workload.kill()
            raise
        finally:
            for task in beside:
                task.cancel()
            self.view.stop()
        self.view.timeline(self.workload.pods, self._origin)
        return await self._end(outcome, host)

    async def _until_over(self, workload: Workload) -> Outcome:
        running = asyncio.create_task(workload.run())
        over = asyncio.create_task(self._over.wait())
        timeout = None if self.options.timeout_ms is None else self.options.timeout_ms / 1000
        await asyncio.wait({running, over}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if running.done():
            running.result()
            if workload.failure is not None:
                return failed(workload.failure)
            if not self.options.stay or not workload.endless:
                return completed(workload, self.took)
            return await self._stay(workload)
        running.cancel()
        if over.done() and not over.cancelled():
            return self._verdict or UNREAD
        return timed_out(self.options.timeout_ms or 0, workload.unfinished())

    async def _stay(self, workload: Workload) -> Outcome:
        """Leave what does not end by itself running until a signal or the end of the server."""
        self.say(f"{completed(workload, self.took).text}; {', '.join(workload.unfinished())} stays until Ctrl-C")
        await self._over.wait()
        return self._verdict or UNREAD

    async def _end(self, outcome: Outcome, host: Host) -> Outcome:
        """Last words of what failed, or the command that was to follow."""
        for text in outcome.details:
            self.view.write(text)
        if outcome.code == 0 and self.options.then is not None:
            launch = Launch(("sh", "-c", self.options.then), host.base_variables(), str(host.volumes.claims))
            process = await Process.start(launch, lambda texts: self.view.write("\n".join(texts)))
            ended = await self._unless_over(process)
            if ended.code != 0:
                return self._verdict or Outcome(1, f"complete, but the command after it ended with {ended}")
        return outcome

    async def _unless_over(self, process: Process) -> Exit:
        over = asyncio.create_task(self._over.wait())
        waiting = asyncio.create_task(process.wait())
        await asyncio.wait({waiting, over}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        return waiting.result() if waiting.done() else await process.kill()

    async def _mourn(self, server: EmbeddedServer) -> None:
        ended = await server.wait()
        self._give_up(Outcome(Unavailable.exit_code, f"the embedded server has ended: {ended}"))

    async def _tick(self) -> None:
        while True:
            self.view.tick()
            await asyncio.sleep(_TICK_S)

    def _on_signal(self, number: int) -> None:
        if self._interrupts == 0:
            self._give_up(interrupted(number))
        elif self._interrupts == 1 and self.workload is not None:
            self._spawn(self.workload.kill())
        else:
            os._exit(128 + number)  # the pods' lifelines take them along
        self._interrupts += 1

    def _give_up(self, outcome: Outcome) -> None:
        self._verdict = self._verdict or outcome
        self._over.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[..., None], *args: object) -> None:
    """Call something on the loop's thread, from another one; nothing if the loop is closed already."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(what, *args)
