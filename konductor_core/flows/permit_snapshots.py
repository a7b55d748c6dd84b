"""Read what grants permits, and what is done once: its spec, its holders, and who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from konductor_core.amounts import mode_of
from konductor_core.flows.listeners import listeners_of
from konductor_core.flows.reader import Reader, counters_of, opening
from konductor_core.flows.steps import Call, Flow
from konductor_core.identity import Kind
from konductor_core.models import SPECS, STATUSES, Holder, SemaphoreSpec, Waiter
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from konductor_core.keys import ObjectKeys
    from konductor_core.models import LockSpec, PermitStatus, Spec

__all__ = ["HOLDERS_SHOWN", "read_permits", "waiter_of"]

HOLDERS_SHOWN: Final = 500
"""How many holders and waiters a snapshot lists, unless more or fewer are asked for."""


def read_permits(keys: ObjectKeys, holders: int = HOLDERS_SHOWN, waiters: int = HOLDERS_SHOWN) -> Flow[PermitStatus]:
    """Return one consistent snapshot of what grants permits, with up to so many holders and waiters.

    Raises `NotFound`.
    """
    answer = yield Call(SCRIPTS["permit_read"], keys.permits, (holders, waiters))
    reader, head, shared, meta = opening(answer.reply, keys, 6)
    is_rw = keys.kind is Kind.RWMUTEX
    return cast("type[PermitStatus]", STATUSES[keys.kind])(
        spec=_permit_spec(keys.kind, meta),
        holders_total=int(head[4]),
        waiting=int(head[5]),
        holders=tuple(_holder(row, is_rw=is_rw) for row in reader.rows(10)),
        waiters=tuple(waiter_of(position, row, is_rw=is_rw) for position, row in enumerate(reader.rows(6), 1)),
        counters=counters_of(meta, _PERMIT_COUNTERS),
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
