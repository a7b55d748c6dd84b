"""Bring back objects that Redis has lost, from what was last seen of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from konductor_core.codes import Code
from konductor_core.flows.objects import arguments
from konductor_core.flows.steps import Call, Flow
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.keys import ObjectKeys
    from konductor_core.models import Spec

__all__ = ["BarrierRemains", "LeaseRemains", "PermitRemains", "restore"]

PERMITS: Final = SCRIPTS["permit_import"]
BARRIER: Final = SCRIPTS["barrier_import"]


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


def restore(
    keys: ObjectKeys,
    spec: Spec,
    labels: Mapping[str, str],
    owner: str,
    remains: PermitRemains | BarrierRemains,
) -> Flow[bool]:
    """Bring an object back under this spec, and say whether that was done: not if there is one, or if it was deleted.

    Each lease lives for one whole TTL from now; one that was released since is left out.
    """
    text = json.dumps(dict(labels), sort_keys=True, separators=(",", ":"))
    head = (owner, text, *arguments(spec), remains.epoch, remains.created_ms)
    if isinstance(remains, PermitRemains):
        answer = yield Call(PERMITS, keys.permits, (*head, *_leases(remains)))
    else:
        answer = yield Call(BARRIER, keys.latch, (*head, *_latch(remains)))
    return bool(answer.reply[0] == Code.RESTORED)


def _leases(remains: PermitRemains) -> list[str | int]:
    row: list[str | int] = []
    for each in remains.leases:
        row += (each.holder, each.token, each.permits, each.since_ms, each.ttl_ms, each.pod, each.uid, each.node)
    return row


def _latch(remains: BarrierRemains) -> list[str | int]:
    row: list[str | int] = [remains.phase, remains.decided_ms, remains.reason, remains.cycle]
    for arrival in remains.arrivals:
        row += arrival
    return row
