"""Whoever looks at the conditions of gates, in the place of the controller: says how Jobs stand, notes the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from konductor_core.flows import gates
from konductor_core.gates import Fact, Reference, judge
from konductor_core.identity import Kind
from konductor_core.keys import ObjectKeys

if TYPE_CHECKING:
    from konductor_core import Konductor

__all__ = ["look"]

FINAL = frozenset({"Complete", "Failed"})


def look(k: Konductor, name: str, **jobs: str) -> bool:
    """Look at a gate: `migrate="Running"` says how the Job `migrate` stands, any other does not exist.

    Returns whether that was news.
    """
    status = k.gate(name).status()
    verdict = judge(status.spec, k.namespace, {Reference("Job", k.namespace, job): _fact(s) for job, s in jobs.items()})
    keys = ObjectKeys(k.namespace, Kind.GATE, name)
    return k.driver.run(gates.evaluate(keys, status.epoch, status.spec, verdict))


def _fact(state: str) -> Fact:
    never = {"Complete", "Failed", "Running"} - {state} if state in FINAL else set()
    return Fact(state, frozenset({state}), never=frozenset(never))
