"""Snapshots to the statuses of custom resources, and the smallest patch from one status to another. Pure.

A status never holds what changes by itself, such as the time of the snapshot: an object at rest is never patched.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from konductor_core.durations import rfc3339
from konductor_core.models.barrier import BarrierStatus
from konductor_core.models.gate import GateStatus
from konductor_core.models.lease import LeaseStatus
from konductor_core.models.once import OnceStatus
from konductor_core.models.permits import PermitStatus
from konductor_core.models.semaphore import SemaphoreStatus
from konductor_core.models.waitgroup import WaitGroupStatus
from konductor_core.schema import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.models.objects import Status

__all__ = ["DEGRADED", "Problem", "project", "project_absent", "status_patch"]

DEGRADED: Final = "Degraded"
"""The reason of a `Ready` that is false because state could not be restored; it lasts as long as that life does."""

MAX_BYTES: Final = 512 * 1024
"""How much of a list a status shows at most, as JSON: the API server refuses objects of 1.5 MB."""

_NO_NEWS: Final = frozenset({"counters", "observedEvent", "renewals"})

_LISTS: Final = {
    "holders": "holdersTotal",
    "waiters": "waiting",
    "arrivals": "arrivalsTotal",
    "members": "membersTotal",
    "listeners": "listening",
}
"""The lists that may be cut, and the field that has their true length."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a resource isn't ready: one word and a sentence."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class _Condition:
    type: str
    holds: bool
    reason: str
    message: str


def project(
    status: Status, before: Mapping[str, Any], generation: int, problem: Problem | None = None
) -> dict[str, Any]:
    """Return the CR status that shows a snapshot.

    `before` is the status that the custom resource has: conditions whose truth has not changed keep the time of their
    last transition. `generation` is that of the spec in force, or of the one that has a `problem`.
    """
    document = {name: value for name, value in status.to_dict().items() if name not in LEFT_OUT | {"kind"}}
    document["observedGeneration"] = generation
    if isinstance(status, BarrierStatus):
        document["progress"] = f"{status.arrived}/{status.spec.expected}"
    if isinstance(status, GateStatus):
        document["progress"] = f"{status.met}/{status.total}"
    if isinstance(status, LeaseStatus) and "expires" in document:
        document["expires"] = _shown_expiry(document, before, rfc3339(status.now_ms))
    if "holders" in document:
        # Redis has them in the order of their expiry, which every renewal changes.
        document["holders"].sort(key=lambda each: (each["since"], each["holder"]))
    for name in _LISTS.keys() & document.keys():
        document[name] = _cut(document[name])
    problem = problem or _lasting(before, document, generation)
    conditions = [_ready(problem), *_conditions(status)]
    document["conditions"] = _merge(conditions, before, generation, status.now_ms)
    return document


def project_absent(before: Mapping[str, Any], generation: int, problem: Problem, now_ms: int) -> dict[str, Any]:
    """Return the CR status of an object that is not there, because its spec could never be applied."""
    conditions = _merge([_ready(problem)], before, generation, now_ms)
    return {"observedGeneration": generation, "conditions": conditions}


def _shown_expiry(document: Mapping[str, Any], before: Mapping[str, Any], now: str) -> str:
    """Return until when a lease is held at least: as shown before until that has passed, not anew at each renewal."""
    fresh, shown = str(document["expires"]), str(before.get("expires", ""))
    return shown if before.get("token") == document["token"] and now < shown < fresh else fresh


