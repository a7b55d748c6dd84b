"""The Kubernetes API, as far as the webhook calls it: its one Secret, its two configurations, Jobs and gates."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from aiohttp import ClientError, ClientTimeout
from kubernetes.aio.client import ApiClient

from konductor_core.annotations import WEBHOOK
from konductor_core.errors import KonductorError
from konductor_core.identity import API_VERSION, GROUP, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kubernetes.aio.client import Configuration

__all__ = ["READ_RULES", "RULES", "TRIES", "ApiError", "Cluster", "Conflict", "in_cluster"]

TIMEOUT: Final = ClientTimeout(total=10.0, sock_connect=5.0)
IN_TIME: Final = ClientTimeout(total=2.0)
"""For what a review waits for."""
TRIES: Final = 5
"""How often a write that met another replica's is begun again."""

_CONFIGURATIONS: Final = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")


_ADMISSION: Final = "admissionregistration.k8s.io"

READ_RULES: Final = frozenset({("get", "batch", "jobs"), ("get", GROUP, Kind.GATE.plural)})
"""What RBAC must grant in any case, as (verb, group, resource)."""

RULES: Final = READ_RULES | frozenset(
    {
        *((verb, "", "secrets") for verb in ("create", "get", "patch")),
        *((verb, _ADMISSION, resource) for verb in ("get", "patch") for resource in _CONFIGURATIONS),
    }
)
"""What it must grant where the webhook makes its certificate: the Secret in the webhook's own namespace only."""


class ApiError(KonductorError):
    """The Kubernetes API refused a call, or did not answer."""


class Conflict(ApiError):  # noqa: N818 - the short name reads best
    """Somebody else was faster."""


def in_cluster() -> Configuration:
    """Return how a pod reaches the API server; its token is read again when it is renewed."""
    from kubernetes.aio import client, config

    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        raise ApiError(f"the Kubernetes API is not configured: {error}; run it in a cluster") from None
    return configuration


class Cluster:
    """Calls of the Kubernetes API from `namespace`. The Secret and the configurations are called like the webhook."""

    def __init__(self, configuration: Configuration, namespace: str) -> None:
        self._client = ApiClient(configuration)
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self._namespace = namespace

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def job(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a Job, or None if there is none."""
        return await self._read("batch/v1", "jobs", namespace, name)

    async def gate(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a gate, or None if there is none."""
        return await self._read(API_VERSION, Kind.GATE.plural, namespace, name)

    async def _read(self, version: str, plural: str, namespace: str, name: str) -> dict[str, Any] | None:
        path = f"/apis/{version}/namespaces/{quote(namespace, safe='')}/{plural}/{quote(name, safe='')}"
        return await self._call("GET", path, within=IN_TIME)

    async def secret(self) -> tuple[dict[str, bytes], str] | None:
        """Return the Secret's data and its version, or None if there is none."""
        document = await self._call("GET", f"{self._secrets}/{WEBHOOK}")
        if document is None:
            return None
        data = document.get("data") or {}
        return {name: base64.b64decode(value) for name, value in data.items()}, document["metadata"]["resourceVersion"]

    async def store_secret(self, data: Mapping[str, bytes], version: str | None) -> None:
        """Write into the Secret of this `version`, or make it. Raises `Conflict` if it is not as it was."""
        encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
        if version is not None:
            patch = {"metadata": {"resourceVersion": version}, "data": encoded}
            if await self._call("PATCH", f"{self._secrets}/{WEBHOOK}", patch) is None:
                raise Conflict("the Secret was deleted meanwhile")
            return
        metadata = {"name": WEBHOOK, "namespace": self._namespace, "labels": {"app.kubernetes.io/part-of": "konductor"}}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded}
        await self._call("POST", self._secrets, body)

    async def publish(self, bundle: bytes) -> None:
        """Make the API server trust these authorities, where it does not yet."""
        encoded = base64.b64encode(bundle).decode()
        for resource in _CONFIGURATIONS:
            for _ in range(TRIES):
                try:
                    await self._publish(f"/apis/{_ADMISSION}/v1/{resource}/{WEBHOOK}", encoded)
                except Conflict:  # another replica does the same
                    continue
                break
            else:
                raise ApiError(f"{resource}/{WEBHOOK} changes faster than it can be read: see who writes it")

    async def _publish(self, path: str, encoded: str) -> None:
        document = await self._call("GET", path)
        if document is None:
            raise ApiError(f"{path} does not exist: install Konductor again")
        patch: list[dict[str, Any]] = [
            {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": encoded}
            for index, webhook in enumerate(document.get("webhooks") or [])
            if webhook["clientConfig"].get("caBundle") != encoded
        ]
        if patch:
            seen = {"op": "test", "path": "/metadata/resourceVersion", "value": document["metadata"]["resourceVersion"]}
            await self._call("PATCH", path, [seen, *patch])

    async def _call(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 - JSON
        within: ClientTimeout = TIMEOUT,
    ) -> dict[str, Any] | None:
        """Return what the API answers, or None for what does not exist."""
        headers = {"Accept": "application/json", "User-Agent": WEBHOOK, "Content-Type": "application/json"}
        if method == "PATCH":
            headers["Content-Type"] = f"application/{'json' if isinstance(body, list) else 'merge'}-patch+json"
        query = "" if method == "GET" else f"?fieldManager={WEBHOOK}"
        try:
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            url = self._client.configuration.host + path + query
            answer = await self._client.call_api(method, url, headers, body, _request_timeout=within)
            status, data = answer.status, await answer.read()
        except (ClientError, TimeoutError, OSError) as error:
            raise ApiError(f"the Kubernetes API does not answer: {str(error) or type(error).__name__}") from None
        if status == 404:
            return None
        try:
            document = json.loads(data or b"{}")
        except ValueError:
            document = {}
        if 200 <= status < 300:
            return dict(document)
        message = f"cannot {method} {path}: {document.get('message') or 'no reason given'} ({status})"
        # 422 is how the API server says that a patch's test has failed.
        raise (Conflict if status == 409 or (method == "PATCH" and status == 422) else ApiError)(message)
