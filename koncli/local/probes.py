"""Probes of containers: whether one has started, is ready and is alive, asked by command, HTTP or a TCP connection."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from koncli.local.process import Process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from koncli.local.fields import Fields
    from koncli.local.process import Launch
    from koncli.local.state import ContainerRun

    Launcher = Callable[[tuple[str, ...]], Launch]
    """Makes of a command what runs it in the probed container's surroundings."""

__all__ = ["Probe", "Probes", "attend", "read_probes"]

FIRST_PAUSE_MS: Final = 250
"""How long after the start a probe is tried first; the pauses between tries grow up to its period."""

_NOT_GRPC: Final = {"grpc": "only exec, httpGet and tcpSocket probes are run here"}
_ERROR_STATUS: Final = 400


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a probe connects to; `path` is what it gets there by HTTP, "" where the connection alone counts."""

    host: str
    port: int
    path: str = ""
    https: bool = False
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe, by `command` or at `endpoint`; so many tries in a row decide as the thresholds say."""

    command: tuple[str, ...]
    endpoint: Endpoint | None
    delay_ms: int
    period_ms: int
    timeout_ms: int
    failures: int
    successes: int

    def pauses_ms(self) -> Iterator[int]:
        """Yield how long to wait before each try until the first success: short at first, then the period."""
        pause = min(FIRST_PAUSE_MS, self.period_ms)
        while True:
            yield pause
            pause = min(2 * pause, self.period_ms)


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes of one container, None where it has none of the kind."""

    startup: Probe | None = None
    readiness: Probe | None = None
    liveness: Probe | None = None


def read_probes(container: Fields) -> Probes:
    """Parse the probes of a container; their ports may be names of its `ports`."""
    ports = {each.text("name"): each.whole("containerPort") or 0 for each in container.children("ports")}
    found = (
        _read_probe(container.child(name), ports) if name in container else None
        for name in ("startupProbe", "readinessProbe", "livenessProbe")
    )
    return Probes(*found)


def _read_probe(fields: Fields, ports: Mapping[str, int]) -> Probe | None:
    fields.unsupported(_NOT_GRPC)
    delay_s, period_s = fields.whole("initialDelaySeconds"), fields.whole("periodSeconds", minimum=1)
    timeout_s, failures = fields.whole("timeoutSeconds", minimum=1), fields.whole("failureThreshold", minimum=1)
    successes = fields.whole("successThreshold", minimum=1)
    command = fields.child("exec")
    probe = Probe(
        command=command.strings("command"),
        endpoint=_read_endpoint(fields, ports),
        delay_ms=1000 * (delay_s or 0),
        period_ms=1000 * (10 if period_s is None else period_s),
        timeout_ms=1000 * (timeout_s or 1),
        failures=failures or 3,
        successes=successes or 1,
    )
    command.done()
    fields.ignore("terminationGracePeriodSeconds", note=False)
    fields.done()
    return probe if probe.command or probe.endpoint else None


def _read_endpoint(fields: Fields, ports: Mapping[str, int]) -> Endpoint | None:
    http_get, tcp = fields.child("httpGet"), fields.child("tcpSocket")
    chosen = http_get if "httpGet" in fields else tcp if "tcpSocket" in fields else None
    if chosen is None:
        return None
    given = chosen.whole_or_text("port")
    port = ports.get(given, 0) if isinstance(given, str) else given
    if not port:
        chosen.refuse("port", f"{given!r} is neither a port nor the name of one of the container's ports")
        return None
    host = chosen.text("host", "127.0.0.1")
    if chosen is tcp:
        tcp.done()
        return Endpoint(host, port)
    https = http_get.one_of("scheme", ("HTTP", "HTTPS")) == "HTTPS"
    headers = {each.text("name"): each.text("value") for each in http_get.children("httpHeaders")}
    endpoint = Endpoint(host, port, http_get.text("path", "/"), https, headers)
    http_get.done()
    return endpoint


async def attend(run: ContainerRun, launcher: Launcher, changed: Callable[[], None]) -> str:
    """Note when a running container has started and whether it is ready; return why it is to be stopped, or nothing.

    Runs until it is cancelled, where no probe asks for an end.
    """
    probes = run.container.probes
    if probes.startup is not None and not await _has_started(probes.startup, launcher):
        return "did not start in time"
    run.has_started.set()
    following = asyncio.create_task(_follow_readiness(run, launcher, changed))
    try:
        if probes.liveness is not None:
            async for alive in _verdicts(probes.liveness, launcher):
                if not alive:
                    return "is not alive any more"
        await following
    finally:
        following.cancel()
        await asyncio.wait([following])
    return ""


async def _has_started(probe: Probe, launcher: Launcher) -> bool:
    """Ask until the probe succeeds; False once the time of all its failures has passed."""
    await asyncio.sleep(probe.delay_ms / 1000)
    left_ms = probe.period_ms * probe.failures
    for pause_ms in probe.pauses_ms():
        if left_ms <= 0:
            break
        await asyncio.sleep(pause_ms / 1000)
        left_ms -= pause_ms
        if await _succeeds(probe, launcher):
            return True
    return False


async def _follow_readiness(run: ContainerRun, launcher: Launcher, changed: Callable[[], None]) -> None:
    probe = run.container.probes.readiness
    if probe is None:
        run.ready = True
        changed()
        return
    async for ready in _verdicts(probe, launcher, eager=True):
        if ready != run.ready:
            run.ready = ready
            changed()


async def _verdicts(probe: Probe, launcher: Launcher, *, eager: bool = False) -> AsyncIterator[bool]:
    """Yield whether a container passes, whenever enough tries in a row agree; `eager` hurries to the first success."""
    await asyncio.sleep(probe.delay_ms / 1000)
    pauses, good, bad = probe.pauses_ms(), 0, 0
    while True:
        await asyncio.sleep((next(pauses) if eager else probe.period_ms) / 1000)
        if await _succeeds(probe, launcher):
            good, bad, eager = good + 1, 0, False
            if good >= probe.successes:
                yield True
        else:
            good, bad = 0, bad + 1
            if bad >= probe.failures:
                yield False


async def _succeeds(probe: Probe, launcher: Launcher) -> bool:
    """Try once."""
    if probe.endpoint is None:
        return await _runs(launcher(probe.command), probe.timeout_ms)
    if probe.endpoint.path:
        return await asyncio.to_thread(_answers, probe.endpoint, probe.timeout_ms)
    return await _connects(probe.endpoint, probe.timeout_ms)


async def _runs(launch: Launch, timeout_ms: int) -> bool:
    process = await Process.start(launch, lambda _: None)
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            return (await process.wait()).code == 0
    except TimeoutError:
        return False
    finally:
        if process.running:
            await process.kill()


def _answers(endpoint: Endpoint, timeout_ms: int) -> bool:
    """Get the page as the kubelet does: certificates are not looked at, and any status below 400 will do."""
    if endpoint.https:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            endpoint.host, endpoint.port, timeout=timeout_ms / 1000, context=context
        )
    else:
        connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout_ms / 1000)
    try:
        connection.request("GET", endpoint.path, headers=dict(endpoint.headers or {}))
        return connection.getresponse().status < _ERROR_STATUS
    except (OSError, http.client.HTTPException, ValueError):  # the last: of a header that can't be sent
        return False
    finally:
        connection.close()


async def _connects(endpoint: Endpoint, timeout_ms: int) -> bool:
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except OSError:  # a TimeoutError too
        return False
    writer.close()
    return True
