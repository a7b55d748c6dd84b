"""`/healthz`, `/readyz`, `/metrics` and `/status` over HTTP.

`/healthz` is about progress: it fails when something that must move does not, and restarting may help. Redis or the
Kubernetes API being away is no reason to restart; `/status` and `/metrics` tell of it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Health"]

log = logging.getLogger(__name__)


class Health:
    """The HTTP server. `stuck` returns what does not move and `unready` what is missing: sentences, or nothing."""

    def __init__(
        self,
        *,
        stuck: Callable[[], list[str]],
        unready: Callable[[], list[str]],
        metrics: Callable[[], bytes],
        status: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._stuck = stuck
        self._unready = unready
        self._metrics = metrics
        self._status = status

    async def run(self, host: str, port: int, listening: Callable[[int], None] | None = None) -> None:
        """Serve until cancelled; `listening` is told the port. Raises `OSError` if it is taken."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/status", self._serve_status)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            if listening is not None:
                listening(int(runner.addresses[0][1]))
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return _verdict(self._stuck())

    async def _readyz(self, _request: web.Request) -> web.Response:
        return _verdict(self._unready() + self._stuck())

    async def _serve_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _serve_status(self, _request: web.Request) -> web.Response:
        return web.json_response(self._status())


def _verdict(problems: list[str]) -> web.Response:
    if problems:
        return web.Response(status=503, text="".join(f"{problem}\n" for problem in problems))
    return web.Response(text="ok\n")
