"""Snapshots become statuses of custom resources, and two statuses the smallest patch."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konductor_core.durations import rfc3339
from konductor_core.models import (
    SPECS,
    Arrival,
    BarrierSpec,
    BarrierStatus,
    Holder,
    LeaseStatus,
    MutexStatus,
    OnceStatus,
    PermitStatus,
    RWMutexStatus,
    SemaphoreSpec,
    SemaphoreStatus,
    Status,
)
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


HELD = Holder(holder="h", permits=1, token=5, since_ms=NOW, expires_ms=NOW + 30_000)
READER = replace(HELD, mode="read")
WRITER = replace(HELD, mode="write", permits=1_000_000)


def leased(kind: type[PermitStatus], *holders: Holder, **changes: Any) -> PermitStatus:
    fields: dict[str, Any] = {
        "name": "x", "namespace": "etl", "epoch": "17", "owner": "cr/1", "created_ms": NOW, "now_ms": NOW,
        "next_change_ms": -1, "spec": SPECS[kind.kind](), "waiting": 0, "holders_total": len(holders),
        "holders": holders, "counters": {"grants": 1},
    }  # fmt: skip
    if kind is LeaseStatus:
        fields |= {"renewals": 0, "transitions": 0}
    return kind(**fields | changes)


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
        (leased(MutexStatus), {"Ready": "True", "Available": "True"}),
        (leased(MutexStatus, HELD), {"Ready": "True", "Available": "False"}),
        (leased(LeaseStatus, HELD), {"Ready": "True", "Available": "False"}),
        (leased(RWMutexStatus, READER, READER), {"Ready": "True", "Available": "False"}),
    ],
)  # fmt: skip
def test_conditions_say_what_holds(status: Status, wanted: dict[str, str]) -> None:
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


@pytest.mark.parametrize(
    "status,wanted",
    [
        (leased(MutexStatus), {"phase": "Unlocked"}),
        (leased(MutexStatus, HELD), {"phase": "Locked", "holder": "h", "token": 5}),
        (leased(LeaseStatus, HELD), {"phase": "Held", "holder": "h", "renewals": 0, "transitions": 0}),
        (leased(RWMutexStatus), {"phase": "Unlocked", "readers": 0}),
        (leased(RWMutexStatus, READER, READER), {"phase": "ReadLocked", "readers": 2}),
        (leased(RWMutexStatus, WRITER), {"phase": "WriteLocked", "writer": "h", "readers": 0}),
    ],
)
def test_who_holds_is_shown_as_the_columns_need_it(status: PermitStatus, wanted: dict[str, Any]) -> None:
    shown = project(status, {}, 1)
    assert {name: shown[name] for name in wanted} == wanted
    assert ("holder" in shown) == ("holder" in wanted)
    assert ("writer" in shown) == ("writer" in wanted)


def test_until_when_a_lease_is_held_is_shown_anew_once_that_has_passed() -> None:
    def seen(after_ms: int, lasts_ms: int, **changes: Any) -> LeaseStatus:
        expires_ms = NOW + after_ms + lasts_ms
        holder = replace(HELD, expires_ms=expires_ms, **changes)
        return cast("LeaseStatus", leased(LeaseStatus, holder, now_ms=NOW + after_ms, renewals=after_ms))

    first = project(seen(0, 30_000), {}, 1)
    renewed = project(seen(10_000, 30_000), first, 1)
    assert status_patch(first, renewed) == {}
    later = project(seen(31_000, 30_000), renewed, 1)
    assert status_patch(renewed, later)["expires"] == rfc3339(NOW + 61_000)
    shorter = project(seen(10_000, 5_000), first, 1)
    assert shorter["expires"] == rfc3339(NOW + 15_000)
    another = project(seen(10_000, 30_000, token=6), first, 1)
    assert another["expires"] == rfc3339(NOW + 40_000)


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


@pytest.mark.parametrize(
    "status",
    [
        barrier(),
        barrier(phase="Open"),
        semaphore(),
        leased(MutexStatus, HELD),
        leased(LeaseStatus, HELD),
        leased(RWMutexStatus, WRITER),
    ],
)
def test_a_status_has_only_fields_that_the_schema_knows(status: Status) -> None:
    schema = crds()[status.kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    shown = project(status, {}, 1) | {"observedEvent": "1-0"}
    assert shown.keys() <= schema["properties"].keys()
    for name in ("holders", "arrivals"):
        for item in shown.get(name, []):
            assert item.keys() <= schema["properties"][name]["items"]["properties"].keys()


@pytest.mark.parametrize(
    "changes,condition",
    [
        ({}, ("False", "Pending", "Nobody runs it.")),
        ({"holders": (HELD,)}, ("False", "Running", "h runs it.")),
        ({"completed_by": "h", "done_ms": NOW}, ("True", "Done", "Done by h.")),
    ],
)
def test_a_once_has_a_condition_that_can_be_waited_for(
    changes: dict[str, Any], condition: tuple[str, str, str]
) -> None:
    holders = changes.pop("holders", ())
    done = project(leased(OnceStatus, *holders, **changes), {}, 1)["conditions"][1]
    assert (done["type"], (done["status"], done["reason"], done["message"])) == ("Done", condition)
