"""The Kubernetes API, as far as the controller calls it: a thin client that speaks JSON.

Every call names its rule, what RBAC must grant for it, and is refused without one: `RULES` is what the controller
needs, neither more nor less.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import urlencode

from aiohttp import ClientError, ClientTimeout
from kubernetes.aio.client import ApiClient

from konductor_core.annotations import CONTROLLER
from konductor_core.controller.calls import (
    CREATE_EVENT,
    CREATE_SECRET,
    DELETE_POD,
    GET_DEPLOYMENT,
    GET_JOB,
    GET_POD,
    GET_SECRET,
    LIST_DEPLOYMENTS,
    LIST_JOBS,
    LIST_NAMESPACES,
    LIST_PODS,
    METHODS,
    PATCH_POD,
    PATCH_SECRET,
    RULES,
    ApiError,
    ApiUnavailable,
    Conflict,
    Forbidden,
    Invalid,
    Missing,
    Rule,
    document_of,
    if_unchanged,
    path_of,
)
from konductor_core.errors import KonductorError
from konductor_core.identity import GROUP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kubernetes.aio.client import Configuration

    from konductor_core.controller.view import Key, Resource
    from konductor_core.identity import Kind

__all__ = [
    "PAGE",
    "RULES",
    "ApiError",
    "ApiUnavailable",
    "Cluster",
    "Conflict",
    "Forbidden",
    "Invalid",
    "Missing",
    "Rule",
]

T = TypeVar("T")
PAGE: Final = 500
TIMEOUT: Final = ClientTimeout(total=20.0, sock_connect=5.0)
PAUSES: Final = (0.1, 0.4, 1.0)
"""Seconds between tries of a call that may work after a moment. What takes longer is the caller's to try again."""


