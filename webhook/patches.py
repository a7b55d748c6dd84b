"""The difference between two JSON objects, as a JSON Patch (RFC 6902)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.shapes import Json

__all__ = ["difference"]


def difference(before: Json, after: Json, path: str = "") -> Iterator[dict[str, Any]]:
    """Yield the operations that turn `before` into `after`; a list of which more than the end differs is replaced."""
    for key in before:
        if key not in after:
            yield {"op": "remove", "path": f"{path}/{_escaped(key)}"}
    for key, value in after.items():
        place = f"{path}/{_escaped(key)}"
        if key not in before:
            yield {"op": "add", "path": place, "value": value}
        else:
            yield from _changes(before[key], value, place)


def _changes(old: Any, new: Any, place: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    if old is new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from difference(old, new, place)
    elif isinstance(old, list) and isinstance(new, list) and _grown(old, new):
        for index, (former, present) in enumerate(zip(old, new, strict=False)):
            yield from _changes(former, present, f"{place}/{index}")
        yield from ({"op": "add", "path": f"{place}/-", "value": value} for value in new[len(old) :])
    elif old != new:
        yield {"op": "replace", "path": place, "value": new}


def _grown(old: list[Any], new: list[Any]) -> bool:
    """Tell whether `new` has all of `old` in its place, changed perhaps, and more after it."""
    return len(old) <= len(new) and all(
        former is present or (isinstance(former, Mapping) and isinstance(present, Mapping) and _same(former, present))
        for former, present in zip(old, new, strict=False)
    )


def _same(former: Json, present: Json) -> bool:
    return former.get("name") is not None and former.get("name") == present.get("name")


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
