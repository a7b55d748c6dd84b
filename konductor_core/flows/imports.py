"""Bring back objects that Redis has lost, from what was last seen of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from konductor_core.codes import Code
from konductor_core.flows.objects import arguments, compact
from konductor_core.flows.steps import Call, Flow
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.keys import ObjectKeys
    from konductor_core.models import Check, GateVerdict, Spec

__all__ = ["BarrierRemains", "GateRemains", "LeaseRemains", "PermitRemains", "Remains", "WaitGroupRemains", "restore"]

PERMITS: Final = SCRIPTS["permit_import"]
BARRIER: Final = SCRIPTS["barrier_import"]
WAITGROUP: Final = SCRIPTS["waitgroup_import"]
GATE: Final = SCRIPTS["gate_import"]


@dataclass(frozen=True, slots=True)
class LeaseRemains:
    """One lease as it was last seen. A `ttl_ms` of 0 never ends by itself."""

    holder: str
    token: int
    permits: int
    since_ms: int
    ttl_ms: int
    pod: str = ""
    uid: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class PermitRemains:
    """What was last seen of an object that hands out permits: which life it was in, since when, and who held."""

    epoch: str
    created_ms: int
    leases: tuple[LeaseRemains, ...] = ()
    done_ms: int = 0
    """Of what is done once: when that was, and by whom; 0 if it is not."""
    executor: str = ""
    result: str = ""


@dataclass(frozen=True, slots=True)
class BarrierRemains:
    """What was last seen of a barrier; `arrivals` are ids and moments, `decided_ms` is when it opened or failed."""

    epoch: str
    created_ms: int
    phase: Literal["Waiting", "Open", "Failed"]
    arrivals: tuple[tuple[str, int], ...] = ()
    decided_ms: int = 0
    reason: str = ""
    cycle: int = 1


@dataclass(frozen=True, slots=True)
class WaitGroupRemains:
    """What was last seen of a wait group; `members` are the names that were not done, and since when."""

    epoch: str
    created_ms: int
    round: int
    added: int
    anonymous: int
    done_ms: int = 0
    members: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class GateRemains:
    """What was last seen of a gate; `decided_ms` is when it was decided, `override` what a hand had done."""

    epoch: str
    created_ms: int
    verdict: GateVerdict
    decided_ms: int = 0
    override: Literal["Open", "Closed", ""] = ""
    reason: str = ""
    met: int = 0
    checks: tuple[Check, ...] = ()


Remains: TypeAlias = "PermitRemains | BarrierRemains | WaitGroupRemains | GateRemains"


def restore(
    keys: ObjectKeys,
    spec: Spec,
    labels: Mapping[str, str],
    owner: str,
    remains: Remains,
) -> Flow[bool]:
    """Bring an object back under this spec, and say whether that was done: not if there is one, or if it was deleted.

    Each lease lives for one whole TTL from now; one that was released since is left out.
    """
    head = (owner, compact(dict(labels)), *arguments(spec), remains.epoch, remains.created_ms)
    if isinstance(remains, PermitRemains):
        answer = yield Call(PERMITS, keys.permits, (*head, *_leases(remains)))
    elif isinstance(remains, WaitGroupRemains):
        tail = (remains.round, remains.added, remains.anonymous, remains.done_ms, *_flat(remains.members))
        answer = yield Call(WAITGROUP, keys.latch, (*head, *tail))
    elif isinstance(remains, GateRemains):
        answer = yield Call(GATE, keys.latch, (*head, *_gate(remains)))
    else:
        answer = yield Call(BARRIER, keys.latch, (*head, *_latch(remains)))
    return bool(answer.reply[0] == Code.RESTORED)


def _leases(remains: PermitRemains) -> list[str | int]:
    row: list[str | int] = [remains.done_ms, remains.executor, remains.result]
    for each in remains.leases:
        row += (each.holder, each.token, each.permits, each.since_ms, each.ttl_ms, each.pod, each.uid, each.node)
    return row


def _latch(remains: BarrierRemains) -> list[str | int]:
    row: list[str | int] = [remains.phase, remains.decided_ms, remains.reason, remains.cycle]
    return row + _flat(remains.arrivals)


def _gate(remains: GateRemains) -> tuple[str | int, ...]:
    checks = compact([each.to_dict() for each in remains.checks])
    return (remains.verdict, remains.decided_ms, remains.override, remains.reason, remains.met, checks)


def _flat(rows: tuple[tuple[str, int], ...]) -> list[str | int]:
    return [part for row in rows for part in row]
