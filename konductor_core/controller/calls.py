"""The calls of the Kubernetes API: what RBAC must grant for each, where it goes, what an answer means. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from konductor_core.errors import KonductorError
from konductor_core.identity import GROUP, VERSION
from konductor_core.models.registry import SPECS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.controller.view import Resource

BUSY: Final = frozenset({429, 500, 502, 503, 504})


class Rule(NamedTuple):
    """One permission: a verb on a resource (`barriers`, `barriers/status`) of an API group."""

    verb: str
    group: str
    resource: str


def _ours(verb: str, part: str = "") -> frozenset[Rule]:
    return frozenset(Rule(verb, GROUP, kind.plural + part) for kind in SPECS)


LIST_PODS: Final = Rule("list", "", "pods")
GET_POD: Final = Rule("get", "", "pods")
PATCH_POD: Final = Rule("patch", "", "pods")
DELETE_POD: Final = Rule("delete", "", "pods")
LIST_NAMESPACES: Final = Rule("list", "", "namespaces")
GET_JOB: Final = Rule("get", "batch", "jobs")
LIST_JOBS: Final = Rule("list", "batch", "jobs")
GET_DEPLOYMENT: Final = Rule("get", "apps", "deployments")
LIST_DEPLOYMENTS: Final = Rule("list", "apps", "deployments")
GET_SECRET: Final = Rule("get", "", "secrets")
CREATE_SECRET: Final = Rule("create", "", "secrets")
PATCH_SECRET: Final = Rule("patch", "", "secrets")
CREATE_EVENT: Final = Rule("create", "", "events")

RULES: Final[frozenset[Rule]] = frozenset(
    {
        *(LIST_PODS, GET_POD, PATCH_POD, DELETE_POD, LIST_NAMESPACES),
        *(GET_JOB, LIST_JOBS, GET_DEPLOYMENT, LIST_DEPLOYMENTS),
        *(GET_SECRET, CREATE_SECRET, PATCH_SECRET, CREATE_EVENT),
        *_ours("list"),
        *_ours("get"),
        *_ours("create"),
        *_ours("patch"),
        *_ours("delete"),
        *_ours("patch", "/status"),
    }
)
"""What `Cluster` calls. `watching.RULES` has what the watches need beside."""

_VERSIONS: Final = {"": "v1", "apps": "v1", "batch": "v1", GROUP: VERSION}
METHODS: Final = {"list": "GET", "get": "GET", "create": "POST", "patch": "PATCH", "delete": "DELETE"}


class ApiError(KonductorError):
    """The Kubernetes API refused a call; `status` is the HTTP status, 0 if there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Missing(ApiError):  # noqa: N818 - the short names read best
    """What the call is about does not exist, or its namespace does not.

    A resource that the API does not serve at all (now) is another thing, and a plain `ApiError`.
    """


class Conflict(ApiError):  # noqa: N818
    """It exists already, or is not (or no longer) what the caller took it for."""


class Invalid(ApiError):  # noqa: N818
    """The API server's schema or rules refuse what was sent."""


class Forbidden(ApiError):  # noqa: N818
    """RBAC, a quota or admission refuses the call; also in a namespace that is being deleted."""


class ApiUnavailable(ApiError):  # noqa: N818
    """No answer, or one that says: later."""


_ERRORS: Final[Mapping[int, type[ApiError]]] = {404: Missing, 409: Conflict, 422: Invalid, 400: Invalid, 403: Forbidden}


def if_unchanged(resource: Resource, patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch with the version that it is for: a uid alone is not checked where a status is patched."""
    return {**patch, "metadata": {**patch.get("metadata", {}), "resourceVersion": resource.version}}


def path_of(rule: Rule, namespace: str, name: str) -> str:
    """Return the path of a collection, of one thing in it, or of its subresource."""
    resource, _, part = rule.resource.partition("/")
    version = _VERSIONS[rule.group]
    steps = ["apis", rule.group, version] if rule.group else ["api", version]
    steps += ["namespaces", namespace] if namespace else []
    steps += [step for step in (resource, name, part) if step]
    return "/" + "/".join(quote(step, safe="") for step in steps)


def document_of(rule: Rule, status: int, data: bytes) -> dict[str, Any]:
    """Return what the API answered, or raise what it means."""
    try:
        document = json.loads(data or b"{}")
    except ValueError:
        document = {"message": data[:200].decode(errors="replace")}
    if 200 <= status < 300:
        return dict(document)
    message = document.get("message") if isinstance(document, dict) else None
    reason = " ".join(str(message or "no reason given").split())
    text = f"cannot {rule.verb} {'.'.join(filter(None, (rule.resource, rule.group)))}: {reason} ({status})"
    if status in BUSY:
        raise ApiUnavailable(text, status)
    if status == 404 and not (document.get("details") or {}).get("name"):
        raise ApiError(text, status)
    raise _ERRORS.get(status, ApiError)(text, status)
