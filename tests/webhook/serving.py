"""The webhook's servers on free ports, and a client as strict as the API server."""

from __future__ import annotations

import base64
import io
import json
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import jsonpatch
from aiohttp import web

from tests.webhook.pods import DEFAULTS
from webhook.app import Server
from webhook.certs import Lifetimes, Material, renewed, server_names
from webhook.rotation import Certificate, now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

NAMES: Final = [*server_names("konductor-webhook", "konductor-system"), "localhost"]


def strict(bundle: bytes | str) -> ssl.SSLContext:
    """Return what a strict client trusts: this bundle and nothing else."""
    context = ssl.create_default_context(cadata=bundle if isinstance(bundle, str) else bundle.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def material(at: datetime | None = None) -> Material:
    return renewed(None, NAMES, Lifetimes(), at or now())


def review(sent: Any, *, kind: tuple[str, str] = ("", "Pod"), **request: Any) -> dict[str, Any]:
    """Return a review as an API server of version 1.36 sends it."""
    group, name = kind
    asked = {"group": group, "version": "v1", "kind": name}
    resource = {"group": group, "version": "v1", "resource": name.lower() + "s"}
    return {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": asked,
            "resource": resource,
            "requestKind": asked,
            "requestResource": resource,
            "name": "load-1",
            "namespace": "etl",
            "operation": "CREATE",
            "userInfo": {"username": "admin", "groups": ["system:authenticated"]},
            "object": sent,
            "oldObject": None,
            "dryRun": False,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
            **request,
        },
    }


def applied(sent: Any, response: dict[str, Any]) -> Any:
    """Return an object after the patch in a response."""
    if "patch" not in response:
        return sent
    assert response["patchType"] == "JSONPatch"
    return jsonpatch.apply_patch(sent, json.loads(base64.b64decode(response["patch"])))


class Served:
    """A running webhook. `post` answers with the HTTP status and the document."""

    def __init__(self, server: Server, bundle: bytes) -> None:
        self.server = server
        self.port = 0
        self.health_port = 0
        self.bundle = bundle

    @asynccontextmanager
    async def client(self, *, fresh: bool = False) -> AsyncIterator[aiohttp.ClientSession]:
        """Connect strictly; with `fresh`, anew for every request."""
        connector = aiohttp.TCPConnector(ssl=strict(self.bundle), force_close=fresh)
        async with aiohttp.ClientSession(f"https://localhost:{self.port}", connector=connector) as session:
            yield session

    async def post(self, path: str, body: Any, content_type: str = "application/json") -> tuple[int, dict[str, Any]]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": content_type}
        async with self.client() as session, session.post(path, data=io.BytesIO(data), headers=headers) as answer:
            return answer.status, await answer.json()

    async def ask(self, path: str, sent: dict[str, Any]) -> dict[str, Any]:
        """Return the response to a review, which must be one of the same uid."""
        status, document = await self.post(path, sent)
        assert (status, document["kind"]) == (200, "AdmissionReview")
        assert document["response"]["uid"] == sent["request"]["uid"]
        found: dict[str, Any] = document["response"]
        return found

    async def get(self, path: str) -> tuple[int, str]:
        """Ask the server that probes ask."""
        url = f"http://localhost:{self.health_port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def serving(certificate: Certificate | None = None, bundle: bytes = b"") -> AsyncIterator[Served]:
    """Serve with a certificate of its own, or with a given one."""
    if certificate is None:
        made = material()
        certificate, bundle, data = Certificate(), made.bundle, made.to_secret()
        certificate.load(data["tls.crt"], data["tls.key"])
    served = Served(Server(DEFAULTS, certificate, state="ok"), bundle)
    runners = [web.AppRunner(app, shutdown_timeout=0.1) for app in (served.server.admission(), served.server.health())]
    for runner, tls in zip(runners, (certificate.context, None), strict=True):
        await runner.setup()
        await web.TCPSite(runner, "localhost", 0, ssl_context=tls).start()
    served.port, served.health_port = (runner.addresses[0][1] for runner in runners)
    try:
        yield served
    finally:
        for runner in runners:
            await runner.cleanup()
