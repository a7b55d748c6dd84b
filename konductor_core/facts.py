"""How an object stands that a gate's condition names: facts from what the API says of it, or from a snapshot. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from konductor_core.models import BarrierStatus, GateStatus, OnceStatus, SemaphoreStatus, WaitGroupStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from konductor_core.models import Status

__all__ = ["FACTS", "Fact", "deployment_fact", "fact_of", "job_fact", "pod_fact"]


@dataclass(frozen=True, slots=True)
class Fact:
    """How one object stands: in a word, and which of the states that a condition can name that is.

    `amount` is what its kind counts. `never` are the states that it cannot come to any more, unless it is made anew;
    `spent` says the same of a greater amount. `detail` is more about it, for its own namespace only.
    """

    word: str
    states: frozenset[str] = frozenset()
    amount: int = 0
    never: frozenset[str] = frozenset()
    spent: bool = False
    detail: str = ""


# ------------------------------------------------------------------------------------ facts of Kubernetes' own kinds


def job_fact(body: Mapping[str, Any]) -> Fact:
    """Return how a Job stands; `body` is what the API has of it."""
    status = body.get("status") or {}
    done, wanted = int(status.get("succeeded") or 0), (body.get("spec") or {}).get("completions")
    counted = f"{done} completions" if wanted is None else f"{done}/{wanted} completions"
    for state, other in (("Complete", "Failed"), ("Failed", "Complete")):
        ended = _condition(body, state)
        if ended.get("status") == "True":
            detail = ", ".join(filter(None, [ended.get("reason"), counted])) if state == "Failed" else counted
            never = frozenset({other, "Running"})
            return Fact(state, frozenset({state}), done, never, spent=True, detail=detail)
    if status.get("active"):
        return Fact("Running", frozenset({"Running"}), done, detail=counted)
    word = "Suspended" if (body.get("spec") or {}).get("suspend") else "Pending"
    return Fact(word, amount=done, detail=counted)


def pod_fact(body: Mapping[str, Any]) -> Fact:
    """Return how a Pod stands. One without a controller that has ended comes to no other state."""
    metadata = body.get("metadata") or {}
    phase = (body.get("status") or {}).get("phase") or "Pending"
    owners = metadata.get("ownerReferences") or []
    if phase in {"Succeeded", "Failed"}:
        is_bare = not any(owner.get("controller") for owner in owners)
        others = frozenset({"Ready", "Running", "Succeeded", "Failed"} - {phase})
        return Fact(phase, frozenset({phase}), never=others if is_bare else frozenset())
    if phase != "Running":
        return Fact(phase)
    if _condition(body, "Ready").get("status") == "True" and not metadata.get("deletionTimestamp"):
        return Fact("Ready", frozenset({"Ready", "Running"}))
    return Fact("Running", frozenset({"Running"}), detail="not ready")


def deployment_fact(body: Mapping[str, Any]) -> Fact:
    """Return how a Deployment stands: available once all of its replicas are of its latest template, and available."""
    metadata, spec, status = (body.get(part) or {} for part in ("metadata", "spec", "status"))
    wanted = spec.get("replicas")
    wanted = 1 if wanted is None else int(wanted)
    replicas, updated, available = (
        int(status.get(each) or 0) for each in ("replicas", "updatedReplicas", "availableReplicas")
    )
    is_seen = int(status.get("observedGeneration") or 0) >= int(metadata.get("generation") or 0)
    counted = f"{available}/{wanted} available"
    if not is_seen or updated < wanted or replicas > updated:
        return Fact("Progressing", amount=available, detail=f"{updated}/{wanted} updated, {counted}")
    if available < wanted:
        return Fact("Unavailable", amount=available, detail=counted)
    return Fact("Available", frozenset({"Available"}), available, detail=counted)


FACTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Fact]]] = {
    "Job": job_fact,
    "Pod": pod_fact,
    "Deployment": deployment_fact,
}
"""How a fact is made from what the API has of an object, for the types that are not our own kinds."""


def _condition(body: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions: Iterable[Mapping[str, Any]] = (body.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == kind), {})


# ------------------------------------------------------------------------------------------------ facts of our kinds


def fact_of(status: Status) -> Fact:
    """Return how an object of one of our kinds stands, from a snapshot of it."""
    match status:
        case BarrierStatus():
            return _barrier_fact(status)
        case GateStatus():
            return _gate_fact(status)
        case SemaphoreStatus():
            free = f"{status.available} of {status.spec.permits} permits free"
            return Fact(status.phase, frozenset({status.phase}), status.available, detail=free)
        case WaitGroupStatus():
            return Fact(status.phase, frozenset({status.phase}), detail=f"{status.counter} left")
        case OnceStatus():
            never = frozenset({"Running", "Pending"} if status.phase == "Done" else ())
            return Fact(status.phase, frozenset({status.phase}), never=never)
        case _:
            phase: str = status.to_dict()["phase"]
            return Fact(phase, frozenset({phase}))


def _barrier_fact(status: BarrierStatus) -> Fact:
    """A cyclic barrier has opened once a cycle has, and goes on waiting."""
    has_opened = {"Open"} if status.last_opened_cycle else set()
    never = {"Open": frozenset({"Waiting", "Failed"}), "Failed": frozenset({"Open", "Waiting"})}
    return Fact(
        status.phase,
        frozenset({status.phase, *has_opened}),
        status.arrived,
        never.get(status.phase, frozenset()),
        spent=status.phase == "Failed",
        detail=f"{status.arrived}/{status.spec.expected} arrived",
    )


def _gate_fact(status: GateStatus) -> Fact:
    """What a hand has done, a hand may undo; a verdict is final."""
    never = {"Open": frozenset({"Waiting", "Failed"}), "Failed": frozenset({"Open", "Waiting"})}
    final = never.get(status.verdict, frozenset()) if status.phase == status.verdict else frozenset[str]()
    return Fact(status.phase, frozenset({status.phase}), never=final, detail=f"{status.met}/{status.total} met")
