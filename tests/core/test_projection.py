"""Snapshots become statuses of custom resources, and two statuses the smallest patch."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konductor_core.models import Arrival, BarrierSpec, BarrierStatus, Holder, SemaphoreSpec, SemaphoreStatus
from konductor_core.projection import MAX_BYTES, Problem, project, project_absent, status_patch
from konductor_core.schema import crds

NOW = 1_800_000_000_000


def barrier(**changes: Any) -> BarrierStatus:
    fields: dict[str, Any] = {
        "name": "b", "namespace": "etl", "epoch": "17", "owner": "cr/1", "created_ms": NOW, "now_ms": NOW,
        "next_change_ms": -1, "phase": "Waiting", "arrived": 1, "spec": BarrierSpec(3), "waiting": 0,
        "arrivals_total": 1, "arrivals": (Arrival("x", NOW),), "counters": {"repeats": 0},
    }  # fmt: skip
    return BarrierStatus(**fields | changes)


def semaphore(**changes: Any) -> SemaphoreStatus:
    fields: dict[str, Any] = {
        "name": "s", "namespace": "etl", "epoch": "17", "owner": "cr/1", "created_ms": NOW, "now_ms": NOW,
        "next_change_ms": -1, "spec": SemaphoreSpec(2), "in_use": 1, "waiting": 0, "holders_total": 1,
        "holders": (Holder(holder="h", permits=1, token=5, since_ms=NOW, expires_ms=NOW + 1000),),
        "counters": {"grants": 1},
    }  # fmt: skip
    return SemaphoreStatus(**fields | changes)


def conditions(status: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["type"]: each for each in status["conditions"]}


CYCLED = barrier(spec=BarrierSpec(3, cyclic=True), cycle=2, last_opened_cycle=1)


def test_a_status_lacks_what_the_metadata_has_and_what_changes_by_itself() -> None:
    shown = project(barrier(), {}, 4)
    assert not shown.keys() & {"name", "namespace", "kind", "labels", "owner", "observedAt"}
    assert (shown["progress"], shown["observedGeneration"], shown["epoch"]) == ("1/3", 4, "17")


@pytest.mark.parametrize(
    "status, wanted",
    [
        (barrier(), {"Ready": "True", "Open": "False", "Failed": "False"}),
        (barrier(phase="Open"), {"Ready": "True", "Open": "True", "Failed": "False"}),
        (barrier(phase="Failed", reason="late"), {"Ready": "True", "Open": "False", "Failed": "True"}),
        (CYCLED, {"Ready": "True", "Open": "True", "Failed": "False"}),
        (semaphore(), {"Ready": "True", "Available": "True"}),
        (semaphore(in_use=2), {"Ready": "True", "Available": "False"}),
    ],
)  # fmt: skip
def test_conditions_say_what_holds(status: BarrierStatus | SemaphoreStatus, wanted: dict[str, str]) -> None:
    found = conditions(project(status, {}, 1))
    assert {name: each["status"] for name, each in found.items()} == wanted


def test_a_condition_keeps_its_time_while_its_truth_lasts() -> None:
    first = project(barrier(), {}, 1)
    second = project(barrier(arrived=3, phase="Open", now_ms=NOW + 5000), first, 2)
    before, after = conditions(first), conditions(second)
    assert after["Ready"]["lastTransitionTime"] == before["Ready"]["lastTransitionTime"]
    assert after["Open"]["lastTransitionTime"] > before["Open"]["lastTransitionTime"]
    assert after["Ready"]["observedGeneration"] == 2


def test_nothing_is_patched_at_another_time_of_day() -> None:
    first = project(barrier(), {}, 1)
    assert status_patch(first, project(barrier(now_ms=NOW + 60_000), first, 1)) == {}


def test_renewals_and_counters_alone_are_no_news_and_travel_with_what_is() -> None:
    first = project(semaphore(), {}, 1)
    renewed = semaphore(
        holders=(replace(semaphore().holders[0], expires_ms=NOW + 9000),), counters={"grants": 1, "renewals": 8}
    )
    assert status_patch(first, project(renewed, first, 1)) == {}
    patch = status_patch(first, project(replace(renewed, waiting=1), first, 1))
    assert patch["counters"] == {"renewals": 8}
    assert patch["holders"][0]["expires"].endswith("09.000Z")


def test_of_a_list_too_long_to_be_shown_the_total_is_the_news() -> None:
    other = (replace(semaphore().holders[0], holder="other"),)
    first = project(semaphore(holders_total=900, in_use=900), {}, 1)
    assert status_patch(first, project(semaphore(holders_total=900, in_use=900, holders=other), first, 1)) == {}
    assert status_patch(first, project(semaphore(holders_total=899, in_use=900, holders=other), first, 1)) != {}


def test_a_status_fits_into_a_resource_whatever_its_lists_hold() -> None:
    long = tuple(Arrival("é" * 126 + str(number), NOW) for number in range(5_000))
    shown = project(barrier(arrivals=long, arrivals_total=5_000), {}, 1)
    assert 1_000 < len(shown["arrivals"]) < 5_000
    assert len(str(shown["arrivals"]).encode()) < 2 * MAX_BYTES


def test_a_problem_is_shown_beside_the_state_as_it_is() -> None:
    shown = project(barrier(), {}, 2, Problem("InvalidSpec", "spec.quorum is wrong"))
    ready = conditions(shown)["Ready"]
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", "InvalidSpec", "spec.quorum is wrong")
    assert shown["progress"] == "1/3"
    absent = project_absent({}, 1, Problem("InvalidSpec", "x"), NOW)
    assert set(conditions(absent)) == {"Ready"}


def test_a_loss_is_shown_as_long_as_that_life_lasts() -> None:
    lost = project(barrier(), {}, 1, Problem("Degraded", "arrivals are gone"))
    assert conditions(project(barrier(arrived=2), lost, 1))["Ready"]["message"] == "arrivals are gone"
    assert conditions(project(barrier(epoch="18"), lost, 1))["Ready"]["status"] == "True"
    assert conditions(project(barrier(), lost, 2))["Ready"]["status"] == "True"


JSON = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.text(max_size=3), JSON, max_size=5)


def merged(document: Any, patch: Any) -> Any:
    """Apply a JSON merge patch, as RFC 7386 has it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


@given(before=DOCUMENTS, after=DOCUMENTS)
def test_a_patch_turns_one_status_into_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    kept = copy.deepcopy(before)
    patch = status_patch(before, after)
    assert merged(before, patch) == after
    assert before == kept


@pytest.mark.parametrize("status", [barrier(), barrier(phase="Open"), semaphore()])
def test_a_status_has_only_fields_that_the_schema_knows(status: BarrierStatus | SemaphoreStatus) -> None:
    schema = crds()[status.kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    shown = project(status, {}, 1) | {"observedEvent": "1-0"}
    assert shown.keys() <= schema["properties"].keys()
    for name in ("holders", "arrivals"):
        for item in shown.get(name, []):
            assert item.keys() <= schema["properties"][name]["items"]["properties"].keys()
