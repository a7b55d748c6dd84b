"""The Kubernetes API, as far as the controller calls it: one method for each thing that it asks for or does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from konductor_core.controller.api import Api
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
    if_unchanged,
)
from konductor_core.identity import GROUP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from konductor_core.controller.view import Key, Resource
    from konductor_core.identity import Kind

__all__ = [
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


class Cluster(Api):
    """The calls that the controller makes."""

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
