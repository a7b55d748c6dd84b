"""The difference between two JSON objects, as a JSON Patch (RFC 6902)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.shapes import Json

__all__ = ["difference"]


def difference(before: Json, after: Json, path: str = "") -> Iterator[dict[str, Any]]:
    """Yield the operations that turn `before` into `after`; a list that differs is replaced as a whole."""
    for key in before:
        if key not in after:
            yield {"op": "remove", "path": f"{path}/{_escaped(key)}"}
    for key, value in after.items():
        place = f"{path}/{_escaped(key)}"
        if key not in before:
            yield {"op": "add", "path": place, "value": value}
            continue
        old = before[key]
        if old is value:
            continue
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            yield from difference(old, value, place)
        elif old != value:
            yield {"op": "replace", "path": place, "value": value}


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
