from __future__ import annotations

import json
import re
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konductor_core import models
from konductor_core.durations import DEFAULT_TTL, MAX_BYPASS, MAX_MS
from konductor_core.errors import InvalidInput
from konductor_core.identity import Kind
from konductor_core.models import (
    SPECS,
    Arrival,
    BarrierSpec,
    BarrierStatus,
    Event,
    Holder,
    Model,
    SemaphoreSpec,
    SemaphoreStatus,
    Spec,
    Waiter,
)
from konductor_core.models.base import json_name, shape_of
from konductor_core.models.registry import STATUSES

AT = 1_767_323_045_678
AT_TEXT = "2026-01-02T03:04:05.678Z"
HEAD: dict[str, Any] = {
    "name": "x",
    "namespace": "etl",
    "epoch": "e1",
    "owner": "cli",
    "created_ms": AT,
    "now_ms": AT,
    "next_change_ms": -1,
}

barrier_specs = st.builds(
    BarrierSpec,
    expected=st.integers(3, 1_000_000),
    quorum=st.none() | st.integers(1, 3),
    timeout_ms=st.none() | st.integers(1, MAX_MS),
) | st.builds(BarrierSpec, expected=st.integers(1, 1_000_000), cyclic=st.booleans())
semaphore_specs = st.builds(
    SemaphoreSpec,
    permits=st.integers(0, 1_000_000),
    ttl_ms=st.integers(0, MAX_MS),
    policy=st.sampled_from(["Strict", "Backfill"]),
    max_bypass_ms=st.integers(0, MAX_MS),
)


def barrier(spec: BarrierSpec, **values: Any) -> BarrierStatus:
    return BarrierStatus(
        **{
            **HEAD,
            "spec": spec,
            "phase": "Waiting",
            "arrived": 0,
            "waiting": 0,
            "arrivals_total": 0,
            **values,
        }
    )


def semaphore(spec: SemaphoreSpec, **values: Any) -> SemaphoreStatus:
    return SemaphoreStatus(**{**HEAD, "spec": spec, "in_use": 0, "waiting": 0, "holders_total": 0, **values})


@given(barrier_specs | semaphore_specs)
def test_a_spec_reads_back_from_its_own_json(spec: Spec) -> None:
    assert type(spec).from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_defaults_are_those_of_the_contract() -> None:
    assert BarrierSpec.from_dict({"expected": 5}) == BarrierSpec(5, quorum=None, timeout_ms=None, cyclic=False)
    assert SemaphoreSpec.from_dict({"permits": 2}) == SemaphoreSpec(2, DEFAULT_TTL, "Strict", MAX_BYPASS)


def test_a_spec_is_read_from_the_names_and_durations_of_a_manifest() -> None:
    document = {"permits": 2, "ttl": "30m", "policy": "Backfill", "maxBypass": "90s"}
    assert SemaphoreSpec.from_dict(document) == SemaphoreSpec(2, 1_800_000, "Backfill", 90_000)


def test_null_counts_as_absent_and_zero_needs_no_unit() -> None:
    assert BarrierSpec.from_dict({"expected": 5, "quorum": None}) == BarrierSpec(5)
    assert SemaphoreSpec.from_dict({"permits": 0, "ttl": 0}) == SemaphoreSpec(0, ttl_ms=0)


