"""Semaphores, leases, mutexes and RWMutexes: what the pod holds of them, by annotation and through this API."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from konductor_core.amounts import LEASED, SHARES, amount_of
from konductor_core.errors import LeaseLost
from konductor_core.flows.leases import Released
from konductor_core.identity import Kind
from sidecar.api.leases import check_room, describe, find
from sidecar.api.target import LONGEST_WAIT_MS, head, status

if TYPE_CHECKING:
    from sidecar.api.body import Body
    from sidecar.api.target import Document, Verb
    from sidecar.held import Ledger

__all__ = ["Permits"]


class Permits:
    """The verbs of everything that grants permits."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.verbs: dict[tuple[Kind, str], Verb] = {
            (kind, verb): act
            for kind in LEASED
            for verb, act in (
                ("", partial(status, ledger.k)),
                ("acquire", self._acquire),
                ("renew", self._renew),
                ("release", self._release),
            )
        }

    def held(self, body: Body) -> Document:
        """Return everything that the pod holds, and what it has lost."""
        body.done()
        return {"held": [describe(self._ledger, each) | {"state": each.state} for each in self._ledger.entries]}

    async def _acquire(self, kind: Kind, name: str, body: Body) -> Document:
        permits, priority, holder = _amount(kind, name, body), body.whole("priority"), body.text("holder")
        timeout, renew = body.duration("timeout", "0", most_ms=LONGEST_WAIT_MS), body.flag("renew", default=True)
        ttl = body.duration("ttl") if body.has("ttl") else None
        body.done()
        check_room(self._ledger)
        held = await self._ledger.acquire(
            f"{kind.key}/{name}",
            permits,
            holder=holder,
            renew=renew,
            ttl=ttl,
            timeout=timeout,
            priority=priority or 0,
        )
        return describe(self._ledger, held)

    async def _renew(self, kind: Kind, name: str, body: Body) -> Document:
        ttl = body.duration("ttl") if body.has("ttl") else None
        held = find(self._ledger, f"{kind.key}/{name}", body)
        body.done()
        await held.lease.renew(ttl)
        return describe(self._ledger, held)

    async def _release(self, kind: Kind, name: str, body: Body) -> Document:
        held = find(self._ledger, f"{kind.key}/{name}", body)
        body.done()
        outcome = await self._ledger.release(held)
        if outcome is not Released.RELEASED:
            raise LeaseLost(
                f"the lease of {held.grant.holder} on {held.grant.object} had already ended",
                hint="others may have held it meanwhile: choose a longer ttl",
            )
        return head(self._ledger.k, kind, name) | {"holder": held.grant.holder, "outcome": str(outcome)}


def _amount(kind: Kind, name: str, body: Body) -> int:
    """Return how many permits a request asks for, by what its kind calls them."""
    target = f"{kind.key}/{name}"
    if kind is Kind.SEMAPHORE:
        permits = body.whole("permits")
        return amount_of(kind, 1 if permits is None else permits, target)
    if kind is Kind.RWMUTEX:
        mode = body.text("mode")
        return SHARES["write"] if mode is None else amount_of(kind, mode, target)
    return 1