class Cluster:
    """Calls of the Kubernetes API, each tried again for a moment where that may help.

    `observe` is told of every answer: the rule, and the HTTP status, or 0 if there was none.
    """

    def __init__(self, configuration: Configuration, observe: Callable[[Rule, int], None] | None = None) -> None:
        self._client = ApiClient(configuration)
        self._observe = observe

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ------------------------------------------------------------------------------------- our own resources

    async def resources(self, kind: Kind) -> list[dict[str, Any]]:
        """Return every resource of a kind, of all namespaces."""
        return await self._list(Rule("list", GROUP, kind.plural), dict)

    async def resource(self, key: Key) -> dict[str, Any] | None:
        """Return the resource as it is now."""
        return await self._get(Rule("get", GROUP, key.kind.plural), key.namespace, key.name)

    async def create_resource(self, key: Key, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create a resource. Raises `Conflict` if there is one of that name, `Forbidden` if the namespace is ending."""
        return await self._call(Rule("create", GROUP, key.kind.plural), key.namespace, "", body)

    async def patch_resource(self, resource: Resource, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Merge a patch into a resource. Raises `Missing`; `Conflict` if it is not as it was seen any more."""
        key = resource.key
        rule = Rule("patch", GROUP, key.kind.plural)
        return await self._call(rule, key.namespace, key.name, if_unchanged(resource, patch))

    async def patch_status(self, resource: Resource, status: Mapping[str, Any]) -> dict[str, Any]:
        """Merge a patch into a resource's status. Raises `Missing`; `Conflict` if it is not as it was seen any more."""
        key = resource.key
        rule = Rule("patch", GROUP, f"{key.kind.plural}/status")
        return await self._call(rule, key.namespace, key.name, if_unchanged(resource, {"status": status}))

    async def delete_resource(self, key: Key, uid: str) -> bool:
        """Delete a resource if it is still that one; False if it is not."""
        return await self._delete(Rule("delete", GROUP, key.kind.plural), key.namespace, key.name, uid)

    # ------------------------------------------------------------------------------------------ pods and others

    async def pods(self, make: Callable[[Mapping[str, Any]], T]) -> list[T]:
        """Return what `make` makes of every pod of the cluster: whole, they would all be in memory at once."""
        return await self._list(LIST_PODS, make)

    async def jobs(self, make: Callable[[Mapping[str, Any]], T]) -> list[T]:
        """Return what `make` makes of every job of the cluster."""
        return await self._list(LIST_JOBS, make)

    async def deployments(self, make: Callable[[Mapping[str, Any]], T]) -> list[T]:
        """Return what `make` makes of every deployment of the cluster."""
        return await self._list(LIST_DEPLOYMENTS, make)

    async def pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a pod as it is now."""
        return await self._get(GET_POD, namespace, name)

    async def set_scheduling_gates(self, namespace: str, name: str, version: str, gates: list[str]) -> None:
        """Leave a pod only these of its scheduling gates. Raises `Conflict` if it has changed since `version`."""
        patch = {"metadata": {"resourceVersion": version}, "spec": {"schedulingGates": [{"name": g} for g in gates]}}
        await self._call(PATCH_POD, namespace, name, patch)

    async def delete_pod(self, namespace: str, name: str, uid: str) -> bool:
        """Delete a pod, with its own grace period, if it is still that one; False if it is not."""
        return await self._delete(DELETE_POD, namespace, name, uid)

    async def namespaces(self) -> list[dict[str, Any]]:
        """Return every namespace."""
        return await self._list(LIST_NAMESPACES, dict)

    async def job(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a job as it is now."""
        return await self._get(GET_JOB, namespace, name)

    async def deployment(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a deployment as it is now."""
        return await self._get(GET_DEPLOYMENT, namespace, name)

    async def secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a secret as it is now."""
        return await self._get(GET_SECRET, namespace, name)

    async def create_secret(self, namespace: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create a secret. Raises `Conflict` if there is one of that name."""
        return await self._call(CREATE_SECRET, namespace, "", body)

    async def patch_secret(self, namespace: str, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Merge a patch into a secret."""
        return await self._call(PATCH_SECRET, namespace, name, patch)

    async def create_event(self, namespace: str, body: Mapping[str, Any]) -> bool:
        """Create an Event; False if there is one of that name already."""
        try:
            await self._call(CREATE_EVENT, namespace, "", body)
        except Conflict:
            return False
        return True

    # ------------------------------------------------------------------------------------------------ machinery

    async def _list(self, rule: Rule, make: Callable[[Mapping[str, Any]], T]) -> list[T]:
        """Return what `make` makes of all items, page by page; anew if the list grew too old meanwhile."""
        found: list[T] = []
        token = ""
        while True:
            query = {"limit": str(PAGE)} | ({"continue": token} if token else {})
            try:
                page = await self._call(rule, "", "", query=query)
            except ApiError as error:
                if error.status != 410:
                    raise
                found, token = [], ""
                continue
            found += map(make, page.get("items") or [])
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return found

    async def _get(self, rule: Rule, namespace: str, name: str) -> dict[str, Any] | None:
        try:
            return await self._call(rule, namespace, name)
        except Missing:
            return None

    async def _delete(self, rule: Rule, namespace: str, name: str, uid: str) -> bool:
        try:
            await self._call(rule, namespace, name, {"preconditions": {"uid": uid}})
        except (Missing, Conflict):
            return False
        return True

    async def _call(
        self,
        rule: Rule,
        namespace: str,
        name: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        if rule not in RULES:
            raise KonductorError(f"no rule allows the controller to {rule.verb} {rule.resource}")
        for pause in (*PAUSES, None):
            try:
                return await self._try(rule, namespace, name, body, query)
            except ApiUnavailable:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError  # the last pause is None

    async def _try(
        self,
        rule: Rule,
        namespace: str,
        name: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
    ) -> dict[str, Any]:
        method, path = METHODS[rule.verb], path_of(rule, namespace, name)
        query = dict(query or {}) | ({"fieldManager": CONTROLLER} if method in {"POST", "PATCH"} else {})
        headers = {"Accept": "application/json", "User-Agent": CONTROLLER}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        status, data = 0, b""
        try:
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            url = self._client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
            answer = await self._client.call_api(method, url, headers, body, _request_timeout=TIMEOUT)
            data = await answer.read()
            status = answer.status
        except (ClientError, TimeoutError, OSError) as error:
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise ApiUnavailable(f"the Kubernetes API does not answer: {what}") from None
        finally:
            if self._observe is not None:
                self._observe(rule, status)
        return document_of(rule, status, data)
