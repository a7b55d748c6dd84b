"""Why somebody waits at a gate: its conditions, what those are about, and rings of waits that go through it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from konductor_core.identity import Kind
from konductor_core.models import Check, Condition, GateSpec
from tests.scenes import NOW, barrier, commands, lease, lines, listener, mutex, permits, status, told


def check(type_: str, name: str, state: str, message: str = "", *, met: bool = False, namespace: str = "etl") -> Check:
    return Check(type_, name, namespace, state, None, met=met, message=message)


def gate(name: str, *checks: Check, **more: Any) -> Any:
    """Return a gate with these conditions, at which w waits."""
    conditions = tuple(Condition(each.type, each.name, each.namespace, each.state) for each in checks)
    shown = {
        "phase": "Waiting",
        "verdict": "Waiting",
        "met": sum(each.met for each in checks),
        "total": len(checks),
        "checks": checks,
        "waiting": 1,
        "waiters": (listener("w"),),
    }
    return status(Kind.GATE, name, GateSpec(conditions), **shown | more)


def test_a_gate_names_the_conditions_that_are_not_met_and_follows_those_that_are_objects() -> None:
    made = gate(
        "g",
        check("Job", "migrate", "Complete", "0 of 1 completions"),
        check("Once", "o", "Done", met=True),
        check("Barrier", "extract", "Open", "1 of 2 arrived"),
        check("Mutex", "m", "Unlocked", "held by h", namespace="elsewhere"),
        check("Mutex", "m", "Unlocked", "held by h"),
    )
    found = told("w", made, barrier("extract", 2, ("x",)), mutex("m", "h"))
    assert lines(found) == [
        "w has waited for gate/g for 2s: 1 of 5 conditions met",
        "  it wants job/migrate Complete: 0 of 1 completions",
        "  it wants barrier/extract Open: 1 of 2 arrived",
        "    not among the arrivals, though known here: w (waits for gate/g) and h (holds mutex/m)",
        "      w itself waits for gate/g, as said above",
        "  it wants mutex/m of namespace elsewhere Unlocked: held by h",
        "  it wants mutex/m Unlocked: held by h",
        "    h has held mutex/m for 1m; the lease expires in 4m, unless it is renewed",
    ]
    assert commands(found) == ["koncli gate open g"]


@pytest.mark.parametrize(
    "shown,sentence,ways_out",
    [
        ({"phase": "Closed", "override": "Closed"}, "it was closed by hand", ["gate auto g", "gate open g"]),
        ({"phase": "Open", "override": "Open"}, "it is open, by hand", []),
        ({"phase": "Open"}, "it is open", []),
        ({"phase": "Failed", "reason": "job x failed"}, "it has failed: job x failed", ["gate reset g", "gate open g"]),
        ({"deadline_ms": NOW + 60_000}, "0 of 1 conditions met; it fails in 1m", ["gate open g"]),
        (
            {"asked_ms": NOW - 60_000},
            "0 of 1 conditions met; nobody looks at its conditions: is the controller running?",
            ["gate open g"],
        ),
        ({"total": 0, "checks": ()}, "it has no conditions, and opens by hand only", ["gate open g"]),
    ],
    ids=["closed", "opened", "open", "failed", "deadline", "unattended", "by-hand"],
)
def test_how_a_gate_stands(shown: dict[str, Any], sentence: str, ways_out: list[str]) -> None:
    found = told("w", gate("g", check("Job", "j", "Complete"), **shown))
    assert lines(found)[0] == f"w has waited for gate/g for 2s: {sentence}"
    assert commands(found) == [f"koncli {each}" for each in ways_out]


def test_a_gate_that_wants_a_lock_free_whose_holder_waits_for_its_waiter_is_a_deadlock() -> None:
    found = told("w", gate("g", check("Mutex", "m", "Unlocked")), mutex("m", "h"), mutex("n", "w", "h"))
    assert found.summary == (
        "deadlock: w waits for gate/g, which wants mutex/m, which h holds; h waits for mutex/n, which w holds"
    )
    assert "koncli gate open g" in commands(found)


def test_a_ring_is_followed_through_gates_of_gates_to_a_barrier() -> None:
    outer, inner = (
        gate("g", check("Gate", "h", "Open")),
        gate("h", check("Barrier", "b", "Open"), waiting=0, waiters=()),
    )
    found = told("w", outer, inner, barrier("b", 2, ("w",)), mutex("n", "w", "late"))
    assert found.summary == (
        "likely a deadlock: w waits for gate/g, which wants barrier/b, where late has not arrived; "
        "late waits for mutex/n, which w holds"
    )


@pytest.mark.parametrize(
    "wanted", [check("Mutex", "m", "Locked"), check("Mutex", "m", "Unlocked", met=True), check("Gate", "g", "Open")]
)
def test_a_gate_is_part_of_no_ring_where_nobody_has_to_go_on_for_it(wanted: Check) -> None:
    assert told("w", gate("g", wanted), mutex("m", "h"), mutex("n", "w", "h")).deadlock is None


def test_a_semaphore_of_a_gate_is_ready_when_one_of_its_holders_goes_on() -> None:
    for holders, stuck in ((("h", "free"), False), (("h", "h2"), True)):
        semaphore = permits(Kind.SEMAPHORE, "s", tuple(lease(each) for each in holders))
        found = told("w", gate("g", check("Semaphore", "s", "Ready")), semaphore, mutex("n", "w", "h", "h2"))
        assert (found.deadlock is not None) is stuck


def test_conditions_that_nobody_has_looked_at_are_named_and_followed_all_the_same() -> None:
    looked_at = gate("g", check("Mutex", "m", "Unlocked"), check("Job", "j", "Complete"))
    found = told("w", dataclasses.replace(looked_at, checks=()), mutex("m", "h"))
    assert lines(found)[1:] == [
        "  it wants mutex/m Unlocked: not looked at yet",
        "    h has held mutex/m for 1m; the lease expires in 4m, unless it is renewed",
        "  it wants job/j Complete: not looked at yet",
    ]
