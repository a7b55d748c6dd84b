"""Konductor's own objects: what their schemas let through, and what a change does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.webhook.pods import DEFAULTS
from webhook.admit import validate
from webhook.review import Request, Verdict


def verdict(kind: str, spec: Any, old: Any = None, **status: Any) -> Verdict:
    before = {} if old is None else {"metadata": {"name": "x"}, "spec": old, "status": status}
    operation = "CREATE" if old is None else "UPDATE"
    document = {"metadata": {"name": "x"}, "spec": spec}
    return validate(Request("uid", ("konductor.io", kind), operation, "etl", "x", "", document, before), DEFAULTS)


@pytest.mark.parametrize(
    "kind,spec,sentence",
    [
        ("Semaphore", {"permits": 1, "ttl": "100000h"}, "spec.ttl '100000h' is longer than ten years"),
        ("Semaphore", {"permits": 1, "colour": "red"}, "spec has the unknown field 'colour'"),
        ("Semaphore", {}, "spec.permits is missing: give it a whole number"),
        ("Semaphore", None, "spec.permits is missing"),
        ("Barrier", {"expected": 2, "quorum": 3}, "quorum"),
        ("Gate", {"conditions": [{"type": "Job", "name": "x", "state": "Completed"}]}, "did you mean Complete?"),
        ("Valve", {}, "kind 'Valve' is not one that this version of Konductor has in konductor.io/v1"),
    ],
)
def test_what_makes_no_sense_is_refused(kind: str, spec: Any, sentence: str) -> None:
    refusal = verdict(kind, spec).refusal
    assert refusal is not None
    assert sentence in refusal


JOB = {"conditions": [{"type": "Job", "name": "x"}]}

QUIET: list[tuple[str, Any, Any]] = [
    ("Semaphore", {"permits": 1}, None),
    ("Semaphore", {"permits": 3, "ttl": "10m"}, {"permits": 1, "ttl": "5m"}),
    ("Barrier", {"expected": 3}, None),
    ("Barrier", {"expected": 2}, {"expected": 3}),
    ("Gate", JOB, None),
    ("Gate", {**JOB, "timeout": "1h"}, JOB),
]


@pytest.mark.parametrize("kind,spec,old", QUIET)
def test_what_does_what_it_says_passes_without_a_word(kind: str, spec: Any, old: Any) -> None:
    assert verdict(kind, spec, old) == Verdict()


WARNED: list[tuple[str, Any, Any, dict[str, str], str]] = [
    (
        "Semaphore",
        {"permits": 1, "ttl": "5s"},
        None,
        {},
        "ttl 5s is shorter than the 15s that pods with annotations need",
    ),
    ("Semaphore", {"permits": 0}, None, {}, "no permits: requests queue until there are some"),
    ("Semaphore", {"permits": 1}, {"permits": 2}, {}, "permits shrink: what is held beyond them stays held"),
    ("Semaphore", {"permits": 1, "ttl": "1m"}, {"permits": 1}, {}, "ttl shrinks to 1m: leases keep the end they have"),
    ("Semaphore", {"permits": 1, "ttl": "1m"}, {"permits": 1, "ttl": "0"}, {}, "ttl shrinks to 1m"),
    ("Barrier", {"expected": 2, "cyclic": True}, {"expected": 2}, {}, "cyclic changes: the barrier starts anew"),
    (
        "Barrier",
        {"expected": 3},
        {"expected": 2},
        {"phase": "Open"},
        "the barrier is Open already, which no change takes",
    ),
    ("Barrier", {"expected": 3}, {"expected": 2}, {"phase": "Failed"}, "the barrier is Failed already"),
    ("Semaphore", {"permits": 1, "ttl": "5s"}, {"permits": "?"}, {}, "ttl 5s is shorter than the 15s"),
    ("Mutex", {"ttl": "5s"}, None, {}, "ttl 5s is shorter than the 15s"),
    ("RWMutex", {"ttl": "1m"}, {"ttl": "5m"}, {}, "ttl shrinks to 1m"),
    ("Lease", {"ttl": "1m"}, {"ttl": "0"}, {}, "ttl shrinks to 1m"),
    ("Gate", {}, None, {}, "no conditions: only a hand opens the gate"),
    ("Gate", {}, JOB, {}, "no conditions: only a hand opens the gate"),
    ("Gate", {**JOB, "timeout": "1h"}, JOB, {"phase": "Closed", "verdict": "Open"}, "the gate is Open already"),
]


@pytest.mark.parametrize("kind,spec,old,status,beginning", WARNED)
def test_what_a_change_does_that_may_surprise_is_said(
    kind: str, spec: Any, old: Any, status: dict[str, str], beginning: str
) -> None:
    found = verdict(kind, spec, old, **status)
    assert found.refusal is None
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith(f"konductor: {beginning}")


def test_a_change_of_anything_but_the_spec_passes_whatever_the_spec_is() -> None:
    assert verdict("Semaphore", {"permits": -1}, {"permits": -1}) == Verdict()
