"""What to say of an object that does not exist: where it was looked for, and how to create it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from konductor_core.errors import NotFound

if TYPE_CHECKING:
    from konductor_core.keys import ObjectKeys

__all__ = ["absent"]

_CREATE: Final = {"barrier": " --expected N", "semaphore": " --permits N", "gate": " --condition TYPE/NAME"}


def absent(keys: ObjectKeys) -> NotFound:
    """Return the error for an object that does not exist."""
    kind, _, name = keys.id.partition("/")
    return NotFound(
        f"{keys.id} does not exist in namespace {keys.namespace}",
        hint=f"create it: koncli {kind} create {name}{_CREATE.get(kind, '')}",
    )
