"""A Kubernetes API of kmock's with the webhook's two configurations, and versions that a stale write meets."""

from __future__ import annotations

import base64
import itertools
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp.test_utils
import aiohttp.web
import kmock
from kubernetes.aio.client import Configuration

from konductor_core.annotations import SYSTEM_NAMESPACE, WEBHOOK
from webhook.cluster import Cluster
from webhook.configuration import configurations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


SECRETS: Final = kmock.resource("", "v1", "secrets")
GROUP: Final = "admissionregistration.k8s.io"
CONFIGURATIONS: Final = [
    kmock.resource(GROUP, "v1", f"{which}webhookconfigurations") for which in ("mutating", "validating")
]

_SECRET: Final = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/secrets/{WEBHOOK}"


class _Abrupt(aiohttp.test_utils.RawTestServer):
    """A server that does not wait for connections without requests when it is closed."""

    async def close(self) -> None:
        if self.runner is not None:
            self.runner._shutdown_timeout = 0.05
        await super().close()


class Api(kmock.KubernetesEmulator):
    """The emulator, with the versions that a real server keeps. `writes` are all that were let through."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []
        self._versions = itertools.count(1)
        self.resources[SECRETS] = kmock.ResourceInfo(kind="Secret", verbs={"get"}, namespaced=True)
        for resource, document in zip(CONFIGURATIONS, configurations(SYSTEM_NAMESPACE), strict=True):
            self.resources[resource] = kmock.ResourceInfo(kind=document["kind"], verbs={"get"}, namespaced=False)
            metadata = {**document["metadata"], "resourceVersion": str(next(self._versions))}
            self.objects[resource, None, WEBHOOK] = {**document, "metadata": metadata}

    async def _handle(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        writes = request.action in {kmock.action.CREATE, kmock.action.UPDATE}
        if writes:
            self._amend(request)
        try:
            answer = await super()._handle(request)
        except kmock.KubernetesObjectNotFoundError:
            raise kmock.KubernetesError(status=404, reason="NotFound", message="not found") from None
        if writes and request.resource is not None and request.method is not None:
            self.writes.append(f"{request.method.value} {request.resource.plural}")
        return answer

    def _amend(self, request: kmock.Request) -> None:
        """Give a write a new version, or refuse it if it was made for another one than the present."""
        version = str(next(self._versions))
        if isinstance(request.data, list):
            seen, status = request.data[0]["value"], 422
            request.data.append({"op": "replace", "path": "/metadata/resourceVersion", "value": version})
        else:
            seen, status = request.data["metadata"].get("resourceVersion"), 409
            request.data["metadata"]["resourceVersion"] = version
        if seen is not None and seen != self.version(request):
            raise kmock.KubernetesError(status=status, reason="Conflict", message="somebody was faster")

    def version(self, request: kmock.Request) -> str | None:
        """Return the version of what a request is about; None if it is gone."""
        assert request.resource is not None
        key = (request.resource, request.namespace, request.name or "")
        gone = key not in self.objects or self.objects[key].deleted
        return None if gone else str(self.objects[key].raw["metadata"]["resourceVersion"])

    def present(self, resource: kmock.resource, namespace: str | None = None) -> dict[str, Any]:
        """Return an object of the webhook's as it is."""
        found: dict[str, Any] = self.objects[resource, namespace, WEBHOOK].raw
        return found

    @property
    def secret(self) -> dict[str, bytes]:
        """What the Secret has."""
        data = self.present(SECRETS, SYSTEM_NAMESPACE)["data"]
        return {name: base64.b64decode(value) for name, value in data.items()}

    @property
    def bundle(self) -> str:
        """The bundle by which the API server judges what changes pods."""
        webhook = self.present(CONFIGURATIONS[0])["webhooks"][0]
        return base64.b64decode(webhook["clientConfig"]["caBundle"]).decode()

    @property
    def bundles(self) -> set[str]:
        """The bundles that the configurations have; one, unless somebody was forgotten."""
        webhooks = [each for found in CONFIGURATIONS for each in self.present(found)["webhooks"]]
        return {base64.b64decode(each["clientConfig"].get("caBundle", "")).decode() for each in webhooks}

    async def spoil(self, **data: bytes) -> None:
        """Write something else into the Secret."""
        encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
        await self._send("PATCH", _SECRET, {"metadata": {}, "data": encoded})

    async def remove_secret(self) -> None:
        """Delete the Secret."""
        await self._send("DELETE", _SECRET, None)

    async def wipe(self) -> None:
        """Take the bundle out of the first webhook, as a deployment of older manifests might."""
        version = self.present(CONFIGURATIONS[0])["metadata"]["resourceVersion"]
        seen = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
        path = f"/apis/{GROUP}/v1/{CONFIGURATIONS[0].plural}/{WEBHOOK}"
        await self._send("PATCH", path, [seen, {"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}])

    async def _send(self, method: str, path: str, body: Any) -> None:
        async with self.clients[0].request(method, path, json=body) as answer:
            assert answer.ok, await answer.text()


@asynccontextmanager
async def cluster_of(api: Api, serving: AsyncExitStack | None = None) -> AsyncIterator[Cluster]:
    """Connect to the API, and serve it until the end, or until `serving` is closed."""
    async with AsyncExitStack() as stack:
        serving = stack if serving is None else serving
        await serving.enter_async_context(api)
        server = await serving.enter_async_context(kmock.Server(api, server_cls=_Abrupt))
        configuration = Configuration()
        configuration.host = str(server.url).rstrip("/")
        yield await stack.enter_async_context(Cluster(configuration, SYSTEM_NAMESPACE))
