"""What the status of a custom resource tells of an object that Redis has lost, and what it cannot tell. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from konductor_core.durations import to_ms
from konductor_core.flows.imports import BarrierRemains, GateRemains, LeaseRemains, PermitRemains, WaitGroupRemains
from konductor_core.models import BarrierSpec, Check, GateSpec, LockSpec, SemaphoreSpec, WaitGroupSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.flows.imports import Remains
    from konductor_core.models import Spec

__all__ = ["remains_of"]


def remains_of(status: Mapping[str, Any], spec: Spec) -> tuple[Remains | None, str]:
    """Return what can be restored under a spec, None for nothing; and what is lost for good, as half a sentence."""
    if not status.get("epoch") or not status.get("createdAt"):
        return None, ""
    if isinstance(spec, SemaphoreSpec | LockSpec):
        return _permits(status, spec)
    if isinstance(spec, WaitGroupSpec):
        return _waitgroup(status)
    if isinstance(spec, GateSpec):
        return _gate(status), ""
    if isinstance(spec, BarrierSpec) and spec.cyclic == ("cycle" in status):
        return _barrier(status)
    return None, ""  # a barrier that becomes cyclic, or ceases to be, starts again


def _permits(status: Mapping[str, Any], spec: SemaphoreSpec | LockSpec) -> tuple[PermitRemains, str]:
    leases = tuple(
        LeaseRemains(
            holder=each["holder"],
            token=int(each["token"]),
            permits=int(each["permits"]),
            since_ms=moment(each["since"]),
            ttl_ms=to_ms(each["ttl"]) if "ttl" in each else spec.ttl_ms,
            pod=each.get("pod", ""),
            uid=each.get("uid", ""),
            node=each.get("node", ""),
        )
        for each in status.get("holders") or []
    )
    missing = int(status.get("holdersTotal", 0)) - len(leases)
    losses = f"{missing} of its {missing + len(leases)} leases, which its status did not list, have ended"
    remains = PermitRemains(
        status["epoch"],
        moment(status["createdAt"]),
        leases,
        done_ms=moment(status["doneAt"]) if "doneAt" in status else 0,
        executor=status.get("completedBy", ""),
        result=status.get("result", ""),
    )
    return remains, losses if missing > 0 else ""


def _waitgroup(status: Mapping[str, Any]) -> tuple[WaitGroupRemains, str]:
    members = tuple((each["id"], moment(each["at"])) for each in status.get("members") or [])
    remains = WaitGroupRemains(
        epoch=status["epoch"],
        created_ms=moment(status["createdAt"]),
        round=int(status["round"]),
        added=int(status["added"]),
        anonymous=int(status["anonymous"]),
        done_ms=moment(status["doneAt"]) if "doneAt" in status else 0,
        members=members,
    )
    losses = []
    missing = int(status.get("membersTotal", 0)) - len(members)
    if missing > 0:
        losses.append(f"{missing} of its {missing + len(members)} members, which its status did not list, are gone")
    if status.get("finishedTotal"):
        losses.append("which names were done is not known any more")
    return remains, " and ".join(losses)


def _barrier(status: Mapping[str, Any]) -> tuple[BarrierRemains, str]:
    arrivals = tuple((each["id"], moment(each["at"])) for each in status.get("arrivals") or [])
    decided = status.get("failedAt") if status["phase"] == "Failed" else status.get("openedAt")
    remains = BarrierRemains(
        epoch=status["epoch"],
        created_ms=moment(status["createdAt"]),
        phase=status["phase"],
        arrivals=arrivals,
        decided_ms=moment(decided) if decided else 0,
        reason=status.get("reason", ""),
        cycle=int(status.get("cycle", 1)),
    )
    losses = []
    missing = int(status.get("arrivalsTotal", 0)) - len(arrivals)
    if missing > 0 and status["phase"] == "Waiting":
        losses.append(f"{missing} of its {missing + len(arrivals)} arrivals, which its status did not list, are gone")
    if remains.cycle > 1:
        losses.append("who arrived in which of its earlier cycles is not known any more")
    return remains, " and ".join(losses)


def _gate(status: Mapping[str, Any]) -> GateRemains:
    decided = {"Open": status.get("openedAt"), "Failed": status.get("failedAt")}.get(status["verdict"])
    return GateRemains(
        epoch=status["epoch"],
        created_ms=moment(status["createdAt"]),
        verdict=status["verdict"],
        decided_ms=moment(decided) if decided else 0,
        override=status.get("override", ""),
        reason=status.get("reason", ""),
        met=int(status.get("met", 0)),
        checks=tuple(Check(**each) for each in status.get("checks") or []),
    )


def moment(text: str) -> int:
    """Return a moment of a status in ms since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)
