"""Read barriers, wait groups and gates: how far they are, and who waits until they open."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from konductor_core.flows.listeners import listeners_of
from konductor_core.flows.reader import counters_of, opening
from konductor_core.flows.steps import Call, Flow
from konductor_core.models import (
    Arrival,
    BarrierSpec,
    BarrierStatus,
    Check,
    Condition,
    GateSpec,
    GateStatus,
    Member,
    WaitGroupSpec,
    WaitGroupStatus,
)
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from konductor_core.keys import ObjectKeys

__all__ = ["read_barrier", "read_gate", "read_waitgroup"]

LISTENERS_SHOWN: Final = 200
ARRIVALS_SHOWN: Final = 5_000
"""How many waiters, and arrivals or members, a snapshot lists, unless more or fewer are asked for."""


def read_barrier(
    keys: ObjectKeys, arrivals: int = ARRIVALS_SHOWN, waiters: int = LISTENERS_SHOWN
) -> Flow[BarrierStatus]:
    """Return one consistent snapshot with up to so many arrivals and waiters. Raises `NotFound`."""
    answer = yield Call(SCRIPTS["barrier_read"], keys.latch, (arrivals, waiters))
    reader, head, shared, meta = opening(answer.reply, keys, 5)
    number = {name: int(value) for name, value in meta.items() if value.isdigit()}
    cyclic = meta["cyclic"] == "1"
    return BarrierStatus(
        spec=BarrierSpec(
            expected=number["expected"],
            quorum=number["quorum"] or None,
            timeout_ms=number["timeout"] or None,
            cyclic=cyclic,
        ),
        phase=cast("Any", meta["phase"]),
        arrived=int(head[3]),
        arrivals_total=int(head[3]),
        waiting=int(head[4]),
        cycle=number["cycle"] if cyclic else None,
        last_opened_cycle=number.get("lastcycle", 0) if cyclic else None,
        deadline_ms=number.get("deadline"),
        opened_ms=number.get("opened"),
        failed_ms=number.get("failed"),
        reason=meta.get("reason"),
        arrivals=tuple(Arrival(id=row[0], at_ms=int(float(row[1]))) for row in reader.rows(2)),
        waiters=listeners_of(reader.rows(2)),
        counters=counters_of(meta, {"repeats": "repeats"}),
        **shared,
    )


def read_waitgroup(
    keys: ObjectKeys, members: int = ARRIVALS_SHOWN, waiters: int = LISTENERS_SHOWN
) -> Flow[WaitGroupStatus]:
    """Return one consistent snapshot with up to so many members and waiters. Raises `NotFound`."""
    answer = yield Call(SCRIPTS["waitgroup_read"], keys.latch, (members, waiters))
    reader, head, shared, meta = opening(answer.reply, keys, 7)
    return WaitGroupStatus(
        spec=WaitGroupSpec(),
        phase=cast("Any", meta["phase"]),
        counter=int(head[3]),
        waiting=int(head[4]),
        members_total=int(head[5]),
        finished_total=int(head[6]),
        added=int(meta.get("added") or 0),
        anonymous=int(meta.get("anonymous") or 0),
        round=int(meta["cycle"]),
        done_ms=int(meta["done"]) if meta.get("done") else None,
        members=tuple(Member(id=row[0], at_ms=int(float(row[1]))) for row in reader.rows(2)),
        waiters=listeners_of(reader.rows(2)),
        counters=counters_of(meta, {"repeats": "repeats"}),
        **shared,
    )


def read_gate(keys: ObjectKeys, waiters: int = LISTENERS_SHOWN) -> Flow[GateStatus]:
    """Return one consistent snapshot with up to so many waiters. Raises `NotFound`."""
    answer = yield Call(SCRIPTS["gate_read"], keys.latch, (waiters,))
    reader, head, shared, meta = opening(answer.reply, keys, 4)
    conditions = tuple(Condition(**each) for each in json.loads(meta["conditions"]))
    number = {name: int(value) for name, value in meta.items() if value.isdigit()}
    return GateStatus(
        spec=GateSpec(conditions, number["timeout"] or None),
        phase=cast("Any", meta["phase"]),
        verdict=cast("Any", meta["verdict"]),
        override=cast("Any", meta.get("override") or None),
        met=number.get("met", 0),
        total=number["total"],
        waiting=int(head[3]),
        waiters=listeners_of(reader.rows(2)),
        deadline_ms=number.get("deadline"),
        opened_ms=number.get("opened"),
        failed_ms=number.get("failed"),
        reason=meta.get("reason"),
        checks=tuple(Check(**each) for each in json.loads(meta.get("checks") or "[]")),
        evaluated_ms=number.get("evaluated"),
        asked_ms=number.get("asked"),
        **shared,
    )
