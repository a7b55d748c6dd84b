"""Reading documents that anyone may have sent: each part has the shape it should have, or is refused by its path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from konductor_core.errors import InvalidInput, quoted

__all__ = ["Json", "items", "mapping", "named", "text", "words"]

Json = Mapping[str, Any]
"""A JSON object, read and never written: what is changed is made anew, and the rest is shared."""


def mapping(parent: Json, key: str, path: str = "") -> Json:
    """Return the object at `key`, empty if absent; `path` is the parent's place, for the message of `InvalidInput`."""
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{path}{key} {_shown(value)} is not a mapping: write its fields below it")
    return value


def items(parent: Json, key: str, path: str = "") -> list[Json]:
    """Return the list of objects at `key`, empty if absent; raise `InvalidInput` if it is anything else."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise InvalidInput(f"{path}{key} {_shown(value)} is not a list of mappings: begin each of them with a dash")
    return value


def text(parent: Json, key: str, path: str = "") -> str:
    """Return the text at `key`, empty if absent; raise `InvalidInput` if it is anything else."""
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"{path}{key} {_shown(value)} is not text: put it in quotes")
    return value


def words(parent: Json, key: str, path: str = "") -> list[str]:
    """Return the list of texts at `key`, empty if absent; raise `InvalidInput` if it is anything else."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidInput(f"{path}{key} {_shown(value)} is not a list of texts: put them in quotes")
    return value


def named(parent: Json, key: str, path: str = "", by: str = "name") -> list[Json]:
    """Return the list of objects at `key`, each with a text as `by`; raise `InvalidInput` if it is anything else."""
    found = items(parent, key, path)
    for item in found:
        if not isinstance(item.get(by), str):
            raise InvalidInput(f"{path}{key} has an entry without a {by}: give it one")
    return found


def _shown(value: object) -> str:
    """Return a wrong value as a message shows it; what is large or nested by its type only."""
    return quoted(value) if isinstance(value, (str, int, float)) else f"({type(value).__name__})"
