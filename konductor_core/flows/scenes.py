"""Read what explains a wait: every object of a namespace, and who waits for objects that do not exist."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from konductor_core import keys as layout
from konductor_core.errors import NotFound
from konductor_core.flows.listeners import listeners_of
from konductor_core.flows.objects import list_objects
from konductor_core.flows.permit_snapshots import waiter_of
from konductor_core.flows.reader import Reader
from konductor_core.flows.snapshots import READERS
from konductor_core.flows.steps import Call, Flow
from konductor_core.identity import Kind
from konductor_core.keys import ObjectKeys
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from konductor_core.models import Listener, Status, Waiter

__all__ = ["Awaited", "Ref", "Scene", "read_awaited", "read_scene"]

Ref: TypeAlias = tuple[Kind, str]
"""An object by kind and name."""

OBJECTS_READ: Final = 2_000
"""How many objects are read at most; more are told of by their number."""

WAITERS_READ: Final = 1_000
"""How many waiters of each object."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """Who waits for objects that do not exist: in queues, as they will be served, and for a latch to open."""

    now_ms: int = 0
    waiters: dict[Ref, tuple[Waiter, ...]] = field(default_factory=dict)
    listeners: dict[Ref, tuple[Listener, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scene:
    """A namespace as it was within a moment: snapshots, each consistent, and `unread` objects beyond the limit."""

    namespace: str
    statuses: tuple[Status, ...]
    awaited: Awaited = Awaited()
    unread: int = 0


def read_scene(namespace: str, first: Ref | None = None) -> Flow[Scene]:
    """Return what is in a namespace, `first` among it in any case. Raises `Unavailable`."""
    found = yield from list_objects(namespace, None)
    refs = sorted(found, key=lambda ref: ref != first)
    statuses = []
    for kind, name in refs[:OBJECTS_READ]:
        try:
            statuses.append((yield from READERS[kind](ObjectKeys(namespace, kind, name), waiters=WAITERS_READ)))
        except NotFound:
            continue  # deleted since it was listed
    awaited = yield from read_awaited(namespace)
    return Scene(namespace, tuple(statuses), awaited, max(0, len(refs) - OBJECTS_READ))


def read_awaited(namespace: str) -> Flow[Awaited]:
    """Return who waits for objects that do not exist. Raises `Unavailable`."""
    keys = (layout.dirty(namespace), layout.awaited(namespace))
    answer = yield Call(SCRIPTS["awaited_read"], keys, (OBJECTS_READ, WAITERS_READ))
    reader = Reader(answer.reply)
    now_ms = int(reader.take(3)[2])
    queues: dict[Ref, list[list[Any]]] = {}
    for object_id, *row in reader.rows(7):
        queues.setdefault(_ref(object_id), []).append(row)
    listeners = {}
    for _ in range(int(reader.take(1)[0])):
        ref = _ref(reader.take(1)[0])
        listeners[ref] = listeners_of(reader.rows(2))
    waiters = {
        ref: tuple(waiter_of(place, row, is_rw=ref[0] is Kind.RWMUTEX) for place, row in enumerate(rows, 1))
        for ref, rows in queues.items()
    }
    return Awaited(now_ms, waiters, {ref: found for ref, found in listeners.items() if found})


def _ref(object_id: str) -> Ref:
    key, _, name = object_id.partition("/")
    return Kind.parse(key), name
