"""Barriers, wait groups and gates: whoever arrives, is done or opens, and whoever waits."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from konductor_core.identity import Kind, arrival_id
from sidecar.api.target import LONGEST_WAIT_MS, head, status

if TYPE_CHECKING:
    from konductor_core.flows.waitgroups import Counted
    from sidecar.api.body import Body
    from sidecar.api.target import Document, Verb
    from sidecar.held import Ledger

__all__ = ["Latches"]

PATIENCE = "60s"
"""How long what counts waits for an object that does not exist yet."""


class Latches:
    """The verbs of barriers, wait groups and gates."""

    def __init__(self, ledger: Ledger) -> None:
        self._k = ledger.k
        self.verbs: dict[tuple[Kind, str], Verb] = {
            (Kind.BARRIER, ""): partial(status, self._k),
            (Kind.BARRIER, "arrive"): self._arrive,
            (Kind.BARRIER, "wait"): self._wait_open,
            (Kind.WAITGROUP, ""): partial(status, self._k),
            (Kind.WAITGROUP, "add"): self._add,
            (Kind.WAITGROUP, "done"): self._done,
            (Kind.WAITGROUP, "wait"): self._wait_done,
            (Kind.GATE, ""): partial(status, self._k),
            **{(Kind.GATE, act): partial(self._override, act) for act in ("open", "close", "auto")},
            (Kind.GATE, "wait"): self._wait_gate,
        }

    async def _arrive(self, kind: Kind, name: str, body: Body) -> Document:
        given = body.text("arrivalId")
        who = arrival_id(os.environ, self._k.settings.holder) if given is None else given
        patience = body.duration("timeout", PATIENCE, most_ms=LONGEST_WAIT_MS)
        body.done()
        arrived = await self._k.barrier(name).arrive(who, patience=patience)
        return head(self._k, kind, name) | {
            "arrivalId": who,
            "counted": arrived.counted,
            "phase": str(arrived.phase),
            "arrived": arrived.arrived,
            "expected": arrived.expected,
            "cycle": arrived.cycle,
        }

    async def _wait_open(self, kind: Kind, name: str, body: Body) -> Document:
        timeout, cycle = body.duration("timeout", "30s", most_ms=LONGEST_WAIT_MS), body.whole("cycle")
        body.done()
        opened = await self._k.barrier(name).wait(timeout, cycle=cycle)
        fields = {"phase": "Open", "arrived": opened.arrived, "needed": opened.needed, "cycle": opened.cycle}
        return head(self._k, kind, name) | fields

    async def _add(self, kind: Kind, name: str, body: Body) -> Document:
        member, count, patience = _members(body)
        counted = await self._k.waitgroup(name).add(member, count=count, patience=patience)
        return head(self._k, kind, name) | _counted(counted)

    async def _done(self, kind: Kind, name: str, body: Body) -> Document:
        member, count, patience = _members(body)
        counted = await self._k.waitgroup(name).done(member, count=count, patience=patience)
        return head(self._k, kind, name) | _counted(counted)

    async def _wait_done(self, kind: Kind, name: str, body: Body) -> Document:
        timeout = body.duration("timeout", "30s", most_ms=LONGEST_WAIT_MS)
        allow_idle = body.flag("allowIdle", default=False)
        body.done()
        finished = await self._k.waitgroup(name).wait(timeout, allow_idle=allow_idle)
        phase = "Done" if finished.added else "Idle"
        return head(self._k, kind, name) | {"phase": phase, "added": finished.added, "round": finished.round}

    async def _override(self, act: str, kind: Kind, name: str, body: Body) -> Document:
        body.done()
        overridden = await getattr(self._k.gate(name), act)()
        return head(self._k, kind, name) | {"phase": overridden.phase, "changed": overridden.changed}

    async def _wait_gate(self, kind: Kind, name: str, body: Body) -> Document:
        timeout = body.duration("timeout", "30s", most_ms=LONGEST_WAIT_MS)
        body.done()
        passed = await self._k.gate(name).wait(timeout)
        return head(self._k, kind, name) | {"phase": "Open", "met": passed.met, "total": passed.total}


def _members(body: Body) -> tuple[str | None, int, str]:
    """Return who is added or done: a name, or so many without one; and the patience."""
    member, count = body.text("member"), body.whole("count")
    patience = body.duration("timeout", PATIENCE, most_ms=LONGEST_WAIT_MS)
    body.done()
    return member, 1 if count is None else count, patience


def _counted(counted: Counted) -> Document:
    return {
        "counted": counted.counted,
        "counter": counted.counter,
        "phase": str(counted.phase),
        "round": counted.round,
    }
