"""Konductor's own objects: what their schemas cannot say, and what a change does that its author may not expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from konductor_core.durations import MIN_KEPT_TTL, to_text
from konductor_core.errors import InvalidInput, quoted
from konductor_core.identity import API_VERSION, Kind
from konductor_core.models import SPECS, BarrierSpec, SemaphoreSpec
from webhook.shapes import mapping

if TYPE_CHECKING:
    from konductor_core.models import Spec
    from webhook.shapes import Json

__all__ = ["judge"]


def judge(kind: str, document: Json, old: Json) -> tuple[str, ...]:
    """Return the warnings about an object that is being stored; raise `InvalidInput` if it makes no sense."""
    if kind not in SPECS:
        raise InvalidInput(f"kind {quoted(kind)} is not one that this version of Konductor has in {API_VERSION}")
    if old and old.get("spec") == document.get("spec"):
        return ()
    spec = SPECS[Kind(kind)].from_dict(document.get("spec"))
    before = _former(kind, old)
    phase = mapping(old, "status").get("phase")
    found: list[str] = []
    match spec:
        case SemaphoreSpec():
            found += _semaphore(spec, before if isinstance(before, SemaphoreSpec) else None)
        case BarrierSpec() if isinstance(before, BarrierSpec):
            found += _barrier(spec, before, phase)
    return tuple(f"konductor: {each}" for each in found)


def _former(kind: str, old: Json) -> Spec | None:
    """Return the former spec, or None if there is none, or none that makes sense."""
    try:
        return SPECS[Kind(kind)].from_dict(old.get("spec")) if old else None
    except InvalidInput:
        return None


def _semaphore(spec: SemaphoreSpec, before: SemaphoreSpec | None) -> list[str]:
    found = []
    shrunk = before is not None and 0 < spec.ttl_ms < (before.ttl_ms or spec.ttl_ms + 1)
    if before is not None and shrunk:
        found.append(
            f"ttl shrinks to {to_text(spec.ttl_ms)}: leases keep the end they have, and who renews less often than "
            "that will lose them"
        )
    if 0 < spec.ttl_ms < MIN_KEPT_TTL and (before is None or shrunk):
        found.append(
            f"ttl {to_text(spec.ttl_ms)} is shorter than the {to_text(MIN_KEPT_TTL)} that pods with annotations need"
        )
    if spec.permits == 0 and (before is None or before.permits):
        found.append("no permits: requests queue until there are some")
    elif before is not None and spec.permits < before.permits:
        found.append("permits shrink: what is held beyond them stays held until it is given back")
    return found


def _barrier(spec: BarrierSpec, before: BarrierSpec, phase: object) -> list[str]:
    if spec.cyclic != before.cyclic:
        return ["cyclic changes: the barrier starts anew, and forgets who has arrived"]
    if phase in {"Open", "Failed"} and not spec.cyclic and spec != before:
        return [f"the barrier is {phase} already, which no change takes back: delete and make it anew to start again"]
    return []
