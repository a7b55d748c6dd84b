"""Models to CustomResourceDefinitions: structural OpenAPI v3 schemas, columns and rules. Pure.

What the schema can say, the API server refuses at once; what only Redis knows ends in the condition `Ready`.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from konductor_core.durations import MAX_MS, to_text
from konductor_core.identity import GROUP, LABEL_MAX, LABEL_PATTERN, NAME_MAX, NAME_PATTERN, VERSION, Kind
from konductor_core.models.base import Column, json_name, shape_of
from konductor_core.models.lease import LeasePhase
from konductor_core.models.mutex import MutexPhase
from konductor_core.models.once import OncePhase
from konductor_core.models.registry import SPECS, STATUSES
from konductor_core.models.rwmutex import RWMutexPhase
from konductor_core.models.semaphore import SemaphorePhase

if TYPE_CHECKING:
    from dataclasses import Field

    from konductor_core.models.base import Checked, Model, Shape, Spec
    from konductor_core.models.objects import Status

__all__ = ["LEFT_OUT", "crd", "crds"]

LEFT_OUT: Final = frozenset({"name", "namespace", "labels", "owner", "observedAt", "evaluatedAt", "askedAt"})
"""Of a status model's JSON: what a custom resource has in its metadata, or what changes by itself."""

DURATION_LENGTH: Final = 32
TEXT_LENGTH: Final = 1_024
_BOUNDS: Final = frozenset({"minimum", "maximum", "pattern", "maxLength", "maxItems"})


def crds() -> dict[Kind, dict[str, Any]]:
    """Return the definition of every kind that exists."""
    return {kind: crd(kind) for kind in SPECS}


