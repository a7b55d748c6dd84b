"""The leases that a pod holds, as requests name them and replies show them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from konductor_core.amounts import mode_of
from konductor_core.durations import to_text
from konductor_core.errors import InvalidInput, NotHolder
from konductor_core.identity import Kind
from sidecar.api.http import Refusal
from sidecar.api.target import head

if TYPE_CHECKING:
    from sidecar.api.body import Body
    from sidecar.api.target import Document
    from sidecar.held import Held, Ledger

__all__ = ["MOST_LEASES", "check_room", "describe", "find"]

MOST_LEASES: Final = 100
"""How many leases a pod may hold through the API at once."""


def check_room(ledger: Ledger) -> None:
    """Raise `Refusal` if the pod holds as many leases as it may."""
    if sum(not each.grant.shown for each in ledger.held) >= MOST_LEASES:
        what = f"this pod holds {MOST_LEASES} leases already"
        raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, what, hint="release some first")


def find(ledger: Ledger, target: str, body: Body) -> Held:
    """Return the lease that a request means: the holder's, or the only one of this object.

    Raises `InvalidInput` if it could mean several, `NotHolder` if there is none.
    """
    holder, token = body.text("holder"), body.whole("token")
    found = [
        each
        for each in ledger.held
        if each.grant.object == target and holder in {None, each.grant.holder} and token in {None, each.grant.token}
    ]
    if len(found) > 1:
        holders = ", ".join(each.grant.holder for each in found)
        raise InvalidInput(f"this pod has several leases of {target}", hint=f"say which as holder: {holders}")
    if not found:
        raise NotHolder(f"this pod has no such lease of {target}", hint="GET /v1/held shows what it has")
    return found[0]


def describe(ledger: Ledger, held: Held) -> Document:
    """Return a lease as replies show it."""
    lease, grant = held.lease, held.grant
    word, _, name = grant.object.partition("/")
    kind = Kind.parse(word)
    document = head(ledger.k, kind, name) | {"holder": grant.holder}
    if kind is Kind.SEMAPHORE:
        document["permits"] = grant.permits
    if kind is Kind.RWMUTEX:
        document["mode"] = mode_of(grant.permits)
    document |= {"token": grant.token, "ttl": to_text(lease.ttl_ms)}
    if lease.ttl_ms:
        document["expiresIn"] = to_text(int(lease.expires_in * 1000))
    return document
