"""What the server answers to an acquire: where the request stands, and what a refusal means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from konductor_core.codes import Code
from konductor_core.errors import AlreadyDone, AlreadyWaiting, Denied, Impossible, InvalidInput, WouldBlock
from konductor_core.flows.absence import absent
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from konductor_core.errors import KonductorError
    from konductor_core.flows.permits import Ask

__all__ = ["Reply", "refusal"]


class Reply:
    """An acquire's reply, taken apart."""

    __slots__ = ("code", "grants", "in_use", "next_change_ms", "object", "permits", "position", "waiting")

    def __init__(self, reply: list[Any]) -> None:
        self.code = reply[0]
        self.next_change_ms: int = reply[1]
        self.object: str = reply[2]
        self.position, self.waiting, self.in_use, self.permits = reply[3:7]
        self.grants = reply[7:]

    def describe(self) -> str:
        """Where a queued request stands."""
        if self.code == Code.ABSENT:
            return f"{self.object} does not exist yet"
        if self.permits == 0:
            return f"{self.object} is paused (0 permits), position {self.position} in the queue"
        return f"position {self.position} in the queue, {self.usage}"

    @property
    def usage(self) -> str:
        """How much of the object is held, in the words of its kind."""
        kind = self.object.partition("/")[0]
        if kind == Kind.ONCE.key:
            return "somebody runs it" if self.in_use else "nobody runs it"
        if kind == Kind.SEMAPHORE.key:
            return f"{self.in_use}/{self.permits} permits in use"
        if not self.in_use:
            return "nobody holds it"
        if kind != Kind.RWMUTEX.key:
            return "somebody holds it"
        return "somebody writes" if self.in_use == self.permits else f"{self.in_use} reading"


def refusal(ask: Ask, reply: Reply) -> KonductorError:
    """Return the error for a reply that is neither a grant nor a place in the queue."""
    name, held = reply.object, f"{reply.usage}, {reply.waiting} waiting"
    if reply.code == Code.ABSENT:
        return absent(next(o for o in ask.objects if o.id == name))
    if reply.code == Code.DONE:
        return AlreadyDone(f"{name} is done already", hint=f"koncli {name.replace('/', ' status ')} says by whom")
    if reply.code == Code.IMPOSSIBLE:
        permits = f"{reply.permits} permit{'s' if reply.permits > 1 else ''}"
        return Impossible(f"{name} has {permits}: {_most(ask, name)} can never be granted")
    if reply.code == Code.DUPLICATE:
        return AlreadyWaiting(
            f"holder {ask.holder} is already waiting for {name} in another process",
            hint="give this one its own --holder, or wait for the other",
        )
    if reply.code == Code.FIXED:
        return _fixed(ask, name)
    if reply.code == Code.ENDLESS:
        return InvalidInput(
            f"{name} gives leases without an end (ttl 0), and no pod is known whose end would end this one",
            hint="give a ttl, or insist with --force (force=True)",
        )
    if reply.code == Code.CANCELLED:
        return Denied(f"the request for {name} was cancelled")
    if reply.permits == 0:
        held = f"paused (0 permits), {reply.waiting} waiting"
    return WouldBlock(f"{name} would block: {held}", hint="wait with --wait or --timeout")


def _fixed(ask: Ask, name: str) -> Denied:
    """Return the error for a holder that has another share already, which its kind never changes."""
    if len(ask.objects) == 1 and ask.objects[0].kind is Kind.RWMUTEX:
        before, after = ("reads", "write") if ask.amounts[0] > 1 else ("writes", "read")
        return Denied(
            f"holder {ask.holder} {before} {name} and asks to {after}: a lock is never turned into the other",
            hint="unlock it first, and check anew afterwards: another may write in between",
        )
    return Denied(f"holder {ask.holder} already holds {name} in another way", hint="release it first")


def _most(ask: Ask, name: str) -> int:
    return max(n for o, n in zip(ask.objects, ask.amounts, strict=True) if o.id == name)
