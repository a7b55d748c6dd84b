"""What a gate's conditions come to, and the facts that are made of other objects."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konductor_core.errors import InvalidInput
from konductor_core.facts import FACTS, Fact, deployment_fact, fact_of, job_fact, pod_fact
from konductor_core.gates import Reference, forbidden, judge, may_look, references
from konductor_core.models import (
    BarrierSpec,
    BarrierStatus,
    Condition,
    GateSpec,
    GateStatus,
    OnceSpec,
    OnceStatus,
    SemaphoreSpec,
    SemaphoreStatus,
    Status,
)
from konductor_core.models.gate import AMOUNTS, OTHER_NAMES, STATES

HOME = "team"
JOB = Reference("Job", HOME, "migrate")


def spec(*conditions: str) -> GateSpec:
    return GateSpec(tuple(Condition.parse(each) for each in conditions))


def job(state: str = "", *, active: int = 0, succeeded: int = 0, **fields: Any) -> dict[str, Any]:
    conditions = [{"type": state, "status": "True", "reason": "BackoffLimitExceeded"}] if state else []
    return {"spec": fields, "status": {"active": active, "succeeded": succeeded, "conditions": conditions}}


def pod(phase: str, *, ready: bool = False, owner: str = "") -> dict[str, Any]:
    owners = [{"kind": owner, "controller": True}] if owner else []
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": {"ownerReferences": owners}, "status": {"phase": phase, "conditions": conditions}}


def deployment(wanted: int | None, updated: int, available: int, **other: int) -> dict[str, Any]:
    return {
        "metadata": {"generation": 2},
        "spec": {} if wanted is None else {"replicas": wanted},
        "status": {
            "observedGeneration": other.get("seen", 2),
            "replicas": other.get("replicas", updated),
            "updatedReplicas": updated,
            "availableReplicas": available,
        },
    }


HEAD: dict[str, Any] = {
    "name": "x",
    "namespace": HOME,
    "epoch": "1",
    "owner": "cli",
    "created_ms": 0,
    "now_ms": 0,
    "next_change_ms": -1,
}


def barrier(phase: Any, arrived: int = 0, *, last_opened_cycle: int | None = None) -> BarrierStatus:
    return BarrierStatus(
        phase=phase,
        arrived=arrived,
        spec=BarrierSpec(3, cyclic=last_opened_cycle is not None),
        waiting=0,
        arrivals_total=arrived,
        last_opened_cycle=last_opened_cycle,
        **HEAD,
    )


def semaphore(permits: int, used: int) -> SemaphoreStatus:
    return SemaphoreStatus(spec=SemaphoreSpec(permits), in_use=used, holders_total=0, waiting=0, **HEAD)


def gate(phase: Any, verdict: Any, override: Any = None) -> GateStatus:
    return GateStatus(
        phase=phase, met=1, total=2, spec=GateSpec(), verdict=verdict, override=override, waiting=0, **HEAD
    )


# ------------------------------------------------------------------------------------------------------ the verdict


@given(st.lists(st.sampled_from(["holds", "missing", "hopeless"]), max_size=6))
def test_a_gate_opens_exactly_when_all_conditions_hold_and_fails_when_one_never_will(stands: list[str]) -> None:
    facts = {
        Reference("Job", HOME, f"j{number}"): Fact(
            "Complete" if each == "holds" else "Running",
            frozenset({"Complete"} if each == "holds" else ()),
            never=frozenset({"Complete"} if each == "hopeless" else ()),
        )
        for number, each in enumerate(stands)
    }
    verdict = judge(spec(*(f"job/j{number}" for number in range(len(stands)))), HOME, facts)
    assert (verdict.phase == "Open") == (bool(stands) and set(stands) == {"holds"})
    assert (verdict.phase == "Failed") == ("hopeless" in stands)
    assert (verdict.met, verdict.total) == (stands.count("holds"), len(stands))
    assert bool(verdict.reason) == (verdict.met < verdict.total)


def test_what_is_not_known_does_not_exist_and_is_not_met() -> None:
    verdict = judge(spec("job/migrate", "barrier/b=Failed"), HOME, {})
    assert (verdict.phase, verdict.reason) == ("Waiting", "job/migrate: does not exist; barrier/b: does not exist")


def test_a_reason_names_three_and_counts_the_rest() -> None:
    verdict = judge(spec(*(f"mutex/m{number}" for number in range(5))), HOME, {})
    assert verdict.reason.endswith("mutex/m2: does not exist; and 2 more")


@pytest.mark.parametrize("amount, spent, phase", [(3, False, "Open"), (3, True, "Open"), (2, False, "Waiting")])
def test_a_value_is_the_least_amount(amount: int, spent: bool, phase: str) -> None:  # noqa: FBT001 - a table
    facts = {JOB: Fact("Running", amount=amount, spent=spent)}
    assert judge(spec("job/migrate:3"), HOME, facts).phase == phase


def test_an_amount_that_can_no_longer_be_reached_fails_the_gate() -> None:
    assert judge(spec("job/migrate:3"), HOME, {JOB: job_fact(job("Complete", succeeded=2))}).phase == "Failed"


def test_of_another_namespace_nothing_is_told_but_the_state() -> None:
    away = Reference("Job", "other", "migrate")
    fact = job_fact(job("Failed", succeeded=1, completions=3))
    verdict = judge(spec("other/job/migrate", "job/migrate"), HOME, {away: fact, JOB: fact})
    assert [check.message for check in verdict.checks] == ["Failed", "Failed, BackoffLimitExceeded, 1/3 completions"]
    assert verdict.reason.startswith("other/job/migrate: Failed; job/migrate: Failed, Backoff")


def test_what_may_not_be_looked_at_is_not_met_and_says_so() -> None:
    away = Reference("Job", "other", "migrate")
    verdict = judge(spec("other/job/migrate"), HOME, {away: forbidden(away, HOME)})
    assert verdict.phase == "Waiting"
    assert verdict.reason == "other/job/migrate: namespace other does not let gates of team look"


@pytest.mark.parametrize(
    "allowed, may", [(None, True), ("", False), ("team", True), ("a, team", True), ("teams", False)]
)
def test_a_namespace_says_whose_gates_may_look(allowed: str | None, may: bool) -> None:  # noqa: FBT001 - a table
    assert may_look(allowed, HOME) is may


def test_each_object_is_asked_for_once() -> None:
    wanted = references(spec("job/migrate", "job/migrate=Running", "team/job/migrate", "pod/p"), HOME)
    assert wanted == (JOB, Reference("Pod", HOME, "p"))


# --------------------------------------------------------------------------------------------------------- the facts

FAIL, OPEN, WAIT = "Failed", "Open", "Waiting"


@pytest.mark.parametrize(
    "condition, body, phase, message",
    [
        ("job/migrate", job("Complete", succeeded=1, completions=1), OPEN, "Complete, 1/1 completions"),
        ("job/migrate", job(active=1, completions=3), WAIT, "Running, 0/3 completions"),
        ("job/migrate", job(active=1, succeeded=2), WAIT, "Running, 2 completions"),
        ("job/migrate", job(suspend=True), WAIT, "Suspended, 0 completions"),
        ("job/migrate", job(), WAIT, "Pending, 0 completions"),
        ("job/migrate", {}, WAIT, "Pending, 0 completions"),
        ("job/migrate", job("FailureTarget", active=1), WAIT, "Running, 0 completions"),
        ("job/migrate", job("Failed", completions=1), FAIL, "Failed, BackoffLimitExceeded, 0/1 completions"),
        ("job/migrate=Failed", job("Failed", completions=1), OPEN, "Failed, BackoffLimitExceeded, 0/1 completions"),
        ("job/migrate=Failed", job("Complete"), FAIL, "Complete, 0 completions"),
        ("job/migrate=Running", job(active=1), OPEN, "Running, 0 completions"),
        ("job/migrate=Running", job("Complete"), FAIL, "Complete, 0 completions"),
        ("job/migrate:2", job(active=1, succeeded=2, completions=5), OPEN, "Running, 2/5 completions"),
        ("pod/p", pod("Running", ready=True), OPEN, "Ready"),
        ("pod/p", pod("Running"), WAIT, "Running, not ready"),
        ("pod/p=Running", pod("Running", ready=True), OPEN, "Ready"),
        ("pod/p", pod("Pending"), WAIT, "Pending"),
        ("pod/p", {}, WAIT, "Pending"),
        ("pod/p=Succeeded", pod("Succeeded"), OPEN, "Succeeded"),
        ("pod/p=Succeeded", pod("Failed"), FAIL, "Failed"),
        ("pod/p", pod("Succeeded"), FAIL, "Succeeded"),
        ("pod/p", pod("Failed", owner="StatefulSet"), WAIT, "Failed"),
        ("deployment/d", deployment(3, 3, 3), OPEN, "Available, 3/3 available"),
        ("deployment/d", deployment(None, 1, 1), OPEN, "Available, 1/1 available"),
        ("deployment/d", deployment(0, 0, 0), OPEN, "Available, 0/0 available"),
        ("deployment/d", deployment(3, 3, 2), WAIT, "Unavailable, 2/3 available"),
        ("deployment/d", deployment(3, 2, 3), WAIT, "Progressing, 2/3 updated, 3/3 available"),
        ("deployment/d", deployment(3, 3, 3, replicas=4), WAIT, "Progressing, 3/3 updated, 3/3 available"),
        ("deployment/d", deployment(3, 3, 3, seen=1), WAIT, "Progressing, 3/3 updated, 3/3 available"),
        ("deployment/d:2", deployment(3, 1, 2), OPEN, "Progressing, 1/3 updated, 2/3 available"),
    ],
)
def test_what_the_api_has_of_an_object_decides_a_condition(
    condition: str, body: dict[str, Any], phase: str, message: str
) -> None:
    wanted = spec(condition)
    (reference,) = references(wanted, HOME)
    verdict = judge(wanted, HOME, {reference: FACTS[reference.type](body)})
    assert (verdict.phase, verdict.checks[0].message) == (phase, message)


@pytest.mark.parametrize(
    "condition, status, phase",
    [
        ("barrier/x", barrier("Open", 3), OPEN),
        ("barrier/x", barrier("Waiting", 2), WAIT),
        ("barrier/x", barrier("Failed", 2), FAIL),
        ("barrier/x=Failed", barrier("Open", 3), FAIL),
        ("barrier/x:2", barrier("Waiting", 2), OPEN),
        ("barrier/x:3", barrier("Failed", 2), FAIL),
        ("barrier/x:3", barrier("Open", 2), WAIT),
        ("barrier/x", barrier("Waiting", 0, last_opened_cycle=1), OPEN),
        ("barrier/x", barrier("Waiting", 2, last_opened_cycle=0), WAIT),
        ("gate/x", gate("Open", "Open"), OPEN),
        ("gate/x", gate("Open", "Failed", "Open"), OPEN),
        ("gate/x", gate("Failed", "Failed"), FAIL),
        ("gate/x", gate("Closed", "Failed", "Closed"), WAIT),
        ("gate/x=Closed", gate("Closed", "Waiting", "Closed"), OPEN),
        ("gate/x=Closed", gate("Open", "Open"), WAIT),
        ("gate/x=Failed", gate("Open", "Open"), FAIL),
        ("once/x", OnceStatus(spec=OnceSpec(), holders_total=0, waiting=0, done_ms=1, **HEAD), OPEN),
        ("once/x=Running", OnceStatus(spec=OnceSpec(), holders_total=0, waiting=0, done_ms=1, **HEAD), FAIL),
        ("once/x", OnceStatus(spec=OnceSpec(), holders_total=0, waiting=0, **HEAD), WAIT),
        *(
            (
                condition,
                SemaphoreStatus(spec=SemaphoreSpec(permits), in_use=used, holders_total=0, waiting=0, **HEAD),
                p,
            )
            for condition, permits, used, p in (
                ("semaphore/x", 2, 1, OPEN),
                ("semaphore/x", 2, 2, WAIT),
                ("semaphore/x=Full", 2, 2, OPEN),
                ("semaphore/x=Paused", 0, 0, OPEN),
                ("semaphore/x:2", 4, 2, OPEN),
                ("semaphore/x:3", 4, 2, WAIT),
            )
        ),
    ],
)
def test_an_object_of_ours_decides_a_condition(condition: str, status: Status, phase: str) -> None:
    wanted = spec(condition)
    (reference,) = references(wanted, HOME)
    assert judge(wanted, HOME, {reference: fact_of(status)}).phase == phase


def test_facts_are_made_for_what_is_not_ours() -> None:
    assert {"Job": job_fact, "Pod": pod_fact, "Deployment": deployment_fact} == FACTS


# ----------------------------------------------------------------------------------------------------- conditions


@pytest.mark.parametrize("kind", STATES)
def test_a_condition_reads_as_it_is_written(kind: str) -> None:
    for state in STATES[kind]:
        assert Condition.parse(f"{kind}/x={state}") == Condition(kind, "x", state=state)
    assert Condition.parse(f"away/{kind.lower()}/x").wanted == STATES[kind][0]
    if kind in AMOUNTS:
        assert Condition.parse(f"{kind.lower()}/x={STATES[kind][0]}:7").value == 7


def test_a_state_by_another_name_is_the_same_state() -> None:
    for kind, names in OTHER_NAMES.items():
        for name, state in names.items():
            condition = Condition.parse(f"{kind}/x={name}")
            assert (condition.state, condition.wanted) == (name, state)
            assert state in STATES[kind]
            assert name not in STATES[kind]
    assert Condition.parse("semaphore/x=Available:2").value == 2


@given(st.text(max_size=30))
def test_no_text_ends_in_anything_but_a_condition_or_a_refusal(text: str) -> None:
    for each in (text, f"job/{text}", f"job/x={text}", f"job/x:{text}"):
        with suppress(InvalidInput):
            assert Condition.parse(each).type in STATES