def _cut(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return as many of the items as a status has room for."""
    room = MAX_BYTES
    for shown, item in enumerate(items):
        room -= len(json.dumps(item, ensure_ascii=False).encode()) + 1
        if room < 0:
            return items[:shown]
    return items


def _lasting(before: Mapping[str, Any], document: Mapping[str, Any], generation: int) -> Problem | None:
    """Return the loss that this life of the object has been shown with: nothing restores it later."""
    if before.get("epoch") != document["epoch"] or before.get("observedGeneration") != generation:
        return None
    ready = _known(before).get("Ready", {})
    return Problem(DEGRADED, ready.get("message", "")) if ready.get("reason") == DEGRADED else None


def _ready(problem: Problem | None) -> _Condition:
    if problem is None:
        return _Condition("Ready", holds=True, reason="Applied", message="The spec is in force.")
    return _Condition("Ready", holds=False, reason=problem.reason, message=problem.message)


def _conditions(status: Status) -> list[_Condition]:
    match status:
        case BarrierStatus():
            return _barrier_conditions(status)
        case GateStatus():
            return _gate_conditions(status)
        case SemaphoreStatus():
            free = f"{status.available} of {status.spec.permits} permits are free."
            return [_Condition("Available", holds=status.available > 0, reason=status.phase, message=free)]
        case OnceStatus():
            runner = f"{status.executor} runs it." if status.executor else "Nobody runs it."
            done = f"Done by {status.executor}." if status.phase == "Done" else runner
            return [_Condition("Done", holds=status.phase == "Done", reason=status.phase, message=done)]
        case PermitStatus():
            who = f"Held by {status.first.holder}." if status.holders_total == 1 and status.first else ""
            held = who or (f"Held by {status.holders_total} holders." if status.holders_total else "Nobody holds it.")
            return [_Condition("Available", holds=not status.holders_total, reason=status.phase, message=held)]
        case WaitGroupStatus():
            left = f"{status.counter} of {status.added} members are not done."
            return [_Condition("Done", holds=status.phase == "Done", reason=status.phase, message=left)]
        case _:
            return []


def _barrier_conditions(status: BarrierStatus) -> list[_Condition]:
    opened = status.phase == "Open" or bool(status.last_opened_cycle)
    count = f"{status.arrived} of {status.spec.needed} needed have arrived."
    if status.last_opened_cycle:
        count = f"Cycle {status.last_opened_cycle} has opened."
    failed = status.phase == "Failed"
    return [
        _Condition("Open", holds=opened, reason="Complete" if opened else "Incomplete", message=count),
        _Condition(
            "Failed",
            holds=failed,
            reason="Timeout" if failed else "InTime",
            message=status.reason or "The deadline has not passed.",
        ),
    ]


def _gate_conditions(status: GateStatus) -> list[_Condition]:
    met = f"{status.met} of {status.total} conditions hold."
    by_hand = f"{status.override} by hand. {met}" if status.override else ""
    opened, failed = status.phase == "Open", status.phase == "Failed"
    return [
        _Condition(
            "Open",
            holds=opened,
            reason="ByHand" if status.override else "Complete" if opened else "Incomplete",
            message=by_hand or met,
        ),
        _Condition(
            "Failed",
            holds=failed,
            reason="Failed" if failed else "InTime",
            message=(status.reason if failed else None) or "Its conditions can still come true.",
        ),
    ]


def _known(status: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {each.get("type", ""): each for each in status.get("conditions") or []}


def _merge(
    conditions: list[_Condition], before: Mapping[str, Any], generation: int, now_ms: int
) -> list[dict[str, Any]]:
    """Return conditions as the API has them; one whose truth is as before keeps its time."""
    known, now = _known(before), rfc3339(now_ms)
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


def _news(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a status is news when it changes.

    Not the moments that a renewal moves, nor counters by themselves (a refused try, a renewal), nor how much of the
    history was reported. Of a list too long to be shown, the total is: which part of it Redis has first changes with
    every renewal.
    """
    facts = {name: value for name, value in status.items() if name not in _NO_NEWS}
    for name, total in _LISTS.items():
        items = status.get(name) or []
        if len(items) < status.get(total, 0):
            facts[name] = len(items)
        elif name == "holders":
            facts[name] = [{field: each[field] for field in each if field != "expires"} for each in items]
    return facts


def status_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) that turns one status into the other; empty if there is no news."""
    if _news(before) == _news(after):
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
