"""The whole of an explanation: what it is about, the chain of reasons, a deadlock if there is one, the ways out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from konductor_core.durations import rfc3339
from konductor_core.errors import InvalidInput, NotFound, did_you_mean, quoted
from konductor_core.explaining.chain import Chain, Link
from konductor_core.explaining.deadlock import Deadlock, find_deadlock
from konductor_core.explaining.remedies import Remedies, Remedy
from konductor_core.explaining.world import World, label
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from konductor_core.explaining.links import Step
    from konductor_core.flows.scenes import Ref, Scene

__all__ = ["Explanation", "explain", "explainable", "ref_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why something waits. `cycle` is the ring of a `deadlock`, which is only likely unless it is `certain`.

    `unread` is how many objects of the namespace were too many to be looked at.
    """

    subject: str
    namespace: str
    waiting: bool
    chain: tuple[Link, ...]
    deadlock: Deadlock | None
    remedies: tuple[Remedy, ...]
    now_ms: int
    unread: int = 0

    @property
    def summary(self) -> str:
        """The most important of it in a sentence."""
        return self.chain[0].text if self.deadlock is None else self.ring_text

    @property
    def ring_text(self) -> str:
        """The deadlock in a sentence; empty without one."""
        if self.deadlock is None:
            return ""
        ring = "; ".join(_step(step) for step in self.deadlock.steps)
        word = "deadlock" if self.deadlock.certain else "likely a deadlock"
        behind = "" if self.deadlock.inside else f"{self.subject} waits behind others: "
        return f"{word}: {behind}{ring}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `koncli explain`."""
        certain = {} if self.deadlock is None else {"certain": self.deadlock.certain}
        steps = () if self.deadlock is None else self.deadlock.steps
        return {
            "subject": self.subject,
            "namespace": self.namespace,
            "waiting": self.waiting,
            "deadlock": self.deadlock is not None,
            **certain,
            "summary": self.summary,
            "chain": [link.to_dict() for link in self.chain],
            "cycle": [
                {
                    "holder": step.wait.holder,
                    "waitsFor": label(step.wait.ref),
                    "blockedBy": step.blocker,
                    "at": label(step.ref),
                    "how": step.how,
                }
                for step in steps
            ],
            "remedies": [remedy.to_dict() for remedy in self.remedies],
            "unread": self.unread,
            "observedAt": rfc3339(self.now_ms),
        }


def _step(step: Step) -> str:
    """Return a step of a ring in words."""
    head = f"{step.wait.holder} waits for {label(step.wait.ref)}"
    if step.ref != step.wait.ref:
        head += f", which wants {label(step.ref)}"
    return (
        head
        + {
            "holds": f", which {step.blocker} {'runs' if step.ref[0] is Kind.ONCE else 'holds'}",
            "ahead": f" behind {step.blocker}",
            "missing": f", where {step.blocker} has not arrived",
            "member": f", of which {step.blocker} is a member",
        }[step.how]
    )


def ref_of(what: str) -> Ref | None:
    """Return the object that `kind/name` names; None for anything else."""
    word, slash, name = what.partition("/")
    if not slash or not name:
        return None
    try:
        return Kind.parse(word), name
    except InvalidInput:
        return None


def explainable(scene: Scene) -> list[str]:
    """Return all that can be explained: objects, then pods and holders."""
    world = World(scene)
    return [*(label(ref) for ref in world.refs()), *sorted(world.names())]


def explain(scene: Scene, what: str) -> Explanation:
    """Explain why an object is not free, or what a pod or holder waits for. Raises `NotFound` for an unknown name."""
    world, ref = World(scene), ref_of(what)
    chain = Chain(world)
    if ref in world.refs() and ref is not None:
        subject = label(ref)
        asked = world.waiting_for(ref)
        chain.object(ref)
    else:
        subject = what
        holders = sorted(world.names().get(what, ()))
        if not holders:
            _counted_only(world, what, chain, ref)
        for holder in holders:
            chain.holder(holder)
        asked = [wait for holder in holders for wait in world.waits_of(holder)]
    deadlock = find_deadlock(world, asked)
    remedies = Remedies(world)
    if deadlock:
        remedies.of_deadlock(deadlock)
    elif asked:
        remedies.of_waits(chain.waits)
    return Explanation(
        subject=subject,
        namespace=world.namespace,
        waiting=bool(asked),
        chain=tuple(chain.links),
        deadlock=deadlock,
        remedies=tuple(remedies.found.values()),
        now_ms=world.now_ms,
        unread=world.unread,
    )


def _counted_only(world: World, what: str, chain: Chain, ref: Ref | None) -> None:
    """Say where somebody was counted who holds and waits for nothing. Raises `NotFound` if nobody was."""
    counted = [
        f"it has arrived at {label(each)}"
        if each[0] is Kind.BARRIER
        else f"it is a member of {label(each)}, not done yet"
        for each in world.counted(what)
    ]
    if not counted:
        raise _unknown(world, what, ref)
    chain.note(f"{what} waits for nothing and holds nothing; {'; '.join(counted)}", what)


def _unknown(world: World, what: str, ref: Ref | None) -> NotFound:
    refs, names = [label(each) for each in world.refs()], world.names()
    by_name = [each for each in refs if each.partition("/")[2] == what]
    guess = by_name[0] if by_name else did_you_mean(what, [*refs, *names])
    hint = f"did you mean {guess}?" if guess else "koncli top shows all objects, who holds and who waits"
    if ref is not None:
        return NotFound(
            f"{label(ref)} does not exist in namespace {world.namespace}, and nobody waits for it", hint=hint
        )
    text = f"nobody holds, waits or has arrived under the name {quoted(what)} in namespace {world.namespace}"
    if not guess:
        hint += "; a pod that has asked for nothing yet is not known here: kubectl describe pod says what it does"
    return NotFound(text, hint=hint)
