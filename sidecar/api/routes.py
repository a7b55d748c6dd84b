"""What each path of the API does. `docs/local-api.yaml` describes the same as OpenAPI."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from konductor_core import identity
from konductor_core.amounts import mode_of
from konductor_core.durations import MINUTE, to_text
from konductor_core.errors import (
    AlreadyWaiting,
    Denied,
    Failed,
    Impossible,
    InvalidInput,
    KonductorError,
    LeaseLost,
    NotFound,
    NotHolder,
    Unavailable,
    WaitTimeout,
    WouldBlock,
    quoted,
)
from konductor_core.flows.leases import Released
from konductor_core.identity import Kind
from sidecar.api.body import Body
from sidecar.api.http import Refusal, Reply

if TYPE_CHECKING:
    from sidecar.api.http import Request
    from sidecar.held import Held, Ledger

__all__ = ["LONGEST_WAIT_MS", "MOST_LEASES", "Routes", "status_of"]

LONGEST_WAIT_MS: Final = 5 * MINUTE
"""How long one request may wait: ask again after that."""
MOST_LEASES: Final = 100
"""How many leases a pod may hold through the API at once."""

Document = dict[str, Any]
Verb = Callable[[str, Body], Awaitable[Document]]

_STATUS: Final[dict[type[KonductorError], HTTPStatus]] = {
    NotFound: HTTPStatus.NOT_FOUND,
    WaitTimeout: HTTPStatus.GATEWAY_TIMEOUT,
    WouldBlock: HTTPStatus.CONFLICT,
    AlreadyWaiting: HTTPStatus.CONFLICT,
    NotHolder: HTTPStatus.CONFLICT,
    Impossible: HTTPStatus.UNPROCESSABLE_ENTITY,
    Denied: HTTPStatus.FORBIDDEN,
    Failed: HTTPStatus.GONE,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    InvalidInput: HTTPStatus.BAD_REQUEST,
}


def status_of(error: KonductorError) -> HTTPStatus:
    """Return the status of a reply that says this error."""
    if isinstance(error, Refusal):
        return error.status
    return next((_STATUS[each] for each in type(error).__mro__ if each in _STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    act: Verb


class Routes:
    """The paths of the API, over what the pod holds."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._routes = {
            ("barriers", ""): _Route("GET", self._barrier),
            ("barriers", "arrive"): _Route("POST", self._arrive),
            ("barriers", "wait"): _Route("POST", self._wait),
            ("semaphores", ""): _Route("GET", self._semaphore),
            ("semaphores", "acquire"): _Route("POST", self._acquire),
            ("semaphores", "renew"): _Route("POST", self._renew),
            ("semaphores", "release"): _Route("POST", self._release),
            ("leases", ""): _Route("GET", self._leases),
        }

    async def answer(self, request: Request) -> Reply:
        """Return the reply to a request, errors included. A cancellation ends what the request waits for."""
        try:
            route, name = self._find(request)
            return Reply(HTTPStatus.OK, await route.act(name, Body(request.body)))
        except KonductorError as error:
            status = status_of(error)
            headers = {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
            return Reply(status, error.to_dict(), headers)

    def _find(self, request: Request) -> tuple[_Route, str]:
        path, query, _ = request.path.partition("?")
        version, _, rest = path.removeprefix("/").partition("/")
        kind, *parts = rest.split("/")
        named = kind != "leases"
        name, verb = (parts[0] if parts else "", "/".join(parts[1:])) if named else ("", "/".join(parts))
        route = self._routes.get((kind, verb)) if version == "v1" else None
        if route is None or (named and not name):
            known = [f"/v1/{each}/NAME/{verb}".removesuffix("/") for each, verb in self._routes if each != "leases"]
            raise Refusal(
                HTTPStatus.NOT_FOUND,
                f"there is no path {quoted(path)}",
                hint=f"known are /v1/leases, {', '.join(known)}",
            )
        if query:
            raise InvalidInput(f"the query {quoted(path)} is not read: send a JSON object as body")
        if request.method != route.method:
            raise Refusal(
                HTTPStatus.METHOD_NOT_ALLOWED, f"{quoted(request.method)} is not for {path}", hint=f"use {route.method}"
            )
        return route, identity.check_name(name) if named else ""

    # ---- barriers

    async def _barrier(self, name: str, body: Body) -> Document:
        body.done()
        return (await self._ledger.k.barrier(name).status()).to_dict()

    async def _arrive(self, name: str, body: Body) -> Document:
        who = body.text("arrivalId") or identity.arrival_id(os.environ, self._ledger.k.settings.holder)
        patience = body.duration("timeout", "60s", most_ms=LONGEST_WAIT_MS)
        body.done()
        arrived = await self._ledger.k.barrier(name).arrive(who, patience=patience or "60s")
        return self._head("Barrier", name) | {
            "arrivalId": who,
            "counted": arrived.counted,
            "phase": str(arrived.phase),
            "arrived": arrived.arrived,
            "expected": arrived.expected,
            "cycle": arrived.cycle,
        }

    async def _wait(self, name: str, body: Body) -> Document:
        timeout, cycle = body.duration("timeout", "30s", most_ms=LONGEST_WAIT_MS), body.whole("cycle")
        body.done()
        opened = await self._ledger.k.barrier(name).wait(timeout, cycle=cycle)
        fields = {"phase": "Open", "arrived": opened.arrived, "needed": opened.needed, "cycle": opened.cycle}
        return self._head("Barrier", name) | fields

    # ---- semaphores

    async def _semaphore(self, name: str, body: Body) -> Document:
        body.done()
        return (await self._ledger.k.semaphore(name).status()).to_dict()

    async def _acquire(self, name: str, body: Body) -> Document:
        permits, priority, holder = body.whole("permits"), body.whole("priority"), body.text("holder")
        ttl, timeout = body.duration("ttl"), body.duration("timeout", "0", most_ms=LONGEST_WAIT_MS)
        renew = body.flag("renew", default=True)
        body.done()
        if sum(not each.grant.shown for each in self._ledger.held) >= MOST_LEASES:
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS, f"this pod holds {MOST_LEASES} leases already", hint="release some first"
            )
        held = await self._ledger.acquire(
            name,
            1 if permits is None else permits,
            holder=holder,
            renew=renew,
            ttl=ttl,
            timeout=timeout,
            priority=priority or 0,
        )
        return self._lease(held)

    async def _renew(self, name: str, body: Body) -> Document:
        ttl = body.duration("ttl")
        held = self._held(name, body)
        body.done()
        await held.lease.renew(ttl)
        return self._lease(held)

    async def _release(self, name: str, body: Body) -> Document:
        held = self._held(name, body)
        body.done()
        outcome = await self._ledger.release(held)
        if outcome is not Released.RELEASED:
            raise LeaseLost(
                f"the lease of {held.grant.holder} on {held.grant.object} had already ended",
                hint="others may have held it meanwhile: choose a longer ttl",
            )
        return self._head("Semaphore", name) | {"holder": held.grant.holder, "outcome": str(outcome)}

    def _held(self, name: str, body: Body) -> Held:
        """Return the lease that a request means: the holder's, or the only one of this semaphore."""
        holder, token = body.text("holder"), body.whole("token")
        found = [
            each
            for each in self._ledger.held
            if each.grant.object == f"semaphore/{name}"
            and holder in {None, each.grant.holder}
            and token in {None, each.grant.token}
        ]
        if len(found) > 1:
            holders = ", ".join(each.grant.holder for each in found)
            raise InvalidInput(
                f"this pod has several leases of semaphore/{name}", hint=f"say which as holder: {holders}"
            )
        if not found:
            raise NotHolder(
                f"this pod has no such lease of semaphore/{name}", hint="GET /v1/leases shows what it holds"
            )
        return found[0]

    async def _leases(self, _name: str, body: Body) -> Document:
        body.done()
        return {"leases": [self._lease(each) | {"state": each.state} for each in self._ledger.entries]}

    def _lease(self, held: Held) -> Document:
        lease, grant = held.lease, held.grant
        kind = Kind.parse(grant.kind)
        document = self._head(str(kind), grant.name) | {"holder": grant.holder}
        if kind is Kind.SEMAPHORE:
            document["permits"] = grant.permits
        if kind is Kind.RWMUTEX:
            document["mode"] = mode_of(grant.permits)
        document |= {"token": grant.token, "ttl": to_text(lease.ttl_ms)}
        if lease.ttl_ms:
            document["expiresIn"] = to_text(int(lease.expires_in * 1000))
        return document

    def _head(self, kind: str, name: str) -> Document:
        return {"kind": kind, "name": name, "namespace": self._ledger.k.namespace}
