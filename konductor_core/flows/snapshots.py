"""Read objects: a flat reply of a read script into the status model of its kind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from konductor_core.amounts import LEASED, mode_of
from konductor_core.codes import Code
from konductor_core.errors import KonductorError
from konductor_core.flows.absence import absent
from konductor_core.flows.listeners import listeners_of
from konductor_core.flows.steps import Call, Flow
from konductor_core.identity import Kind
from konductor_core.models import (
    SPECS,
    STATUSES,
    Arrival,
    BarrierSpec,
    BarrierStatus,
    Check,
    Condition,
    GateSpec,
    GateStatus,
    Holder,
    Member,
    SemaphoreSpec,
    Waiter,
    WaitGroupSpec,
    WaitGroupStatus,
)
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core.keys import ObjectKeys
    from konductor_core.models import LockSpec, PermitStatus, Spec

__all__ = ["READERS", "Reader", "glance", "read_barrier", "read_gate", "read_permits", "read_waitgroup", "waiter_of"]

HOLDERS_SHOWN: Final = 500
LISTENERS_SHOWN: Final = 200
ARRIVALS_SHOWN: Final = 5_000


class Reader:
    """Takes a flat reply apart, section by section."""

    def __init__(self, reply: list[Any]) -> None:
        self._reply = reply
        self._at = 0

    def take(self, n: int) -> list[Any]:
        """Return the next items."""
        self._at += n
        return self._reply[self._at - n : self._at]

    def rows(self, width: int) -> list[list[Any]]:
        """Return the rows of a section, which begins with their number."""
        return [self.take(width) for _ in range(int(self.take(1)[0]))]


def _snapshot(
    answer_reply: list[Any], keys: ObjectKeys, head: int
) -> tuple[Reader, list[Any], dict[str, Any], dict[str, str]]:
    """Return the reader after the hash, the head's items, the status fields that all kinds share, and the hash."""
    if answer_reply[0] == Code.ABSENT:
        raise absent(keys)
    reader = Reader(answer_reply)
    first = reader.take(head)
    meta = dict(reader.rows(2))
    shared = {
        "namespace": keys.namespace,
        "name": keys.name,
        "epoch": meta["epoch"],
        "owner": meta["owner"],
        "labels": _labels(meta.get("labels", "{}"), keys),
        "created_ms": int(meta["created"]),
        "now_ms": int(first[2]),
        "next_change_ms": int(first[1]),
    }
    return reader, first, shared, meta


def _labels(text: str, keys: ObjectKeys) -> dict[str, str]:
    try:
        labels = json.loads(text)
    except ValueError:
        raise KonductorError(f"{keys.id} has labels in Redis that are not JSON: {text[:60]}") from None
    return {str(name): str(value) for name, value in labels.items()}


def _counters(meta: dict[str, str], names: dict[str, str]) -> dict[str, int]:
    return {name: int(meta.get(field) or 0) for field, name in names.items()}


def read_permits(keys: ObjectKeys, holders: int = HOLDERS_SHOWN, waiters: int = HOLDERS_SHOWN) -> Flow[PermitStatus]:
    """Return one consistent snapshot of what grants permits, with up to so many holders and waiters.

    Raises `NotFound`.
    """
    answer = yield Call(SCRIPTS["permit_read"], keys.permits, (holders, waiters))
    reader, head, shared, meta = _snapshot(answer.reply, keys, 6)
    is_rw = keys.kind is Kind.RWMUTEX
    return cast("type[PermitStatus]", STATUSES[keys.kind])(
        spec=_permit_spec(keys.kind, meta),
        holders_total=int(head[4]),
        waiting=int(head[5]),
        holders=tuple(_holder(row, is_rw=is_rw) for row in reader.rows(10)),
        waiters=tuple(waiter_of(position, row, is_rw=is_rw) for position, row in enumerate(reader.rows(6), 1)),
        counters=_counters(meta, _PERMIT_COUNTERS),
        **_only(keys.kind, head, meta, reader),
        **shared,
    )


_PERMIT_COUNTERS: Final = {
    "grants": "grants",
    "refusals": "refusals",
    "expiries": "expiries",
    "timeouts": "timeouts",
    "renewals": "renewals",
    "waited": "waitedMs",
    "longest": "longestWaitMs",
}


def _permit_spec(kind: Kind, meta: dict[str, str]) -> Spec:
    ttl_ms = int(meta["ttl"])
    if kind is not Kind.SEMAPHORE:
        return cast("type[LockSpec]", SPECS[kind])(ttl_ms)
    return SemaphoreSpec(
        permits=int(meta["permits"]),
        ttl_ms=ttl_ms,
        policy=cast("Any", meta["policy"]),
        max_bypass_ms=int(meta["bypass"]),
    )


