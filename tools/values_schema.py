"""deploy/chart/values.yaml as a JSON schema: names and types from its values, descriptions from its comments.

What the defaults cannot say, such as the choices of a word, is in `_MORE`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import yaml

from konductor_core.durations import DURATION_PATTERN

__all__ = ["comments", "values_schema"]

_KEY: Final = re.compile(r"^( *)([A-Za-z]\w*):")
_COMMENT: Final = re.compile(r"^ *# ?(.*)$")
_TYPES: Final = {bool: "boolean", int: "integer", str: "string"}
_PULL: Final = {"enum": ["Always", "IfNotPresent", "Never"]}
_PORT: Final = {"type": "integer", "minimum": 1, "maximum": 65535}
_TEXT: Final = {"type": "string"}
_LABELS: Final = {"type": "object", "properties": {}, "additionalProperties": _TEXT}
_OBJECTS: Final = {"type": "array", "items": {"type": "object"}}
_FREE: Final = {"type": "object", "properties": {}, "additionalProperties": True}

_MORE: Final[dict[str, dict[str, Any]]] = {
    "affinity": _FREE,
    "apiServerPorts": {"items": _PORT},
    "extraEnv": _OBJECTS,
    "externalRedis.ports": {"items": _PORT},
    "image.full": {"minLength": 1},
    "image.slim": {"minLength": 1},
    "configurationAnnotations": _LABELS,
    "imagePullPolicy": _PULL,
    "labels": _LABELS,
    "linger": {"pattern": DURATION_PATTERN},
    "logFormat": {"enum": ["text", "json"]},
    "logLevel": {"enum": ["debug", "info", "warning", "error"]},
    "metricsObjects": {"minimum": 0, "maximum": 100_000},
    "maxmemory": {"pattern": "^[0-9]+([kmg]b?)?$"},
    "metricsFrom": _OBJECTS,
    "minReplicas": {"minimum": 0, "maximum": 100},
    "nodeSelector": _LABELS,
    "podAnnotations": _LABELS,
    "podLabels": _LABELS,
    "priorityClass.value": {"minimum": -2147483648, "maximum": 1000000000},
    "pullPolicy": _PULL,
    "pullSecrets": {"items": _TEXT},
    "webhook.sidecar.resources": {"minLength": 1},
    "webhook.sidecar.user": {"pattern": "^(none|[1-9][0-9]*)$"},
    "redis.passwordSecret": {"minLength": 1},
    "redisFrom": _OBJECTS,
    "replicas": {"minimum": 1},
    "resources": _FREE,
    "resync": {"pattern": DURATION_PATTERN},
    "tenancy": {"enum": ["isolated", "shared"]},
    "tolerations": _OBJECTS,
    "userId": {"minimum": 1},
    "workers": {"minimum": 1, "maximum": 64},
}
"""By the path of a value, or by its last name wherever that stands."""


def values_schema(text: str) -> str:
    """Return the schema of the values file `text`, as JSON."""
    described = comments(text)
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", **_schema(yaml.safe_load(text), "", described)}
    schema["properties"]["global"] = {
        "type": "object",
        "description": "What Helm gives to charts that stand in others.",
    }
    return json.dumps(schema, indent=2) + "\n"


def comments(text: str) -> dict[str, str]:
    """Return path -> the comment above it, for every key that stands on a line of its own."""
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    above: list[str] = []
    for line in text.splitlines():
        if comment := _COMMENT.match(line):
            above.append(comment[1])
            continue
        if key := _KEY.match(line):
            path = [step for step in path if step[0] < len(key[1])] + [(len(key[1]), key[2])]
            found[".".join(name for _, name in path)] = " ".join(above)
        above = []
    return found


def _schema(value: Any, path: str, described: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401 - any value of YAML
    more = _MORE.get(path) or _MORE.get(path.rpartition(".")[2], {})
    schema: dict[str, Any] = {"description": described[path]} if described.get(path) else {}
    if isinstance(value, dict):
        properties = {name: _schema(each, f"{path}.{name}".strip("."), described) for name, each in value.items()}
        schema |= {"type": "object", "properties": properties, "additionalProperties": False}
    elif isinstance(value, list):
        schema |= {"type": "array"}
    else:
        schema |= {"type": _TYPES[type(value)]}
    return schema | more
