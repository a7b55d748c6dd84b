"""Semaphores, leases, mutexes and RWMutexes: what the pod holds of them, by annotation and through this API."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from konductor_core.amounts import LEASED, SHARES, amount_of, leased_object, mode_of
from konductor_core.durations import to_text
from konductor_core.errors import InvalidInput, LeaseLost, NotHolder
from konductor_core.flows.leases import Released
from konductor_core.identity import Kind
from sidecar.api.http import Refusal
from sidecar.api.target import LONGEST_WAIT_MS, head, status

if TYPE_CHECKING:
    from sidecar.api.body import Body
    from sidecar.api.target import Document, Verb
    from sidecar.held import Held, Ledger

__all__ = ["MOST_LEASES", "Permits"]

MOST_LEASES: Final = 100
"""How many leases a pod may hold through the API at once."""


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
        return {"held": [self._describe(each) | {"state": each.state} for each in self._ledger.entries]}

    async def _acquire(self, kind: Kind, name: str, body: Body) -> Document:
        permits, priority, holder = _amount(kind, name, body), body.whole("priority"), body.text("holder")
        timeout, renew = body.duration("timeout", "0", most_ms=LONGEST_WAIT_MS), body.flag("renew", default=True)
        ttl = body.duration("ttl") if body.has("ttl") else None
        body.done()
        if sum(not each.grant.shown for each in self._ledger.held) >= MOST_LEASES:
            what = f"this pod holds {MOST_LEASES} leases already"
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, what, hint="release some first")
        held = await self._ledger.acquire(
            f"{kind.key}/{name}",
            permits,
            holder=holder,
            renew=renew,
            ttl=ttl,
            timeout=timeout,
            priority=priority or 0,
        )
        return self._describe(held)

    async def _renew(self, kind: Kind, name: str, body: Body) -> Document:
        ttl = body.duration("ttl") if body.has("ttl") else None
        held = self._find(f"{kind.key}/{name}", body)
        body.done()
        await held.lease.renew(ttl)
        return self._describe(held)

    async def _release(self, kind: Kind, name: str, body: Body) -> Document:
        held = self._find(f"{kind.key}/{name}", body)
        body.done()
        outcome = await self._ledger.release(held)
        if outcome is not Released.RELEASED:
            raise LeaseLost(
                f"the lease of {held.grant.holder} on {held.grant.object} had already ended",
                hint="others may have held it meanwhile: choose a longer ttl",
            )
        return head(self._ledger.k, kind, name) | {"holder": held.grant.holder, "outcome": str(outcome)}

    def _find(self, target: str, body: Body) -> Held:
        """Return the lease that a request means: the holder's, or the only one of this object."""
        holder, token = body.text("holder"), body.whole("token")
        found = [
            each
            for each in self._ledger.held
            if each.grant.object == target and holder in {None, each.grant.holder} and token in {None, each.grant.token}
        ]
        if len(found) > 1:
            holders = ", ".join(each.grant.holder for each in found)
            raise InvalidInput(f"this pod has several leases of {target}", hint=f"say which as holder: {holders}")
        if not found:
            raise NotHolder(f"this pod has no such lease of {target}", hint="GET /v1/held shows what it has")
        return found[0]

    def _describe(self, held: Held) -> Document:
        lease, grant = held.lease, held.grant
        kind, name = leased_object(grant.object)
        document = head(self._ledger.k, kind, name) | {"holder": grant.holder}
        if kind is Kind.SEMAPHORE:
            document["permits"] = grant.permits
        if kind is Kind.RWMUTEX:
            document["mode"] = mode_of(grant.permits)
        document |= {"token": grant.token, "ttl": to_text(lease.ttl_ms)}
        if lease.ttl_ms:
            document["expiresIn"] = to_text(int(lease.expires_in * 1000))
        return document


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
