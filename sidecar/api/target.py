"""What the verbs of all kinds have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from konductor_core.durations import MINUTE
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from konductor_core.aio import AsyncKonductor
    from sidecar.api.body import Body

__all__ = ["LONGEST_WAIT_MS", "Document", "Verb", "head", "status"]

LONGEST_WAIT_MS: Final = 5 * MINUTE
"""How long one request may wait: ask again after that."""

Document = dict[str, Any]
Verb = Callable[[Kind, str, "Body"], Awaitable[Document]]
"""What a path does with an object, named by kind and name."""


def head(k: AsyncKonductor, kind: Kind, name: str) -> Document:
    """Return how every reply about an object begins."""
    return {"kind": str(kind), "name": name, "namespace": k.namespace}


async def status(k: AsyncKonductor, kind: Kind, name: str, body: Body) -> Document:
    """Return the object's status, as `koncli KIND status NAME -o json` prints it."""
    body.done()
    document: Document = (await getattr(k, kind.key)(name).status()).to_dict()
    return document
