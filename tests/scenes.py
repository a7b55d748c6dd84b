"""Snapshots made by hand, and what explains them: for tests of explanations, which need no server.

told("c", mutex("m", "b", "c"), mutex("n", "a", "b"))    explain c, where b holds m and waits for n, which a holds
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from konductor_core.explaining.explanation import Explanation, explain
from konductor_core.flows.scenes import Awaited, Scene
from konductor_core.identity import Kind
from konductor_core.models import (
    SPECS,
    STATUSES,
    Arrival,
    BarrierSpec,
    Holder,
    Listener,
    Member,
    SemaphoreSpec,
    Waiter,
    WaitGroupSpec,
)

if TYPE_CHECKING:
    from konductor_core.models import Status

NOW = 1_000_000_000
MINUTE = 60_000


def status(kind: Kind, name: str, spec: Any, **fields: Any) -> Any:
    """Return a snapshot at NOW of an object that is an hour old."""
    made: Status = cast("Any", STATUSES[kind])(
        namespace="etl",
        name=name,
        epoch="1",
        owner="cli",
        created_ms=NOW - 60 * MINUTE,
        now_ms=NOW,
        next_change_ms=-1,
        spec=spec,
        **fields,
    )
    return made


def lease(holder: str, permits: int = 1, *, ends_in: int | None = 4 * MINUTE, age: int = MINUTE, **more: Any) -> Holder:
    return Holder(
        holder=holder,
        permits=permits,
        token=1,
        since_ms=NOW - age,
        expires_ms=None if ends_in is None else NOW + ends_in,
        ttl_ms=5 * MINUTE,
        **more,
    )


def waiter(holder: str, position: int = 1, permits: int = 1, *, age: int = 3_000, **more: Any) -> Waiter:
    request = more.pop("request", f"request of {holder}")
    return Waiter(holder=holder, permits=permits, position=position, since_ms=NOW - age, request=request, **more)


def listener(holder: str, pod: str = "") -> Listener:
    return Listener(holder=holder, pod=pod, since_ms=NOW - 2_000, request=f"listening of {holder}")


def permits(
    kind: Kind, name: str, holders: tuple[Holder, ...] = (), waiters: tuple[Waiter, ...] = (), **more: Any
) -> Any:
    """Return what grants permits, held and waited for."""
    spec = more.pop("spec", None) or (SemaphoreSpec(permits=2) if kind is Kind.SEMAPHORE else SPECS[kind]())
    if kind is Kind.SEMAPHORE:
        more["in_use"] = sum(each.permits for each in holders)
    if kind is Kind.LEASE:
        more |= {"renewals": 0, "transitions": 0}
    return status(
        kind, name, spec, holders=holders, waiters=waiters, holders_total=len(holders), waiting=len(waiters), **more
    )


def mutex(name: str, holder: str = "", *waiters: str, **more: Any) -> Any:
    """Return a mutex with a holder, and waiters in their order."""
    queue = tuple(waiter(each, place) for place, each in enumerate(waiters, 1))
    return permits(Kind.MUTEX, name, (lease(holder),) if holder else (), queue, **more)


def barrier(name: str, expected: int, arrived: tuple[str, ...] = (), waiters: tuple[str, ...] = (), **more: Any) -> Any:
    return status(
        Kind.BARRIER,
        name,
        more.pop("spec", BarrierSpec(expected)),
        **{
            "phase": "Waiting",
            "arrived": len(arrived),
            "arrivals_total": len(arrived),
            "arrivals": tuple(Arrival(each, NOW) for each in arrived),
            "waiting": len(waiters),
            "waiters": tuple(listener(each) for each in waiters),
        }
        | more,
    )


def group(members: tuple[str, ...], anonymous: int = 0, waiters: tuple[str, ...] = ()) -> Any:
    counter = len(members) + anonymous
    return status(
        Kind.WAITGROUP,
        "g",
        WaitGroupSpec(),
        phase="Waiting" if counter else "Idle",
        counter=counter,
        waiting=len(waiters),
        added=counter + 1,
        anonymous=anonymous,
        round=1,
        finished_total=1,
        members_total=len(members),
        members=tuple(Member(each, NOW) for each in members),
        waiters=tuple(listener(each) for each in waiters),
    )


def told(what: str, *statuses: Any, awaited: Awaited | None = None) -> Explanation:
    """Explain a name in a namespace with these objects."""
    return explain(Scene("etl", tuple(statuses), awaited or Awaited()), what)


def lines(found: Explanation) -> list[str]:
    """Return the sentences as koncli prints them."""
    return ["  " * link.depth + link.text for link in found.chain]


def commands(found: Explanation) -> list[str]:
    """Return the commands among the ways out."""
    return [each.command.removesuffix(" -n etl") for each in found.remedies if each.command]
