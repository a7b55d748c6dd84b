"""The life of the process: health first, the API server's door as soon as there is a certificate, and a slow end."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from webhook.app import Server
from webhook.rotation import Certificate, keep_loaded

if TYPE_CHECKING:
    import ssl

    from webhook.defaults import Defaults
    from webhook.gates import Gates
    from webhook.jobs import Jobs
    from webhook.rotation import Source

__all__ = ["Listening", "serve"]

log = logging.getLogger(__name__)

_STALLED_PASSES = 5
"""After how many looks at the certificate that did not happen the process counts as stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where to listen, how often to look after the certificate, and how long to go on after SIGTERM, in seconds."""

    host: str
    port: int
    health_port: int
    interval_s: float = 60.0
    linger_s: float = 5.0


async def serve(
    defaults: Defaults,
    source: Source,
    listening: Listening,
    *,
    jobs: Jobs | None = None,
    gates: Gates | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; then answer for a while what is still sent here, and return."""
    loop = asyncio.get_running_loop()
    certificate = Certificate()
    certificate.looked_at = loop.time()
    server = Server(defaults, certificate, jobs, gates, stall_s=_STALLED_PASSES * listening.interval_s)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as ends:
        await _listen(ends, server.health(), listening.host, listening.health_port)
        keeping = asyncio.create_task(keep_loaded(certificate, source, listening.interval_s))
        ends.callback(keeping.cancel)
        if await _before(certificate.loaded, stop, keeping):
            await _listen(ends, server.admission(), listening.host, listening.port, certificate.context)
            server.state = "ok"
            log.info("listening on %s:%d", listening.host, listening.port)
            await _before(stop, None, keeping)
            server.state = "ending"
            log.info("ending: answering for %g more seconds", listening.linger_s)
            await asyncio.sleep(listening.linger_s)  # until every API server has heard of it


async def _before(event: asyncio.Event, other: asyncio.Event | None, keeping: asyncio.Task[None]) -> bool:
    """Wait for either event, and tell whether it is the first; raise what ended `keeping`, which nothing should."""
    waits = [asyncio.create_task(each.wait()) for each in (event, other) if each is not None]
    try:
        await asyncio.wait([keeping, *waits], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    if keeping.done():
        keeping.result()
    return event.is_set()


async def _listen(
    ends: AsyncExitStack, app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None
) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=10.0)
    ends.push_async_callback(runner.cleanup)
    await runner.setup()
    await web.TCPSite(runner, host, port, ssl_context=tls).start()
