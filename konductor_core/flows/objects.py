"""Define, read, reset and delete objects: what all kinds have in common, over each kind's scripts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from konductor_core import keys as layout
from konductor_core.amounts import LEASED
from konductor_core.codes import Code
from konductor_core.errors import Owned
from konductor_core.flows.absence import absent
from konductor_core.flows.steps import Call, Command, Flow
from konductor_core.identity import Kind, new_request_id
from konductor_core.models import BarrierSpec, Event, GateSpec, LockSpec, SemaphoreSpec
from konductor_core.scripts import SCRIPTS, Script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.keys import ObjectKeys
    from konductor_core.models import Spec

__all__ = ["Defined", "arguments", "compact", "define", "delete", "events", "list_objects", "reset"]

_MECHANISM: Final = {
    **dict.fromkeys((*LEASED, Kind.ONCE), "permit"),
    Kind.BARRIER: "barrier",
    Kind.WAITGROUP: "waitgroup",
    Kind.GATE: "gate",
}


@dataclass(frozen=True, slots=True)
class Defined:
    """What defining an object did, and the epoch it is in."""

    action: Literal["created", "updated", "unchanged"]
    epoch: str
    owner: str


def _script(kind: Kind, verb: str) -> Script:
    own = f"{_MECHANISM[kind]}_{verb}"
    return SCRIPTS[own if own in SCRIPTS else f"latch_{verb}"]


def _keys(kind: Kind, keys: ObjectKeys) -> tuple[str, ...]:
    return keys.permits if _MECHANISM[kind] == "permit" else keys.latch


def arguments(spec: Spec) -> tuple[str | int, ...]:
    """Return a spec as the scripts take it."""
    match spec:
        case SemaphoreSpec() | LockSpec():
            return (spec.permits, spec.ttl_ms, spec.policy, spec.max_bypass_ms)
        case BarrierSpec():
            return (spec.expected, spec.quorum or 0, spec.timeout_ms or 0, int(spec.cyclic))
        case GateSpec():
            conditions = compact([each.to_dict() for each in spec.conditions])
            return (conditions, len(spec.conditions), spec.timeout_ms or 0)
        case _:
            return ()


def compact(value: object) -> str:
    """Return JSON as Redis keeps it: the same text for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def define(keys: ObjectKeys, spec: Spec, labels: Mapping[str, str] | None, owner: str) -> Flow[Defined]:
    """Create the object or bring it to this spec. Raises `Owned` if a custom resource owns it and it would change."""
    head = (owner, compact(dict(labels or {})))
    answer = yield Call(_script(spec.kind, "define"), _keys(spec.kind, keys), (*head, *arguments(spec)))
    code, _, epoch, current = answer.reply
    if code == Code.OWNED:
        raise _owned(keys, "change")
    return Defined(cast("Any", str(code)), epoch, current)


def _owned(keys: ObjectKeys, verb: str) -> Owned:
    kind, name = keys.id.split("/")
    command = "edit" if verb == "change" else verb
    return Owned(
        f"{keys.id} belongs to a custom resource of the cluster",
        hint=f"{verb} it there: kubectl -n {keys.namespace} {command} {Kind.parse(kind).plural}.konductor.io {name}",
    )


def delete(kind: Kind, keys: ObjectKeys, owner: str) -> Flow[bool]:
    """Delete the object; False if there was none. Raises `Owned` if a custom resource owns it."""
    answer = yield Call(_script(kind, "delete"), _keys(kind, keys), (new_request_id(), owner))
    if answer.reply[0] == Code.OWNED:
        raise _owned(keys, "delete")
    return bool(answer.reply[0] == Code.DELETED)


def reset(kind: Kind, keys: ObjectKeys) -> Flow[str]:
    """Start a new epoch and return it. Raises `NotFound`."""
    answer = yield Call(_script(kind, "reset"), _keys(kind, keys), (new_request_id(),))
    if answer.reply[0] == Code.ABSENT:
        raise absent(keys)
    return str(answer.reply[2])


def list_objects(namespace: str, kind: Kind | None) -> Flow[list[tuple[Kind, str]]]:
    """Return kind and name of every object of the namespace, sorted."""
    members = yield Command(("SMEMBERS", layout.index(namespace)))
    found = []
    for member in members:
        key, _, name = member.partition("/")
        if kind is None or key == kind.key:
            found.append((Kind.parse(key), name))
    return sorted(found)


def events(keys: ObjectKeys, limit: int, since_id: str | None) -> Flow[list[Event]]:
    """Return the newest `limit` events in order of time, or the first `limit` after `since_id`."""
    if since_id is None:
        rows = yield Command(("XREVRANGE", keys.events, "+", "-", "COUNT", limit))
        rows = rows[::-1]
    else:
        rows = yield Command(("XRANGE", keys.events, f"({since_id}", "+", "COUNT", limit))
    return [_event(row[0], _pairs(row[1])) for row in rows]


def _event(entry: str, fields: dict[str, str]) -> Event:
    return Event(
        at_ms=int(entry.partition("-")[0]),
        id=entry,
        type=fields["type"],
        holder=fields.get("holder") or None,
        token=int(fields["token"]) if fields.get("token") else None,
        permits=int(fields["permits"]) if fields.get("permits") else None,
        detail=fields.get("detail") or None,
    )


def _pairs(flat: Any) -> dict[str, str]:  # noqa: ANN401 - a reply
    if isinstance(flat, dict):
        return flat
    return dict(zip(flat[::2], flat[1::2], strict=True))
