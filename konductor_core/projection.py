"""Snapshots to the statuses of custom resources, and the smallest patch from one status to another. Pure.

A status never holds what changes by itself, such as the time of the snapshot: an object at rest is never patched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from konductor_core.durations import rfc3339
from konductor_core.models.barrier import BarrierStatus
from konductor_core.models.semaphore import SemaphoreStatus
from konductor_core.schema import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.models.objects import Status

__all__ = ["Condition", "degraded", "project", "status_patch"]


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether something holds of an object: `type` is its name, `reason` one word, `message` a sentence."""

    type: str
    holds: bool
    reason: str
    message: str


def project(status: Status, before: Mapping[str, Any], generation: int) -> dict[str, Any]:
    """Return the CR status that shows a snapshot.

    `before` is the status that the custom resource has, from which conditions that have not changed keep the time of
    their last transition; `generation` is that of the spec in force.
    """
    document = {name: value for name, value in status.to_dict().items() if name not in LEFT_OUT | {"kind"}}
    document["observedGeneration"] = generation
    if isinstance(status, BarrierStatus):
        document["progress"] = f"{status.arrived}/{status.spec.expected}"
    if "holders" in document:
        document["holders"].sort(
            key=lambda each: (each["since"], each["holder"])
        )  # renewals change their order in Redis
    conditions = [
        Condition("Ready", holds=True, reason="Applied", message="The spec is in force."),
        *_conditions(status),
    ]
    document["conditions"] = _merge(conditions, before.get("conditions"), generation, rfc3339(status.now_ms))
    return document


def degraded(reason: str, message: str, before: Mapping[str, Any], generation: int, now_ms: int) -> dict[str, Any]:
    """Return the CR status of an object whose spec could not be applied: all as it was, and `Ready` false."""
    condition = Condition("Ready", holds=False, reason=reason, message=message)
    others = [each for each in before.get("conditions") or [] if each.get("type") != "Ready"]
    changed = _merge([condition], before.get("conditions"), generation, rfc3339(now_ms))
    return {**before, "conditions": [*changed, *others]}


def _conditions(status: Status) -> list[Condition]:
    match status:
        case BarrierStatus():
            return _barrier_conditions(status)
        case SemaphoreStatus():
            free = f"{status.available} of {status.spec.permits} permits are free."
            return [Condition("Available", holds=status.available > 0, reason=status.phase, message=free)]
        case _:
            return []


def _barrier_conditions(status: BarrierStatus) -> list[Condition]:
    opened = status.phase == "Open" or bool(status.last_opened_cycle)
    count = f"{status.arrived} of {status.spec.needed} needed have arrived."
    if status.last_opened_cycle:
        count = f"Cycle {status.last_opened_cycle} has opened."
    return [
        Condition("Open", holds=opened, reason="Complete" if opened else "Incomplete", message=count),
        Condition(
            "Failed",
            holds=status.phase == "Failed",
            reason="Timeout" if status.phase == "Failed" else "InTime",
            message=status.reason or "The deadline has not passed.",
        ),
    ]


def _merge(
    conditions: list[Condition], before: list[dict[str, Any]] | None, generation: int, now: str
) -> list[dict[str, Any]]:
    """Return conditions as the API has them; one whose truth is as before keeps its time."""
    known = {each.get("type"): each for each in before or []}
    merged = []
    for condition in conditions:
        truth = "True" if condition.holds else "False"
        old = known.get(condition.type, {})
        merged.append(
            {
                "type": condition.type,
                "status": truth,
                "reason": condition.reason,
                "message": condition.message,
                "lastTransitionTime": old.get("lastTransitionTime", now) if old.get("status") == truth else now,
                "observedGeneration": generation,
            }
        )
    return merged


def _without_ends(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status without the moments that a renewal moves."""
    holders = [{name: each[name] for name in each if name != "expires"} for each in status.get("holders") or []]
    return {**status, "holders": holders}


def status_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) that turns one status into the other.

    It is empty if nothing happened: leases that were renewed and are otherwise as before are no news.
    """
    if _without_ends(before) == _without_ends(after):
        return {}
    return _difference(before, after)


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    for name in before.keys() | after.keys():
        if name not in after:
            patch[name] = None
        elif name not in before:
            patch[name] = after[name]
        elif before[name] != after[name]:
            old, new = before[name], after[name]
            patch[name] = _difference(old, new) if isinstance(old, dict) and isinstance(new, dict) else new
    return patch
