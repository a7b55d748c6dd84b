"""Whether a gate opens: facts about other objects in, a verdict out. Pure.

The controller and the local runner supply the facts, each of its own world. What is not there is not met yet; what can
no longer come true fails the gate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from konductor_core.facts import Fact
from konductor_core.models import Check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.models import Condition, GateSpec, GateStatus, GateVerdict

__all__ = [
    "Reference",
    "Verdict",
    "forbidden",
    "is_news",
    "judge",
    "may_look",
    "reference_of",
    "references",
]

NAMED: Final = 3
"""How many conditions that do not hold a reason names."""


class Reference(NamedTuple):
    """What a condition is about."""

    type: str
    namespace: str
    name: str

    def shown(self, home: str) -> str:
        """Return `job/migrate`, or `team-b/job/migrate` if it is not in the namespace `home`."""
        where = "" if self.namespace == home else f"{self.namespace}/"
        return f"{where}{self.type.lower()}/{self.name}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What conditions come to. `reason` says what is missing, or why it failed."""

    phase: GateVerdict
    met: int = 0
    reason: str = ""
    checks: tuple[Check, ...] = field(default=())

    @property
    def total(self) -> int:
        """How many conditions there are."""
        return len(self.checks)


def reference_of(condition: Condition, namespace: str) -> Reference:
    """Return what a condition of a gate in `namespace` is about."""
    return Reference(condition.type, condition.namespace or namespace, condition.name)


def references(spec: GateSpec, namespace: str) -> tuple[Reference, ...]:
    """Return all that the conditions of a gate in `namespace` are about, each once."""
    return tuple(dict.fromkeys(reference_of(condition, namespace) for condition in spec.conditions))


def judge(spec: GateSpec, namespace: str, facts: Mapping[Reference, Fact]) -> Verdict:
    """Return the verdict on a gate in `namespace`. What no fact is known of is taken not to exist.

    A gate without conditions waits for a hand.
    """
    checks: list[Check] = []
    failed: list[str] = []
    missing: list[str] = []
    for condition in spec.conditions:
        reference = reference_of(condition, namespace)
        check, hopeless = _check(condition, reference, facts.get(reference), namespace)
        checks.append(check)
        if not check.met:
            (failed if hopeless else missing).append(f"{reference.shown(namespace)}: {check.message}")
    met = len(checks) - len(failed) - len(missing)
    if failed:
        return Verdict("Failed", met, _listed(failed), tuple(checks))
    return Verdict("Waiting" if missing or not checks else "Open", met, _listed(missing), tuple(checks))


def is_news(status: GateStatus, verdict: Verdict) -> bool:
    """Return whether a verdict is another than the gate shows, or somebody waits to hear that it was looked at."""
    shown = (status.verdict, status.met, status.reason or "", status.checks)
    return status.asked_ms is not None or shown != (verdict.phase, verdict.met, verdict.reason, verdict.checks)


def _check(condition: Condition, reference: Reference, fact: Fact | None, home: str) -> tuple[Check, bool]:
    """Return how a condition stands, and whether it can no longer come true."""
    met, hopeless, message = False, False, "does not exist"
    if fact is not None:
        if condition.value is None:
            met, hopeless = condition.wanted in fact.states, condition.wanted in fact.never
        else:
            met, hopeless = fact.amount >= condition.value, fact.spent
        shows_all = fact.detail and reference.namespace == home
        message = f"{fact.word}, {fact.detail}" if shows_all else fact.word
    kind, namespace, name = reference
    check = Check(kind, name, namespace, condition.wanted, condition.value, met=met, message=message)
    return check, hopeless and not met


def _listed(phrases: list[str]) -> str:
    rest = len(phrases) - NAMED
    return "; ".join([*phrases[:NAMED], *([f"and {rest} more"] if rest > 0 else [])])


# ------------------------------------------------------------------------------------------------- other namespaces


def may_look(allowed: str | None, namespace: str) -> bool:
    """Return whether gates of `namespace` may look into a namespace whose annotation says `allowed`.

    Without the annotation all may; else those that it lists, with commas, so that an empty one keeps all out.
    """
    return allowed is None or namespace in {each.strip() for each in allowed.split(",")}


def forbidden(reference: Reference, home: str) -> Fact:
    """Return what is known of an object that gates of the namespace `home` may not look at."""
    return Fact(f"namespace {reference.namespace} does not let gates of {home} look")