def crd(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of `kind`."""
    spec, status = SPECS[kind], STATUSES[kind]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "konductor"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.value,
                "listKind": f"{kind.value}List",
                "plural": kind.plural,
                "singular": kind.key,
                # The API server takes no short name that repeats the singular: `once` is its own.
                "shortNames": [kind.short] if kind.short != kind.key else [],
                "categories": ["konductor"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(each) for each in (*status.columns, _AGE)],
                    "schema": {"openAPIV3Schema": _schema(spec, status)},
                }
            ],
        },
    }


_AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")


def _column(column: Column) -> dict[str, str]:
    return {"name": column.title, "type": column.type, "jsonPath": column.path}


def _schema(spec: type[Spec], status: type[Status]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": spec.about,
        **({"required": ["spec"]} if "required" in _spec(spec) else {}),
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _spec(spec),
            "status": _status(status),
        },
    }


def _spec(spec: type[Spec]) -> dict[str, Any]:
    return {"type": "object", "description": "What is asked for.", **_checked(spec)}


def _checked(spec: type[Checked]) -> dict[str, Any]:
    properties = {json_name(each): _with_default(each, _property(shape_of(each))) for each in fields(spec)}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    required = [json_name(each) for each in fields(spec) if each.default is MISSING]
    if required:
        schema["required"] = required
    rules = [{"rule": rule.expression, "message": rule.message} for rule in spec.rules]
    rules += [rule for each in fields(spec) if shape_of(each).form == "duration" for rule in _duration_rules(each)]
    if rules:
        schema["x-kubernetes-validations"] = rules
    return schema


def _with_default(each: Field[Any], schema: dict[str, Any]) -> dict[str, Any]:
    if each.default is MISSING or each.default in (None, ()):
        return schema
    return schema | {"default": to_text(each.default) if shape_of(each).form == "duration" else each.default}


def _duration_rules(each: Field[Any]) -> list[dict[str, str]]:
    """Say in words what a duration is, which to the schema is text, and bound it."""
    name, shape = json_name(each), shape_of(each)
    valid = f"self.{name}.matches(r'{shape.pattern}')"
    least = to_text(shape.minimum or 0)
    bounds = f"duration(self.{name}) >= duration('{least}') && duration(self.{name}) <= duration('{to_text(MAX_MS)}')"
    most = f"{name} must be at most ten years (87600h)"
    return [
        {"rule": f"!has(self.{name}) || {valid}", "message": f"{name} must be a duration like 30s, 1h30m or 500ms"},
        {
            "rule": f"!has(self.{name}) || !{valid} || ({bounds})",
            "message": most if least == "0s" else f"{name} must be at least {least}, or left out for none; {most}",
        },
    ]


def _status(status: type[Status]) -> dict[str, Any]:
    properties = {name: schema for name, schema in _properties(status).items() if name not in LEFT_OUT}
    properties |= {
        **_DERIVED.get(status.kind, {}),
        "observedGeneration": {
            "type": "integer",
            "format": "int64",
            "description": "The generation of the spec that this status is about.",
        },
        "observedEvent": {
            "type": "string",
            "description": "The last entry of the object's history that was reported as an Event, where needed.",
        },
        "conditions": _CONDITIONS,
    }
    return {"type": "object", "description": "How things stand, as the controller saw last.", "properties": properties}


def _properties(model: type[Model]) -> dict[str, Any]:
    """Return the schema of every field that the model's JSON shows; a nested spec's fields are its own.

    Without bounds: what is true must not be refused.
    """
    properties: dict[str, Any] = {}
    for each in fields(model):
        shape = shape_of(each)
        if shape.form == "spec":
            spec = SPECS[model.kind]  # type: ignore[attr-defined]  # only a status has one
            properties |= {json_name(part): _unbounded(_property(shape_of(part))) for part in fields(spec)}
        elif shape.form != "internal":
            properties[json_name(each)] = _unbounded(_property(shape))
    return properties


def _unbounded(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name not in _BOUNDS}


def _property(shape: Shape) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": shape.description}
    match shape.form:
        case "integer":
            schema |= _PLAIN["integer"]
            if shape.minimum is not None:
                schema["minimum"] = shape.minimum
            if shape.maximum is not None:
                schema["maximum"] = shape.maximum
        case "duration":
            schema |= {"type": "string", "pattern": shape.pattern, "maxLength": DURATION_LENGTH}
        case "choice":
            schema |= {"type": "string", "enum": list(shape.choices)}
        case "list":
            assert shape.of is not None  # noqa: S101 - every list names its model
            schema |= {"type": "array", "items": {"type": "object", "properties": _properties(shape.of)}}
        case "parts":
            part = _checked(cast("type[Checked]", shape.of))
            schema |= {"type": "array", "maxItems": shape.maximum, "x-kubernetes-list-type": "atomic", "items": part}
        case _:
            schema |= _PLAIN.get(shape.form, {"type": "string", "maxLength": TEXT_LENGTH})
    return schema


_PLAIN: Final[dict[str, dict[str, Any]]] = {
    "integer": {"type": "integer", "format": "int64"},
    "boolean": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
    "name": {"type": "string", "pattern": f"^{NAME_PATTERN}$", "maxLength": NAME_MAX},
    "namespace": {"type": "string", "pattern": f"^{LABEL_PATTERN}$", "maxLength": LABEL_MAX},
    "map": {"type": "object", "additionalProperties": {"type": "integer", "format": "int64"}},
}
"""The forms that are the same wherever they occur."""

_CONDITIONS: Final[dict[str, Any]] = {
    "type": "array",
    "description": "What holds of the object, for kubectl wait --for=condition=...",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    "items": {
        "type": "object",
        "required": ["type", "status", "reason", "lastTransitionTime"],
        "properties": {
            "type": {"type": "string", "description": "Which condition."},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it holds."},
            "reason": {"type": "string", "description": "Why, in one word."},
            "message": {"type": "string", "description": "Why, in a sentence."},
            "lastTransitionTime": {"type": "string", "format": "date-time", "description": "Since when."},
            "observedGeneration": {"type": "integer", "format": "int64", "description": "Of which generation."},
        },
    },
}


def _phase(phases: object, description: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(get_args(phases)), "description": description}


def _shown(form: str, description: str) -> dict[str, Any]:
    return {"type": form, **({"format": "int64"} if form == "integer" else {}), "description": description}


_HELD: Final[dict[str, Any]] = {
    "holder": _shown("string", "Who holds it; absent if nobody does."),
    "token": _shown("integer", "The fencing token of that grant."),
}

_DERIVED: Final[dict[Kind, dict[str, Any]]] = {
    Kind.BARRIER: {"progress": _shown("string", "Arrived of expected, as people read it: 3/5.")},
    Kind.SEMAPHORE: {
        "phase": _phase(SemaphorePhase, "Paused without permits, Full when all are in use, else Ready."),
        "available": _shown("integer", "How many permits are free."),
    },
    Kind.LEASE: {
        "phase": _phase(LeasePhase, "Held while somebody holds it."),
        **_HELD,
        "expires": {
            "type": "string",
            "format": "date-time",
            "description": "Until when at least, unless released; absent if for ever.",
        },
    },
    Kind.MUTEX: {"phase": _phase(MutexPhase, "Locked while somebody holds it."), **_HELD},
    Kind.RWMUTEX: {
        "phase": _phase(RWMutexPhase, "WriteLocked with a writer, ReadLocked with readers."),
        "writer": _shown("string", "Who writes; absent if nobody does."),
        "readers": _shown("integer", "How many read."),
    },
    Kind.GATE: {"progress": _shown("string", "How many conditions hold, as people read it: 2/3.")},
    Kind.ONCE: {
        "phase": _phase(OncePhase, "Done for good, Running while somebody has the lease to run it, else Pending."),
        "executor": _shown("string", "Who runs it, or has done it; absent if nobody does."),
    },
}
"""What a status shows beside its model's fields."""
