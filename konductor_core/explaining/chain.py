"""Follows a wait from object to holder to the next object, as far as somebody waits, a sentence for each step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from konductor_core.explaining import sentences
from konductor_core.explaining.links import unmet
from konductor_core.explaining.world import label, terms
from konductor_core.models.barrier import BarrierStatus
from konductor_core.models.base import Model, count, moment, text
from konductor_core.models.gate import GateStatus
from konductor_core.models.permits import PermitStatus
from konductor_core.models.waitgroup import WaitGroupStatus

if TYPE_CHECKING:
    from konductor_core.explaining.world import Held, Wait, World
    from konductor_core.flows.scenes import Ref

__all__ = ["Chain", "Link"]

LinkType = Literal["object", "wait", "ahead", "holder", "condition", "note"]

LINKS_MOST: Final = 60
HOLDERS_SHOWN: Final = 5
WAITERS_SHOWN: Final = 5
PEOPLE_SHOWN: Final = 3
PEOPLE_FOLLOWED: Final = 2
"""How many of those who may be missing at a barrier are named, and how many of their waits are followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Model):
    """One sentence of the chain; what is deeper is the reason of what stands before it."""

    depth: int = field(metadata=count("How deep it is indented."))
    type: LinkType = field(metadata=text("What it says: object, wait, ahead, holder, condition or note."))
    holder: str = field(default="", metadata=text("Who it is about.", sparse=True))
    object: str = field(default="", metadata=text("Which object it is about.", sparse=True))
    since_ms: int | None = field(default=None, metadata=moment("Since when it holds or waits."))
    expires_ms: int | None = field(default=None, metadata=moment("Until when it holds, unless it renews."))
    text: str = field(metadata=text("The sentence."))


