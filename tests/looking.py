"""Whoever looks at the conditions of gates, in the place of the controller: says how Jobs stand, notes the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from konductor_core.facts import Fact, fact_of
from konductor_core.flows import gates, snapshots
from konductor_core.gates import Reference, judge, references
from konductor_core.identity import Kind
from konductor_core.keys import ObjectKeys

if TYPE_CHECKING:
    from konductor_core import Konductor
    from konductor_core.models import GateStatus, Status

__all__ = ["look", "look_at_ours"]

FINAL = frozenset({"Complete", "Failed"})


def look(k: Konductor, name: str, **jobs: str) -> bool:
    """Look at a gate: `migrate="Running"` says how the Job `migrate` stands, any other does not exist.

    Returns whether that was news.
    """
    return _note(k, k.gate(name).status(), {Reference("Job", k.namespace, job): _fact(s) for job, s in jobs.items()})


def look_at_ours(k: Konductor, name: str) -> bool:
    """Look at a gate whose conditions are all about objects of ours that exist."""
    status, facts = k.gate(name).status(), {}
    for each in references(status.spec, k.namespace):
        found: Status = k.driver.run(snapshots.glance(ObjectKeys(each.namespace, Kind(each.type), each.name)))
        facts[each] = fact_of(found)
    return _note(k, status, facts)


def _note(k: Konductor, status: GateStatus, facts: dict[Reference, Fact]) -> bool:
    keys = ObjectKeys(k.namespace, Kind.GATE, status.name)
    verdict = judge(status.spec, k.namespace, facts)
    return k.driver.run(gates.evaluate(keys, status.epoch, status.spec, verdict))


def _fact(state: str) -> Fact:
    never = {"Complete", "Failed", "Running"} - {state} if state in FINAL else set()
    return Fact(state, frozenset({state}), never=frozenset(never))
