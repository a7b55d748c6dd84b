"""How objects, leases and waits are put into words. Durations are seen from the moment of the snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from konductor_core.durations import about
from konductor_core.explaining.world import is_lock, label, terms
from konductor_core.identity import Kind
from konductor_core.models.barrier import BarrierStatus
from konductor_core.models.once import OnceStatus
from konductor_core.models.permits import PermitStatus
from konductor_core.models.semaphore import SemaphoreStatus
from konductor_core.models.waitgroup import WaitGroupStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from konductor_core.explaining.world import Held, Wait, World
    from konductor_core.flows.scenes import Ref
    from konductor_core.models.gate import GateStatus

__all__ = ["ahead", "holding", "named", "standing", "waiting"]

NAMES_SHOWN = 5


def named(names: Sequence[str], total: int | None = None) -> str:
    """Return a list of names for people: `a, b and 3 more`; `total` is how many there are if not all are given."""
    count = len(names) if total is None else total
    shown = names[:NAMES_SHOWN]
    if count > len(shown):
        return f"{', '.join(shown)} and {count - len(shown)} more" if shown else str(count)
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def counted(number: int, what: str) -> str:
    """Return `1 permit`, `2 permits`."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def amount(kind: Kind, permits: int, mode: str) -> str:
    """Return how much of an object that is: permits, or to read or write; empty where there is one only."""
    if is_lock(kind):
        return ""
    return f"to {mode}" if kind is Kind.RWMUTEX else counted(permits, "permit")


def waiting(world: World, wait: Wait) -> str:
    """Return who waits for what, since when, and what keeps it from getting it, in a sentence."""
    head = f"{wait.holder} has waited for {label(wait.ref)} for {about(max(0, world.now_ms - wait.since_ms))}"
    status = world.statuses.get(wait.ref)
    if status is None:
        return f"{head}: it does not exist, nobody has made it yet"
    if wait.place is None:
        return f"{head}: {standing(world, wait.ref)}"
    return f"{head}: {_asking(world, wait)}"


def _asking(world: World, wait: Wait) -> str:
    place, status = wait.place, world.statuses[wait.ref]
    if place is None or not isinstance(status, PermitStatus):
        return ""
    wants = amount(wait.ref[0], place.permits, place.mode)
    facts = [f"it wants {wants}"] if wants else []
    if isinstance(status, SemaphoreStatus) and status.spec.permits:
        facts = [f"{facts[0]}, {status.available} of {status.spec.permits} {_are(status.available)} free"]
    elif isinstance(status, SemaphoreStatus):
        facts.append("the semaphore is paused, so it gives none")
    next_up = "it is to run it next" if wait.ref[0] is Kind.ONCE else "it is next"
    turn = next_up if place.position == 1 else f"it is number {place.position} of {status.waiting} in the queue"
    facts.append(turn + (f", with priority {place.priority}" if place.priority else ""))
    return "; ".join(facts)


def ahead(world: World, wait: Wait) -> str:
    """Return who stands before others in a queue, and why nobody passes it."""
    place, status = wait.place, world.statuses.get(wait.ref)
    if place is None or not isinstance(status, PermitStatus):
        return ""
    wants = amount(wait.ref[0], place.permits, place.mode)
    age = about(max(0, world.now_ms - wait.since_ms))
    text = f"{wait.holder} has stood before it for {age}" + (f" and wants {wants}" if wants else "")
    if place.priority:
        text += f", with priority {place.priority}"
    if terms(status).policy == "Backfill":
        return f"{text}; that is longer than {about(terms(status).max_bypass_ms)}, so nobody may pass it any more"
    return f"{text}; turns are taken in order, so nobody may pass it"


