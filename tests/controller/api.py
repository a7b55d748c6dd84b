"""A Kubernetes API of kmock's, with what the controller relies on: uids, versions, generations, preconditions."""

from __future__ import annotations

import itertools
import uuid
from typing import TYPE_CHECKING, Any, Final

import kmock

from konductor_core.identity import API_VERSION, GROUP, VERSION, Kind
from konductor_core.models import SPECS

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp.web

__all__ = ["Api", "resource_of"]

PODS: Final = kmock.resource("", "v1", "pods")
NAMESPACES: Final = kmock.resource("", "v1", "the-namespaces")
"""Under another name, since kmock takes `namespaces` in a path for the beginning of one."""
EVENTS: Final = kmock.resource("", "v1", "events")
SECRETS: Final = kmock.resource("", "v1", "secrets")
JOBS: Final = kmock.resource("batch", "v1", "jobs")
DEPLOYMENTS: Final = kmock.resource("apps", "v1", "deployments")
WRITES: Final = {kmock.action.CREATE, kmock.action.UPDATE, kmock.action.DELETE}


def resource_of(kind: Kind) -> kmock.resource:
    """Return kmock's name for the resources of a kind."""
    return kmock.resource(GROUP, VERSION, kind.plural)


class Api(kmock.KubernetesEmulator):
    """The emulator, with the metadata that a real server keeps.

    `refuse` may return an HTTP status for a request, which then has no effect. `versions` counts all writes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refuse: Callable[[kmock.Request], int | None] = lambda _: None
        self.writes: list[kmock.Request] = []
        self._versions = itertools.count(1)
        for kind in SPECS:
            self.resources[resource_of(kind)] = kmock.ResourceInfo(
                kind=str(kind),
                singular=kind.key,
                verbs={"list", "watch", "get"},
                namespaced=True,
                subresources={"status"},
            )
        for resource, kind_name, namespaced in (
            (PODS, "Pod", True),
            (NAMESPACES, "Namespace", False),
            (kmock.resource("", "v1", "namespaces"), "Namespace", False),
            (EVENTS, "Event", True),
            (SECRETS, "Secret", True),
            (JOBS, "Job", True),
            (DEPLOYMENTS, "Deployment", True),
        ):
            self.resources[resource] = kmock.ResourceInfo(
                kind=kind_name, verbs={"list", "watch", "get"}, namespaced=namespaced
            )

    async def __call__(self, raw_request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
        url = raw_request.rel_url
        if url.path.startswith("/api/v1/namespaces") and url.path.count("/") < 5:
            raw_request = raw_request.clone(
                rel_url=url.with_path("/api/v1/the-" + url.path.removeprefix("/api/v1/"), keep_query=True)
            )
        return await super().__call__(raw_request)

    async def _handle(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        status = self.refuse(request)
        if status is not None:
            raise kmock.KubernetesError(status=status, reason="Refused", message="refused by the test")
        if request.resource is not None and request.action in WRITES:
            self.writes.append(request)
            self._amend(request)
        try:
            return await super()._handle(request)
        except kmock.KubernetesObjectNotFoundError:
            raise _missing(request.name) from None
        finally:  # kmock goes through all requests that it has seen, for each new one
            self._requests[:] = [each for each in self._requests if each is not request]

    def _amend(self, request: kmock.Request) -> None:
        """Make of a request what a server would make of it, or refuse it."""
        data = request.data
        if request.action is kmock.action.CREATE:
            metadata = data["metadata"]
            if request.namespace is not None and (NAMESPACES, None, request.namespace) not in self.objects:
                raise _missing(request.namespace)
            if request.namespace is not None:
                metadata["namespace"] = request.namespace
            metadata |= {"uid": str(uuid.uuid4()), "generation": 1, "resourceVersion": str(next(self._versions))}
            return
        current = self._current(request)
        wanted = ((data or {}).get("preconditions") or (data or {}).get("metadata") or {}).get("uid")
        if wanted not in {None, current["metadata"]["uid"]}:
            raise kmock.KubernetesError(status=409, reason="Conflict", message="the uid is another")
        version = ((data or {}).get("metadata") or {}).get("resourceVersion")
        if version not in {None, current["metadata"]["resourceVersion"]}:
            raise kmock.KubernetesError(status=409, reason="Conflict", message="it has changed meanwhile")
        if request.action is not kmock.action.UPDATE:
            return
        for part in [name for name in ("spec", "status") if name in data]:
            if (part == "status") != (request.subresource == "status") and resource_is_ours(request):
                del data[part]
        metadata = data.setdefault("metadata", {})
        metadata["resourceVersion"] = str(next(self._versions))
        if "spec" in data:
            metadata["generation"] = current["metadata"].get("generation", 1) + 1

    def _current(self, request: kmock.Request) -> dict[str, Any]:
        assert request.resource is not None
        found = self.get_object(request.resource, request.namespace, request.name or "")
        if found is None:
            raise _missing(request.name)
        return found

    # ------------------------------------------------------------------------------- what people do with kubectl

    async def apply(
        self, kind: Kind, name: str, spec: dict[str, Any], *, namespace: str = "etl", **metadata: Any
    ) -> str:
        """Create a resource, or change the spec it has, as `kubectl apply` does; returns its uid."""
        body = {"metadata": {"name": name, **metadata}, "spec": spec}
        if self.found(kind, name, namespace) is not None:
            marks = {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}
            body["metadata"] = {**marks, **metadata}
            answer = await self._send("PATCH", _path(kind, namespace, name), body)
        else:
            answer = await self._send(
                "POST", _path(kind, namespace), {"apiVersion": API_VERSION, "kind": str(kind), **body}
            )
        return str(answer["metadata"]["uid"])

    async def remove(self, kind: Kind, name: str, namespace: str = "etl") -> None:
        """Delete a resource."""
        await self._send("DELETE", _path(kind, namespace, name), None)

    async def spoil(self, kind: Kind, name: str, status: dict[str, Any], *, namespace: str = "etl") -> None:
        """Write something into a resource's status, as somebody with too many rights might."""
        await self._send("PATCH", _path(kind, namespace, name) + "/status", {"status": status})

    async def add(self, resource: kmock.resource, name: str, namespace: str | None = None, **body: Any) -> None:
        """Create anything else."""
        root = f"/apis/{resource.group}" if resource.group else "/api"
        where = f"/namespaces/{namespace}" if namespace else ""
        metadata = {"name": name, **body.pop("metadata", {})}
        plural = str(resource.plural).removeprefix("the-")
        await self._send("POST", f"{root}/{resource.version}{where}/{plural}", {"metadata": metadata, **body})

    async def _send(self, method: str, path: str, body: Any) -> dict[str, Any]:
        headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
        async with self.clients[0].request(method, path, json=body, headers=headers) as answer:
            assert answer.ok, await answer.text()
            document: dict[str, Any] = await answer.json()
            return document

    def get_object(self, resource: kmock.resource, namespace: str | None, name: str) -> dict[str, Any] | None:
        """Return anything as it is, or None."""
        key = (resource, namespace, name)
        if key not in self.objects or self.objects[key].deleted:
            return None
        found: dict[str, Any] = self.objects[key].raw
        return found

    def found(self, kind: Kind, name: str, namespace: str = "etl") -> dict[str, Any] | None:
        """Return a resource as it is, or None."""
        return self.get_object(resource_of(kind), namespace, name)

    def uid(self, kind: Kind, name: str, namespace: str = "etl") -> str:
        """Return a resource's uid; empty without one."""
        found = self.found(kind, name, namespace)
        return str(found["metadata"]["uid"]) if found else ""

    def status(self, kind: Kind, name: str, namespace: str = "etl") -> dict[str, Any]:
        """Return a resource's status; empty without one."""
        return dict((self.found(kind, name, namespace) or {}).get("status") or {})

    def condition(self, kind: Kind, name: str, which: str, namespace: str = "etl") -> dict[str, Any]:
        """Return one condition of a resource; empty without it."""
        conditions = self.status(kind, name, namespace).get("conditions") or []
        return next((each for each in conditions if each["type"] == which), {})

    def changes(self) -> int:
        """Return how often anybody has written our resources, or an Event."""
        return sum(resource_is_ours(each) or each.resource == EVENTS for each in self.writes)

    def patches(self, name: str) -> int:
        """Return how often the status of a resource was patched."""
        return sum(each.name == name and each.subresource == "status" for each in self.writes)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the Events about an object."""
        found = [each.raw for (resource, _, _), each in self.objects.items() if resource == EVENTS and not each.deleted]
        return [each for each in found if each["involvedObject"]["name"] == name]


def resource_is_ours(request: kmock.Request) -> bool:
    return request.resource is not None and request.resource.group == GROUP


def _missing(name: str | None) -> kmock.KubernetesError:
    return kmock.KubernetesError(
        status=404, reason="NotFound", message=f"{name} not found", details={"name": name} if name else None
    )


def _path(kind: Kind, namespace: str, name: str = "") -> str:
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/{kind.plural}"
    return f"{path}/{name}" if name else path