def _only(kind: Kind, head: list[Any], meta: dict[str, str], reader: Reader) -> dict[str, Any]:
    """Return the fields that one kind's status has beside those of all that grant permits."""
    if kind is Kind.SEMAPHORE:
        return {"in_use": int(head[3])}
    if kind is Kind.LEASE:
        return {"renewals": int(meta.get("renewals") or 0), "transitions": int(meta.get("transitions") or 0)}
    if kind is Kind.ONCE:
        return _of_once(meta) | {"listening": int(reader.take(1)[0]), "listeners": listeners_of(reader.rows(2))}
    return {}


def _of_once(meta: dict[str, str]) -> dict[str, Any]:
    return {
        "completed_by": meta.get("executor"),
        "done_ms": int(meta["done"]) if "done" in meta else None,
        "result": meta.get("result"),
        "failures": int(meta.get("failures") or 0),
        "failed_ms": int(meta["failed"]) if "failed" in meta else None,
        "failed_by": meta.get("failer"),
        "reason": meta.get("reason"),
    }


def _holder(row: list[Any], *, is_rw: bool) -> Holder:
    holder, expires, token, permits, since, ttl, pod, uid, node, claim = row
    amount = int(permits or 1)
    return Holder(
        holder=holder,
        mode=mode_of(amount) if is_rw else "",
        permits=amount,
        token=int(token or 0),
        since_ms=int(since or 0),
        expires_ms=None if expires == "inf" else int(float(expires)),
        ttl_ms=int(ttl) if ttl else None,
        pod=pod,
        uid=uid,
        node=node,
        pending=bool(claim),
    )


def waiter_of(position: int, row: list[Any], *, is_rw: bool) -> Waiter:
    """Return the waiter that a row of a reply describes."""
    holder, request, permits, priority, since, pod = row
    return Waiter(
        holder=holder,
        mode=mode_of(int(permits)) if is_rw else "",
        permits=int(permits),
        priority=int(priority),
        position=position,
        since_ms=int(since),
        request=request,
        pod=pod,
    )


def read_barrier(
    keys: ObjectKeys, arrivals: int = ARRIVALS_SHOWN, waiters: int = LISTENERS_SHOWN
) -> Flow[BarrierStatus]:
    """Return one consistent snapshot with up to so many arrivals and waiters. Raises `NotFound`."""
    answer = yield Call(SCRIPTS["barrier_read"], keys.latch, (arrivals, waiters))
    reader, head, shared, meta = _snapshot(answer.reply, keys, 5)
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
        counters=_counters(meta, {"repeats": "repeats"}),
        **shared,
    )


def read_waitgroup(
    keys: ObjectKeys, members: int = ARRIVALS_SHOWN, waiters: int = LISTENERS_SHOWN
) -> Flow[WaitGroupStatus]:
    """Return one consistent snapshot with up to so many members and waiters. Raises `NotFound`."""
    answer = yield Call(SCRIPTS["waitgroup_read"], keys.latch, (members, waiters))
    reader, head, shared, meta = _snapshot(answer.reply, keys, 7)
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
        counters=_counters(meta, {"repeats": "repeats"}),
        **shared,
    )


def read_gate(keys: ObjectKeys, waiters: int = LISTENERS_SHOWN) -> Flow[GateStatus]:
    """Return one consistent snapshot with up to so many waiters. Raises `NotFound`."""
    answer = yield Call(SCRIPTS["gate_read"], keys.latch, (waiters,))
    reader, head, shared, meta = _snapshot(answer.reply, keys, 4)
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


READERS: Final[dict[Kind, Callable[..., Flow[Any]]]] = {
    **dict.fromkeys((*LEASED, Kind.ONCE), read_permits),
    Kind.BARRIER: read_barrier,
    Kind.WAITGROUP: read_waitgroup,
    Kind.GATE: read_gate,
}
"""How a snapshot of each kind is read: by its keys, and up to how many `waiters`."""


def glance(keys: ObjectKeys) -> Flow[Any]:
    """Return a snapshot with hardly any of its lists: who asks how an object stands does not ask who is there."""
    lists = {Kind.BARRIER: (0, 0), Kind.WAITGROUP: (0, 0), Kind.GATE: (0,)}
    return READERS[keys.kind](keys, *lists.get(keys.kind, (1, 0)))
