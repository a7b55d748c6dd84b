"""What is done once: begun under a lease that the keeper renews, completed, or waited for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from konductor_core.errors import NotHolder
from konductor_core.identity import Kind, check_text
from sidecar.api.leases import check_room, describe, find
from sidecar.api.target import LONGEST_WAIT_MS, head, status

if TYPE_CHECKING:
    from konductor_core.flows.onces import Completed
    from sidecar.api.body import Body
    from sidecar.api.target import Document, Verb
    from sidecar.held import Held, Ledger

__all__ = ["Onces"]


class Onces:
    """The verbs of onces. That it was not ended yet when the pod ends lets another run it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._k = ledger.k
        self.verbs: dict[tuple[Kind, str], Verb] = {
            (Kind.ONCE, ""): partial(status, ledger.k),
            (Kind.ONCE, "begin"): self._begin,
            (Kind.ONCE, "renew"): self._renew,
            (Kind.ONCE, "complete"): self._complete,
            (Kind.ONCE, "fail"): self._fail,
            (Kind.ONCE, "wait"): self._wait,
        }

    async def _begin(self, kind: Kind, name: str, body: Body) -> Document:
        holder, renew = body.text("holder"), body.flag("renew", default=True)
        timeout = body.duration("timeout", "0", most_ms=LONGEST_WAIT_MS)
        ttl = body.duration("ttl") if body.has("ttl") else None
        body.done()
        check_room(self._ledger)
        target = f"{kind.key}/{name}"
        held = await self._ledger.acquire(target, 1, holder=holder, renew=renew, ttl=ttl, timeout=timeout)
        return describe(self._ledger, held)

    async def _renew(self, kind: Kind, name: str, body: Body) -> Document:
        ttl = body.duration("ttl") if body.has("ttl") else None
        held = find(self._ledger, f"{kind.key}/{name}", body)
        body.done()
        await held.lease.renew(ttl)
        return describe(self._ledger, held)

    async def _complete(self, kind: Kind, name: str, body: Body) -> Document:
        result = check_text(body.text("result") or "", "result")
        done = await self._completed(kind, name, body, result)
        fields = {"phase": "Done", "executor": done.executor, "counted": done.counted}
        return head(self._k, kind, name) | fields

    async def _completed(self, kind: Kind, name: str, body: Body, result: str) -> Completed:
        """Complete what the pod runs, or say once more that it was completed, if the first reply was lost."""
        held = self._run(kind, name, body)
        holder, token = body.text("holder"), body.whole("token")
        body.done()
        if held is None:
            return await self._k.once(name).complete(holder, token, result=result)
        return await self._ledger.finish(held, lambda run: run.complete(result))

    async def _fail(self, kind: Kind, name: str, body: Body) -> Document:
        reason = check_text(body.text("reason") or "", "reason")
        held = find(self._ledger, f"{kind.key}/{name}", body)
        body.done()
        await self._ledger.finish(held, lambda run: run.fail(reason))
        return head(self._k, kind, name) | {"phase": "Pending", "failedBy": held.grant.holder}

    def _run(self, kind: Kind, name: str, body: Body) -> Held | None:
        try:
            return find(self._ledger, f"{kind.key}/{name}", body)
        except NotHolder:
            if not body.has("holder"):
                raise
            return None

    async def _wait(self, kind: Kind, name: str, body: Body) -> Document:
        timeout = body.duration("timeout", "30s", most_ms=LONGEST_WAIT_MS)
        body.done()
        done = await self._k.once(name).wait(timeout)
        return head(self._k, kind, name) | {"phase": "Done", "executor": done.executor}
