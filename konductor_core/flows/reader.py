"""Takes the flat reply of a read script apart, as far as that is the same for all kinds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from konductor_core.codes import Code
from konductor_core.errors import KonductorError
from konductor_core.flows.absence import absent

if TYPE_CHECKING:
    from konductor_core.keys import ObjectKeys

__all__ = ["Reader", "counters_of", "opening"]


class Reader:
    """Takes a flat reply apart, section by section."""

    def __init__(self, reply: list[Any]) -> None:
        self._reply = reply
        self._at = 0

    def take(self, n: int) -> list[Any]:
        """Return the next items."""
        self._at += n
        return self._reply[self._at - n : self._at]

    def rows(self, width: int) -> list[list[Any]]:
        """Return the rows of a section, which begins with their number."""
        return [self.take(width) for _ in range(int(self.take(1)[0]))]


def opening(
    answer_reply: list[Any], keys: ObjectKeys, head: int
) -> tuple[Reader, list[Any], dict[str, Any], dict[str, str]]:
    """Return the reader after the hash, the head's items, the status fields that all kinds share, and the hash.

    Raises `NotFound`.
    """
    if answer_reply[0] == Code.ABSENT:
        raise absent(keys)
    reader = Reader(answer_reply)
    first = reader.take(head)
    meta = dict(reader.rows(2))
    shared = {
        "namespace": keys.namespace,
        "name": keys.name,
        "epoch": meta["epoch"],
        "owner": meta["owner"],
        "labels": _labels(meta.get("labels", "{}"), keys),
        "created_ms": int(meta["created"]),
        "now_ms": int(first[2]),
        "next_change_ms": int(first[1]),
    }
    return reader, first, shared, meta


def _labels(text: str, keys: ObjectKeys) -> dict[str, str]:
    try:
        labels = json.loads(text)
    except ValueError:
        raise KonductorError(f"{keys.id} has labels in Redis that are not JSON: {text[:60]}") from None
    return {str(name): str(value) for name, value in labels.items()}


def counters_of(meta: dict[str, str], names: dict[str, str]) -> dict[str, int]:
    """Return an object's counters by the names that its status has for them."""
    return {name: int(meta.get(field) or 0) for field, name in names.items()}
