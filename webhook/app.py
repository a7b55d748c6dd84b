"""The HTTP servers: `/mutate` and `/validate` for the API server, health and metrics for everybody else.

Whatever is sent, the answer is an AdmissionReview or a JSON error, and the server goes on.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Final, Literal

from aiohttp import web
from prometheus_client import generate_latest

from konductor_core.errors import InvalidInput, KonductorError
from webhook.admit import gate_walk, is_new_pod, mutate, validate
from webhook.configuration import MUTATE, VALIDATE
from webhook.metrics import CONTENT_TYPE, Metrics
from webhook.review import Verdict, answer, read

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from webhook.defaults import Defaults
    from webhook.gates import Gates
    from webhook.jobs import Jobs
    from webhook.review import Request
    from webhook.rotation import Certificate

__all__ = ["MAX_BODY", "Server"]

log = logging.getLogger(__name__)

MAX_BODY: Final = 4 * 1024 * 1024
"""Largest review, in bytes: no pod comes near it, because etcd takes 1.5 MiB."""

_BODY_TIMEOUT_S: Final = 10.0


@dataclass(slots=True)
class Server:
    """What answers. `state` is what the readiness probe hears; anything but "ok" is not ready.

    Without `jobs`, nobody knows how many completions the Jobs of pods want; without `gates`, nobody follows gates to
    others.
    """

    defaults: Defaults
    certificate: Certificate
    jobs: Jobs | None = None
    gates: Gates | None = None
    stall_s: float = 300.0
    state: Literal["no certificate yet", "ok", "ending"] = "no certificate yet"
    metrics: Metrics = field(default_factory=Metrics)

    def admission(self) -> web.Application:
        """Return what the API server talks to."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post(MUTATE, self._handler(MUTATE, self._mutate))
        app.router.add_post(VALIDATE, self._handler(VALIDATE, self._validate))
        return app

    def health(self) -> web.Application:
        """Return what probes and Prometheus talk to."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        return app

    def _handler(
        self, path: str, decide: Callable[[Request], Awaitable[Verdict]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            if request.content_type != "application/json":
                return self._error(path, 415, InvalidInput("the content type is not application/json: send JSON"))
            try:
                async with asyncio.timeout(_BODY_TIMEOUT_S):
                    body = await request.read()
            except TimeoutError:
                return self._error(path, 408, InvalidInput("the review did not arrive in time: send it again"))
            except web.HTTPRequestEntityTooLarge:
                return self._error(path, 413, InvalidInput(f"the review is larger than {MAX_BODY} bytes"))
            return await self._review(path, decide, body)

        return handle

    async def _mutate(self, request: Request) -> Verdict:
        completions = None
        if self.jobs is not None and is_new_pod(request):
            with suppress(InvalidInput):  # what is wrong with the pod is said below
                completions = await self.jobs.completions(request.namespace, request.object)
        return mutate(request, self.defaults, completions)

    async def _validate(self, request: Request) -> Verdict:
        verdict = validate(request, self.defaults)
        if self.gates is None or verdict.refusal is not None or (walk := gate_walk(request)) is None:
            return verdict
        try:
            await self.gates.check(walk)
        except InvalidInput as error:
            return Verdict(refusal=error.message)
        return verdict

    async def _review(self, path: str, decide: Callable[[Request], Awaitable[Verdict]], body: bytes) -> web.Response:
        begun = perf_counter()
        try:
            request = read(body)
            verdict = await decide(request)
            text = answer(request, verdict)
        except InvalidInput as error:
            return self._error(path, 400, error)
        except RecursionError:
            return self._error(path, 400, InvalidInput("the review is nested too deeply: flatten it"))
        except Exception:
            log.exception("a review could not be answered")
            return self._error(path, 500, KonductorError("the review could not be answered: see the webhook's log"))
        outcome = "refused" if verdict.refusal is not None else "changed" if verdict.patch else "allowed"
        self.metrics.reviews.labels(path, outcome).inc()
        self.metrics.seconds.labels(path).observe(perf_counter() - begun)
        if verdict.refusal is not None:
            log.info("refused %s %s in %s: %s", request.operation, request.resource, request.namespace, verdict.refusal)
        return web.Response(body=text, content_type="application/json")

    def _error(self, path: str, status: int, error: KonductorError) -> web.Response:
        self.metrics.reviews.labels(path, "malformed" if status < 500 else "failed").inc()
        return web.json_response(error.to_dict(), status=status)

    async def _healthz(self, _: web.Request) -> web.Response:
        stalled = asyncio.get_running_loop().time() - self.certificate.looked_at > self.stall_s
        return web.Response(text="stalled\n" if stalled else "ok\n", status=503 if stalled else 200)

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text=f"{self.state}\n", status=200 if self.state == "ok" else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        if self.certificate.expires is not None:
            self.metrics.expires.set(self.certificate.expires.timestamp())
        return web.Response(body=generate_latest(self.metrics.registry), headers={"Content-Type": CONTENT_TYPE})
