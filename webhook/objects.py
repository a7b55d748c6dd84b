"""Konductor's own objects: what their schemas cannot say, and what a change does that its author may not expect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from konductor_core.durations import MIN_KEPT_TTL, to_text
from konductor_core.errors import InvalidInput, quoted
from konductor_core.identity import API_VERSION, Kind
from konductor_core.models import SPECS, BarrierSpec, GateSpec, SemaphoreSpec
from konductor_core.models.permits import LockSpec
from konductor_core.rings import Place, Walk
from webhook.shapes import mapping

if TYPE_CHECKING:
    from konductor_core.models import Spec
    from webhook.shapes import Json

__all__ = ["judge", "referred", "refuse_ring", "walk_from"]

LEASED: Final = (SemaphoreSpec, LockSpec)
"""The specs that have a TTL."""


def judge(kind: str, document: Json, old: Json) -> tuple[str, ...]:
    """Return the warnings about an object that is being stored; raise `InvalidInput` if it makes no sense."""
    if kind not in SPECS:
        raise InvalidInput(f"kind {quoted(kind)} is not one that this version of Konductor has in {API_VERSION}")
    if old and old.get("spec") == document.get("spec"):
        return ()
    spec = SPECS[Kind(kind)].from_dict(document.get("spec"))
    before = _former(kind, old)
    found: list[str] = []
    if isinstance(spec, LEASED):
        found += _ttl(spec.ttl_ms, before.ttl_ms if isinstance(before, LEASED) else None)
    if isinstance(spec, SemaphoreSpec):
        found += _permits(spec.permits, before.permits if isinstance(before, SemaphoreSpec) else None)
    if isinstance(spec, GateSpec):
        found += _gate(spec, before if isinstance(before, GateSpec) else None, mapping(old, "status").get("verdict"))
    if isinstance(spec, BarrierSpec) and isinstance(before, BarrierSpec):
        found += _barrier(spec, before, mapping(old, "status").get("phase"))
    return tuple(f"konductor: {each}" for each in found)


def walk_from(document: Json, namespace: str) -> Walk:
    """Return the first step of the walk from a gate along the gates that it waits for."""
    name = mapping(document, "metadata").get("name")
    return Walk(Place(namespace, str(name or "")), referred(document, namespace))


def referred(document: Json, namespace: str) -> list[Place]:
    """Return the gates that a gate of this namespace waits for. What makes no sense refers to nothing."""
    conditions = mapping(document, "spec").get("conditions")
    return [
        Place(str(each.get("namespace") or namespace), str(each.get("name")))
        for each in (conditions if isinstance(conditions, list) else [])
        if isinstance(each, Mapping) and each.get("type") == Kind.GATE
    ]


def refuse_ring(walk: Walk) -> None:
    """Raise `InvalidInput` if the walk has come back to where it began."""
    if walk.ring:
        raise InvalidInput(f"{walk.describe()}: none of them could open; take out one of these conditions")


def _former(kind: str, old: Json) -> Spec | None:
    """Return the former spec, or None if there is none, or none that makes sense."""
    try:
        return SPECS[Kind(kind)].from_dict(old.get("spec")) if old else None
    except InvalidInput:
        return None


def _ttl(ttl_ms: int, before_ms: int | None) -> list[str]:
    """Say what a TTL does to those who hold, and who rely on it; a TTL of 0 never ends."""
    if ttl_ms == 0 or (before_ms is not None and 0 < before_ms <= ttl_ms):
        return []
    found = []
    if before_ms is not None:
        found.append(
            f"ttl shrinks to {to_text(ttl_ms)}: leases keep the end they have, and who renews less often than "
            "that will lose them"
        )
    if ttl_ms < MIN_KEPT_TTL:
        found.append(
            f"ttl {to_text(ttl_ms)} is shorter than the {to_text(MIN_KEPT_TTL)} that pods with annotations need"
        )
    return found


def _permits(permits: int, before: int | None) -> list[str]:
    if permits == 0 and before != 0:
        return ["no permits: requests queue until there are some"]
    if before is not None and permits < before:
        return ["permits shrink: what is held beyond them stays held until it is given back"]
    return []


def _barrier(spec: BarrierSpec, before: BarrierSpec, phase: object) -> list[str]:
    if spec.cyclic != before.cyclic:
        return ["cyclic changes: the barrier starts anew, and forgets who has arrived"]
    if phase in {"Open", "Failed"} and not spec.cyclic and spec != before:
        return [f"the barrier is {phase} already, which no change takes back: koncli barrier reset starts it again"]
    return []


def _gate(spec: GateSpec, before: GateSpec | None, verdict: object) -> list[str]:
    if not spec.conditions and (before is None or before.conditions):
        return ["no conditions: only a hand opens the gate, with koncli gate open"]
    if before is not None and verdict in {"Open", "Failed"} and spec != before:
        return [f"the gate is {verdict} already, which no change takes back: koncli gate reset starts it again"]
    return []