@pytest.mark.parametrize(
    "kind,document,message",
    [
        (Kind.BARRIER, {}, "spec.expected is missing: give it a whole number from 1 to 1000000"),
        (Kind.BARRIER, None, "spec.expected is missing: give it a whole number from 1 to 1000000"),
        (Kind.BARRIER, [5], "spec [5] is not a mapping: write its fields below it"),
        (Kind.BARRIER, {"expectd": 5}, "spec has the unknown field 'expectd': did you mean expected?"),
        (Kind.BARRIER, {"zz": 5}, "spec has the unknown field 'zz': known are expected, quorum, timeout, cyclic"),
        (Kind.WAITGROUP, {"ttl": "1h"}, "spec has the unknown field 'ttl': it has none"),
        (Kind.BARRIER, {5: 5}, "spec has the unknown field 5: known are expected, quorum, timeout, cyclic"),
        (Kind.BARRIER, {"expected": "5"}, "spec.expected '5' is text: write the number without quotes"),
        (Kind.BARRIER, {"expected": "x"}, "spec.expected 'x' is not a whole number: use one from 1 to 1000000"),
        (Kind.BARRIER, {"expected": 5.0}, "spec.expected 5.0 is not a whole number: use one from 1 to 1000000"),
        (Kind.BARRIER, {"expected": True}, "spec.expected True is not a whole number: use one from 1 to 1000000"),
        (Kind.BARRIER, {"expected": 0}, "spec.expected 0 is out of range: use a number from 1 to 1000000"),
        (Kind.BARRIER, {"expected": -1}, "spec.expected -1 is out of range: use a number from 1 to 1000000"),
        (Kind.BARRIER, {"expected": 2, "quorum": 3}, "quorum 3 is more than expected 2: use at most 2"),
        (Kind.BARRIER, {"expected": 2, "quorum": 0}, "spec.quorum 0 is out of range: use a number from 1 to 1000000"),
        (
            Kind.BARRIER,
            {"expected": 2, "quorum": 1, "cyclic": True},
            "quorum 1 does not go with cyclic: leave one of them out",
        ),
        (
            Kind.BARRIER,
            {"expected": 2, "cyclic": "yes"},
            "spec.cyclic 'yes' is neither true nor false: write one of them",
        ),
        (Kind.BARRIER, {"expected": 2, "timeout": 30}, "spec.timeout 30 has no unit: for seconds write 30s"),
        (Kind.BARRIER, {"expected": 2, "timeout": "0s"}, "spec.timeout 0s is too short: leave it out for none"),
        (
            Kind.BARRIER,
            {"expected": 2, "timeout": "soon"},
            "spec.timeout 'soon' is not a duration: write it like 30s, 1h30m or 500ms",
        ),
        (
            Kind.SEMAPHORE,
            {"permits": 1, "maxbypass": "1s"},
            "spec has the unknown field 'maxbypass': did you mean maxBypass?",
        ),
        (
            Kind.SEMAPHORE,
            {"permits": 1_000_001},
            "spec.permits 1000001 is out of range: use a number from 0 to 1000000",
        ),
        (Kind.SEMAPHORE, {"permits": 1, "policy": "strict"}, "spec.policy 'strict' is unknown: use Strict or Backfill"),
        (
            Kind.SEMAPHORE,
            {"permits": 1, "policy": ["Strict"]},
            "spec.policy ['Strict'] is unknown: use Strict or Backfill",
        ),
    ],
)
def test_a_bad_spec_is_refused_with_field_value_and_remedy(kind: Kind, document: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        SPECS[kind].from_dict(document)
    assert caught.value.message == message


@pytest.mark.parametrize(
    "make",
    [
        lambda: BarrierSpec(0),
        lambda: BarrierSpec(2, quorum=3),
        lambda: BarrierSpec(2, timeout_ms=0),
        lambda: BarrierSpec(2, timeout_ms=MAX_MS + 1),
        lambda: BarrierSpec(None),  # type: ignore[arg-type]
        lambda: BarrierSpec(2, cyclic=None),  # type: ignore[arg-type]
        lambda: SemaphoreSpec(-1),
        lambda: SemaphoreSpec(1, ttl_ms=-1),
        lambda: SemaphoreSpec(1, ttl_ms=1.5),  # type: ignore[arg-type]
        lambda: SemaphoreSpec(1, ttl_ms="1s"),  # type: ignore[arg-type]
        lambda: SemaphoreSpec(1, policy="strict"),  # type: ignore[arg-type]
    ],
)
def test_a_spec_made_in_python_is_checked_as_well(make: Any) -> None:
    with pytest.raises(InvalidInput):
        make()


def test_models_are_frozen_and_equal_by_value() -> None:
    spec = BarrierSpec(2)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        spec.expected = 3  # type: ignore[misc]
    assert spec == BarrierSpec(2)
    assert hash(spec) == hash(BarrierSpec(2))
    assert not hasattr(spec, "__dict__")


@pytest.mark.parametrize(
    "permits,in_use,phase,available",
    [
        (2, 0, "Ready", 2),
        (2, 1, "Ready", 1),
        (2, 2, "Full", 0),
        (2, 5, "Full", 0),
        (0, 0, "Paused", 0),
        (0, 1, "Paused", 0),
    ],
)
def test_a_semaphores_phase_and_free_permits_follow_from_what_is_in_use(
    permits: int, in_use: int, phase: str, available: int
) -> None:
    status = semaphore(SemaphoreSpec(permits), in_use=in_use)
    assert (status.phase, status.available) == (phase, available)


def test_a_semaphores_json_is_flat_and_begins_with_what_it_is() -> None:
    status = semaphore(
        SemaphoreSpec(3, ttl_ms=1_800_000),
        in_use=3,
        waiting=1,
        holders_total=2,
        holders=(
            Holder(holder="a", permits=2, token=AT * 1000, since_ms=AT, expires_ms=AT, pod="a", uid="u", node="n"),
            Holder(holder="b", permits=1, token=AT * 1000 + 1, since_ms=AT, pending=True),
        ),
        waiters=(Waiter(holder="c", permits=1, priority=-5, position=1, since_ms=AT, request="r"),),
        counters={"grants": 2},
        labels={"stage": "load"},
    )
    document = status.to_dict()
    assert list(document)[:4] == ["kind", "name", "namespace", "phase"]
    assert json.loads(json.dumps(document)) == {
        "kind": "Semaphore",
        "name": "x",
        "namespace": "etl",
        "phase": "Full",
        "permits": 3,
        "inUse": 3,
        "available": 0,
        "waiting": 1,
        "ttl": "30m",
        "policy": "Strict",
        "maxBypass": "1m",
        "holdersTotal": 2,
        "holders": [
            {
                "holder": "a",
                "permits": 2,
                "token": AT * 1000,
                "since": AT_TEXT,
                "expires": AT_TEXT,
                "pod": "a",
                "uid": "u",
                "node": "n",
            },
            {"holder": "b", "permits": 1, "token": AT * 1000 + 1, "since": AT_TEXT, "pending": True},
        ],
        "waiters": [
            {"holder": "c", "permits": 1, "priority": -5, "position": 1, "since": AT_TEXT, "request": "r"},
        ],
        "labels": {"stage": "load"},
        "epoch": "e1",
        "owner": "cli",
        "counters": {"grants": 2},
        "createdAt": AT_TEXT,
        "observedAt": AT_TEXT,
    }


def test_a_barriers_json_leaves_out_what_does_not_apply() -> None:
    status = barrier(BarrierSpec(5), arrived=1, arrivals_total=1, arrivals=(Arrival("a", AT),))
    assert status.to_dict() == {
        "kind": "Barrier",
        "name": "x",
        "namespace": "etl",
        "phase": "Waiting",
        "arrived": 1,
        "expected": 5,
        "cyclic": False,
        "waiting": 0,
        "arrivalsTotal": 1,
        "arrivals": [{"id": "a", "at": AT_TEXT}],
        "waiters": [],
        "labels": {},
        "epoch": "e1",
        "owner": "cli",
        "counters": {},
        "createdAt": AT_TEXT,
        "observedAt": AT_TEXT,
    }


def test_a_failed_barriers_json_says_when_and_why() -> None:
    document = barrier(
        BarrierSpec(5, quorum=3, timeout_ms=7_200_000), phase="Failed", deadline_ms=AT, failed_ms=AT, reason="timeout"
    ).to_dict()
    assert {name: document[name] for name in ("quorum", "timeout", "deadline", "failedAt", "reason")} == {
        "quorum": 3,
        "timeout": "2h",
        "deadline": AT_TEXT,
        "failedAt": AT_TEXT,
        "reason": "timeout",
    }


def test_only_a_cyclic_barriers_json_has_cycles() -> None:
    cycles = {"cycle": 4, "last_opened_cycle": 3}
    assert "cycle" not in barrier(BarrierSpec(2), **cycles).to_dict()
    document = barrier(BarrierSpec(2, cyclic=True), **cycles).to_dict()
    assert (document["cycle"], document["lastOpenedCycle"]) == (4, 3)


@pytest.mark.parametrize(
    "spec,arrived,remaining",
    [(BarrierSpec(5), 2, 3), (BarrierSpec(5, quorum=3), 2, 1), (BarrierSpec(5), 5, 0), (BarrierSpec(2), 7, 0)],
)
def test_what_is_missing_at_a_barrier_counts_to_the_quorum(spec: BarrierSpec, arrived: int, remaining: int) -> None:
    assert barrier(spec, arrived=arrived).remaining == remaining


def test_an_event_shows_only_what_it_has() -> None:
    event = Event(at_ms=AT, id="1-0", type="granted", holder="a", token=5, permits=1)
    assert event.to_dict() == {"at": AT_TEXT, "id": "1-0", "type": "granted", "holder": "a", "token": 5, "permits": 1}
    assert Event(at_ms=AT, id="1-0", type="reset").to_dict() == {"at": AT_TEXT, "id": "1-0", "type": "reset"}


MODELS = [
    each
    for each in map(models.__getattr__, models.__all__)
    if isinstance(each, type) and issubclass(each, Model) and is_dataclass(each)
]


@pytest.mark.parametrize("model", MODELS)
def test_every_field_describes_itself(model: type[Model]) -> None:
    for each in fields(model):
        shape = shape_of(each)
        assert shape.form == "internal" or re.fullmatch(r"[A-Z].*\.", shape.description), each.name
        assert (shape.form in {"duration", "time", "internal"}) == each.name.endswith("_ms"), each.name
        assert (shape.of is not None) == (shape.form in {"list", "parts"})


@pytest.mark.parametrize("model", MODELS)
def test_json_names_are_camel_case_and_unique(model: type[Model]) -> None:
    names = [json_name(each) for each in fields(model)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][A-Za-z]*", name) for name in names)


def test_every_public_name_is_found_where_it_is_said_to_be() -> None:
    assert sorted(models._WHERE) == sorted(models.__all__)
    with pytest.raises(AttributeError, match="no attribute 'BarierSpec'"):
        models.__getattr__("BarierSpec")


def test_the_registry_knows_each_spec_by_its_kind() -> None:
    assert SPECS[Kind.BARRIER] is BarrierSpec
    assert all(spec.kind is kind is STATUSES[kind].kind for kind, spec in SPECS.items())
