"""AdmissionReview v1: a request as the API server sends it, and the answer that it expects."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from konductor_core.errors import InvalidInput, quoted
from webhook.shapes import mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.shapes import Json

__all__ = ["Request", "Verdict", "answer", "read"]

API_VERSION: Final = "admission.k8s.io/v1"

_MOST_PARTS: Final = 200_000
"""Each costs a hundred bytes or more once it is read: memory must not depend on who sends what."""

_WARNING_LENGTH: Final = 256
"""Longest warning, in characters: the API server may cut longer ones."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be admitted. `kind` is (group, kind); `old` is empty except for an update."""

    uid: str
    kind: tuple[str, str]
    operation: str
    namespace: str
    resource: str
    subresource: str
    object: Json
    old: Json


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer: a `refusal` is the reason why not; `patch` is the list of operations that change the object."""

    refusal: str | None = None
    warnings: tuple[str, ...] = ()
    patch: tuple[dict[str, Any], ...] = ()


def read(body: bytes) -> Request:
    """Return the request in `body`; raise `InvalidInput` if it is no AdmissionReview of version 1 with a request."""
    if body.count(b"{") + body.count(b"[") > _MOST_PARTS:
        raise InvalidInput(f"the review has more than {_MOST_PARTS} lists and mappings: split what it is about")
    try:
        review = json.loads(body, parse_constant=_no_number)
    except RecursionError:
        raise InvalidInput("the review is nested too deeply: send what the API server sends") from None
    except ValueError:  # not JSON, not UTF-8, or an endless number
        raise InvalidInput("the review is not JSON: send an AdmissionReview") from None
    if not isinstance(review, dict) or (review.get("apiVersion"), review.get("kind")) != (
        API_VERSION,
        "AdmissionReview",
    ):
        raise InvalidInput(f"this is no AdmissionReview of {API_VERSION}: send one")
    request = mapping(review, "request")
    kind = mapping(request, "kind", "request.")
    uid = text(request, "uid", "request.")
    if not uid:
        raise InvalidInput("request.uid is missing: send what the API server sends")
    return Request(
        uid=uid,
        kind=(text(kind, "group", "request.kind."), text(kind, "kind", "request.kind.")),
        operation=text(request, "operation", "request."),
        namespace=text(request, "namespace", "request."),
        resource=text(mapping(request, "resource", "request."), "resource", "request.resource."),
        subresource=text(request, "subResource", "request."),
        object=mapping(request, "object", "request."),
        old=mapping(request, "oldObject", "request."),
    )


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{quoted(constant)} is no JSON")


def answer(request: Request, verdict: Verdict) -> bytes:
    """Return the AdmissionReview that carries the verdict."""
    response: dict[str, Any] = {"uid": request.uid, "allowed": verdict.refusal is None}
    if verdict.refusal is not None:
        response["status"] = {"code": 400, "reason": "BadRequest", "message": verdict.refusal}
    elif verdict.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(_compact(verdict.patch)).decode()
    if verdict.warnings:
        response["warnings"] = [_cut(warning) for warning in verdict.warnings]
    return _compact({"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response})


def _compact(document: Json | Iterable[Json]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _cut(warning: str) -> str:
    return warning if len(warning) <= _WARNING_LENGTH else warning[: _WARNING_LENGTH - 1] + "…"