class Chain:
    """The links that were followed so far. Each holder and each object is followed once."""

    def __init__(self, world: World) -> None:
        self.links: list[Link] = []
        self.waits: list[Wait] = []
        """All waits that were followed, in the order of the links."""
        self._world = world
        self._followed: set[object] = set()
        self._full = False

    def _add(self, depth: int, kind: LinkType, text: str, **about: Any) -> None:  # noqa: ANN401 - of a Link
        if len(self.links) < LINKS_MOST:
            self.links.append(Link(depth=depth, type=kind, text=text, **about))
        elif not self._full:
            self._full = True
            more = "there is more than is shown here: explain one of these by its name"
            self.links.append(Link(depth=0, type="note", text=more))

    def _is_new(self, what: object) -> bool:
        is_new = what not in self._followed
        self._followed.add(what)
        return is_new

    # ------------------------------------------------------------------- where it begins

    def holder(self, name: str) -> None:
        """Follow all that a holder waits for; say what it holds if it waits for nothing."""
        if not self._is_new(name):
            return
        requests = {wait.request: wait for wait in self._world.waits_of(name)}
        for wait in requests.values():
            self._wait(wait, 0)
        if not requests:
            self._add(0, "note", f"{name} waits for nothing", holder=name)
        for held in self._world.held_by(name):
            if (name, held.ref) not in self._followed:
                self._holds(held, 1)

    def note(self, text: str, holder: str) -> None:
        """Say something of somebody who neither holds nor waits."""
        self._add(0, "note", text, holder=holder)

    def object(self, ref: Ref) -> None:
        """Say how an object stands, and follow what keeps those waiting who wait for it."""
        self._add(0, "object", f"{label(ref)}: {sentences.standing(self._world, ref)}", object=label(ref))
        waits = self._world.waiting_for(ref)
        self._reasons(ref, 1)
        for wait in waits[:WAITERS_SHOWN]:
            if self._is_new(wait.holder):
                self._wait(wait, 1)
        if not waits:
            self._add(1, "note", f"nobody waits for {label(ref)}", object=label(ref))
        elif self._world.waiting(ref) > WAITERS_SHOWN:
            more = self._world.waiting(ref) - WAITERS_SHOWN
            self._add(1, "note", f"{more} more {'waits' if more == 1 else 'wait'} for {label(ref)}", object=label(ref))

    # ------------------------------------------------------------------------ a wait

    def _wait(self, wait: Wait, depth: int) -> None:
        parts = self._world.together(wait)
        if len(parts) > 1:
            text = f"{wait.holder} asks for {len(parts)} objects at once, and gets all or none: {_listed(parts)}"
            self._add(depth, "note", text, holder=wait.holder, since_ms=wait.since_ms)
            depth += 1
        for part in parts:
            self.waits.append(part)
            text = sentences.waiting(self._world, part)
            self._add(depth, "wait", text, holder=part.holder, object=label(part.ref), since_ms=part.since_ms)
            self._before(part, depth + 1)
            self._reasons(part.ref, depth + 1)

    def _before(self, wait: Wait, depth: int) -> None:
        """Name the first in the queue, if that is what keeps this one from its turn."""
        status = self._world.statuses.get(wait.ref)
        if wait.place is None or wait.place.position == 1 or not isinstance(status, PermitStatus):
            return
        spec = terms(status)
        for first in self._world.queues[wait.ref][: wait.place.position - 1]:
            if spec.policy == "Strict" or first.since_ms + spec.max_bypass_ms <= status.now_ms:
                text = sentences.ahead(self._world, first)
                self._add(depth, "ahead", text, holder=first.holder, object=label(first.ref), since_ms=first.since_ms)
                if self._is_new(first.holder):
                    self._onwards(first.holder, depth + 1, but=first.request)
                return

    def _onwards(self, holder: str, depth: int, but: str = "") -> None:
        """Follow what a holder itself waits for."""
        requests = {wait.request: wait for wait in self._world.waits_of(holder) if wait.request != but}
        for wait in requests.values():
            self._wait(wait, depth)

    # ----------------------------------------------------------------------- an object

    def _reasons(self, ref: Ref, depth: int) -> None:
        """Say who or what keeps an object from being free, or from opening."""
        status = self._world.statuses.get(ref)
        if status is None or not self._is_new(ref):
            return
        match status:
            case PermitStatus():
                self._holders(ref, depth, status.holders_total)
            case BarrierStatus():
                self._absentees(status, depth)
            case WaitGroupStatus():
                for member in status.members[:HOLDERS_SHOWN]:
                    self._person(member.id, depth)
            case GateStatus():
                self._conditions(status, depth)

    def _holders(self, ref: Ref, depth: int, total: int) -> None:
        # Those who wait themselves are the reason; of the others the one whose lease ends first comes first.
        held = sorted(self._world.held[ref], key=lambda each: not self._world.waits_of(each.holder))
        for each in held[:HOLDERS_SHOWN]:
            self._holds(each, depth)
            self._person(each.holder, depth + 1)
        if total > HOLDERS_SHOWN:
            more = total - HOLDERS_SHOWN
            self._add(depth, "note", f"{more} more {'holds' if more == 1 else 'hold'} {label(ref)}", object=label(ref))

    def _holds(self, held: Held, depth: int) -> None:
        lease = held.lease
        self._followed.add((held.holder, held.ref))
        self._add(
            depth,
            "holder",
            sentences.holding(self._world, held),
            holder=held.holder,
            object=label(held.ref),
            since_ms=lease.since_ms,
            expires_ms=lease.expires_ms,
        )

    def _person(self, name: str, depth: int) -> None:
        """Follow what somebody waits for who was named; one who was followed before is only said to wait."""
        if self._is_new(name):
            self._onwards(name, depth)
        elif waits := self._world.waits_of(name):
            self._add(depth, "note", f"{name} itself waits for {_listed(waits)}, as said above", holder=name)

    def _absentees(self, status: BarrierStatus, depth: int) -> None:
        """Name those who hold or wait for something here and have not arrived: perhaps they are missing."""
        if status.phase != "Waiting":
            return
        arrived = {each.id for each in status.arrivals}
        at_it = {wait.holder for wait in self._world.waiting_for((status.kind, status.name))}
        others = sorted(
            self._world.holders() - arrived - at_it, key=lambda name: (not self._world.waits_of(name), name)
        )
        if others:
            who = sentences.named([f"{name} ({self._busy(name)})" for name in others[:PEOPLE_SHOWN]], len(others))
            text = f"not among the arrivals, though known here: {who}"
            self._add(depth, "note", text, object=label((status.kind, status.name)))
        for name in others[:PEOPLE_FOLLOWED]:
            self._person(name, depth + 1)

    def _busy(self, name: str) -> str:
        if waits := self._world.waits_of(name):
            return f"waits for {_listed(waits)}"
        return f"holds {sentences.named([label(held.ref) for held in self._world.held_by(name)])}"

    def _conditions(self, status: GateStatus, depth: int) -> None:
        for each in unmet(status) if status.phase == "Waiting" else ():
            what = f"{each.type.lower()}/{each.name}"
            wanted = f"at least {each.value}" if each.value else each.state
            where = "" if each.is_here else f" of namespace {each.namespace}"
            self._add(depth, "condition", f"it wants {what}{where} {wanted}: {each.message}", object=what)
            if each.ref:
                self._reasons(each.ref, depth + 1)


def _listed(waits: list[Wait]) -> str:
    return sentences.named([label(wait.ref) for wait in waits])
