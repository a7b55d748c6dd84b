"""Read objects of any kind: a consistent snapshot of each, as the status model of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from konductor_core.amounts import LEASED
from konductor_core.flows.latch_snapshots import read_barrier, read_gate, read_waitgroup
from konductor_core.flows.permit_snapshots import read_permits
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core.flows.steps import Flow
    from konductor_core.keys import ObjectKeys

__all__ = ["READERS", "glance"]

READERS: Final[dict[Kind, Callable[..., Flow[Any]]]] = {
    **dict.fromkeys((*LEASED, Kind.ONCE), read_permits),
    Kind.BARRIER: read_barrier,
    Kind.WAITGROUP: read_waitgroup,
    Kind.GATE: read_gate,
}
"""How a snapshot of each kind is read: by its keys, and up to how many `waiters`."""


def glance(keys: ObjectKeys) -> Flow[Any]:
    """Return a snapshot with hardly any of its lists: who asks how an object stands does not ask who is there."""
    lists = {Kind.BARRIER: (0, 0), Kind.WAITGROUP: (0, 0), Kind.GATE: (0,)}
    return READERS[keys.kind](keys, *lists.get(keys.kind, (1, 0)))