def holding(world: World, held: Held) -> str:
    """Return who holds how much of what, since when, and until when."""
    lease = held.lease
    share = amount(held.ref[0], lease.permits, lease.mode)
    what = f"{share} of {label(held.ref)}" if held.ref[0] is Kind.SEMAPHORE else f"{label(held.ref)} {share}".rstrip()
    where = f" (pod {lease.pod})" if lease.pod and not held.holder.startswith(lease.pod) else ""
    age = about(max(0, world.now_ms - lease.since_ms))
    if lease.pending:
        left = about(max(0, (lease.expires_ms or 0) - world.now_ms))
        return f"{held.holder}{where} was granted {what}, and has yet to confirm: else the next one gets it in {left}"
    verb = "run" if held.ref[0] is Kind.ONCE else "held"
    return f"{held.holder}{where} has {verb} {what} for {age}; {_until(world, held)}"


def _until(world: World, held: Held) -> str:
    lease = held.lease
    if lease.expires_ms is None:
        gone = f", or pod {lease.pod} is gone" if lease.uid and lease.pod else ""
        return f"the lease has no end: it lasts until it is released{gone}"
    left = about(max(0, lease.expires_ms - world.now_ms))
    return f"the lease expires in {left}, " + ("and was renewed so far" if held.renewed else "unless it is renewed")


def standing(world: World, ref: Ref) -> str:
    """Return how an object stands: what is free, who is missing, what is not done."""
    status = world.statuses.get(ref)
    match status:
        case None:
            return "it does not exist, nobody has made it yet"
        case BarrierStatus():
            return _barrier(status)
        case WaitGroupStatus():
            return _waitgroup(status)
        case OnceStatus():
            return _once(status)
        case SemaphoreStatus():
            free = f"{status.in_use} of {counted(status.spec.permits, 'permit')} in use"
            return "it is paused: it has no permits" if not status.spec.permits else free
        case PermitStatus():
            return f"it is {_spaced(status.phase)}"
        case _:
            return _gate(cast("GateStatus", status))


def _spaced(phase: str) -> str:
    return {"ReadLocked": "locked to read", "WriteLocked": "locked to write"}.get(phase, phase.lower())


def _barrier(status: BarrierStatus) -> str:
    needed = status.spec.needed
    if status.phase == "Failed":
        return f"it has failed: {status.reason}"
    if status.phase == "Open":
        return f"it is open: {status.arrived} of {needed} needed have arrived"
    who = f" ({named([each.id for each in status.arrivals], status.arrived)})" if status.arrived else ""
    cycle = f" in cycle {status.cycle}" if status.cycle else ""
    missing = f"{status.remaining} {_are(status.remaining)} missing"
    end = "" if status.deadline_ms is None else f"; it fails in {about(max(0, status.deadline_ms - status.now_ms))}"
    return f"{status.arrived} of {needed} have arrived{cycle}{who}, {missing}{end}"


def _waitgroup(status: WaitGroupStatus) -> str:
    if status.phase == "Idle":
        return "it is idle: no member was added yet"
    if status.phase == "Done":
        return f"it is done: none of {counted(status.added, 'member')} is left"
    names = named([each.id for each in status.members], status.members_total) if status.members_total else ""
    unnamed = f"{status.anonymous} without a name" if status.anonymous else ""
    who = " and ".join(filter(None, (names, unnamed)))
    return f"{status.counter} of {counted(status.added, 'member')} {_are(status.counter)} not done: {who}"


def _once(status: OnceStatus) -> str:
    failed = ""
    if status.failures:
        failed = f"; {counted(status.failures, 'run')} failed, the last by {status.failed_by}: {status.reason}"
    if status.phase == "Done":
        return f"it is done, by {status.executor}"
    runner = f"{status.executor} runs it" if status.phase == "Running" else "nobody runs it"
    return runner + failed


def _gate(gate: GateStatus) -> str:
    if gate.override == "Closed":
        return "it was closed by hand"
    if gate.phase == "Open":
        return "it is open" + (", by hand" if gate.override else "")
    if gate.phase == "Failed":
        return f"it has failed: {gate.reason}"
    if not gate.total:
        return "it has no conditions, and opens by hand only"
    left = "" if gate.deadline_ms is None else f"; it fails in {about(max(0, gate.deadline_ms - gate.now_ms))}"
    nobody = "; nobody looks at its conditions: is the controller running?" if gate.unattended else ""
    return f"{gate.met} of {gate.total} conditions met{left}{nobody}"
