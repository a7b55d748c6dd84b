"""What is answered to a request: pods are changed, templates and objects are only looked at. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from konductor_core.annotations import MIRROR_LABEL
from konductor_core.errors import InvalidInput
from konductor_core.identity import GROUP, Kind
from webhook.inject import inject
from webhook.objects import judge, refuse_ring, walk_from
from webhook.patches import difference
from webhook.review import Verdict
from webhook.shapes import mapping
from webhook.templates import TEMPLATES, inspect

if TYPE_CHECKING:
    from konductor_core.rings import Walk
    from webhook.defaults import Defaults
    from webhook.review import Request

__all__ = ["gate_walk", "is_new_pod", "mutate", "validate"]

_ALLOWED: Final = Verdict()


def is_new_pod(request: Request) -> bool:
    """Return whether the request creates a pod: nothing else is ever changed."""
    return request.kind == ("", "Pod") and request.operation == "CREATE" and not request.subresource


def mutate(request: Request, defaults: Defaults, completions: int | None = None) -> Verdict:
    """Return what a pod that is being created needs; everything else passes as it is.

    `completions` are those of its Job, as for `inject`.
    """
    if not is_new_pod(request):
        return _ALLOWED
    try:
        injection = inject(request.object, defaults, completions)
    except InvalidInput as error:
        return Verdict(refusal=error.message)
    return Verdict(warnings=injection.warnings, patch=tuple(difference(request.object, injection.pod)))


def validate(request: Request, defaults: Defaults) -> Verdict:
    """Return whether a template or one of Konductor's objects may be stored, and what its author should know."""
    if not _is_stored(request):
        return _ALLOWED
    try:
        if walk := gate_walk(request):
            refuse_ring(walk)
        if request.kind[0] == GROUP:
            return Verdict(warnings=judge(request.kind[1], request.object, request.old))
        if request.kind in TEMPLATES:
            return Verdict(warnings=inspect(TEMPLATES[request.kind], request.object, request.old, defaults))
    except InvalidInput as error:
        return Verdict(refusal=error.message)
    return _ALLOWED


def gate_walk(request: Request) -> Walk | None:
    """Return the first step from a gate along those that it waits for; None for what is no gate with a new spec.

    None for a mirror, too: it shows a gate that is there already, and to refuse it would only hide the ring.
    """
    if request.kind != (GROUP, Kind.GATE) or not _is_stored(request):
        return None
    if mapping(mapping(request.object, "metadata"), "labels").get(MIRROR_LABEL) == "true":
        return None
    if request.old and request.old.get("spec") == request.object.get("spec"):
        return None
    return walk_from(request.object, request.namespace)


def _is_stored(request: Request) -> bool:
    """Whether there is anything to validate. Nothing that is wrong with it may keep an object from being deleted."""
    if request.operation not in {"CREATE", "UPDATE"} or request.subresource:
        return False
    metadata = request.object.get("metadata")
    return not (isinstance(metadata, dict) and metadata.get("deletionTimestamp"))
