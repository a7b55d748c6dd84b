"""Templates of pods: refused when they are applied, not when their pods are made."""

from __future__ import annotations

from typing import Any

import pytest

from konductor_core.annotations import PREFIX
from tests.webhook.pods import DEFAULTS, container
from webhook.admit import validate
from webhook.review import Request, Verdict

KINDS = {"Deployment": ("apps", "Always"), "StatefulSet": ("apps", "Always"), "Job": ("batch", "Never")}
DONE = ["waits for barrier/a"]


def template(annotations: dict[str, str], restart_policy: str = "Never", **spec: Any) -> dict[str, Any]:
    metadata = {"annotations": {PREFIX + name: value for name, value in annotations.items()}}
    return {"metadata": metadata, "spec": {"restartPolicy": restart_policy, "containers": [container()], **spec}}


def maker(kind: str, annotations: dict[str, str], **spec: Any) -> dict[str, Any]:
    """Return a document of a kind; a CronJob has the Job's spec in it."""
    found = {"template": template(annotations, KINDS[kind][1] if kind in KINDS else "Never"), **spec}
    return {"metadata": {"name": "load"}, "spec": {"jobTemplate": {"spec": found}} if kind == "CronJob" else found}


def verdict(
    kind: str, document: dict[str, Any], old: dict[str, Any] | None = None, operation: str = "CREATE"
) -> Verdict:
    group = KINDS[kind][0] if kind in KINDS else "batch"
    return validate(Request("uid", (group, kind), operation, "etl", "x", "", document, old or {}), DEFAULTS)


def said(found: Verdict) -> list[str]:
    assert found.refusal is None
    return [warning.removeprefix("konductor: ") for warning in found.warnings]


@pytest.mark.parametrize("kind", [*KINDS, "CronJob"])
def test_a_bad_template_is_refused_with_its_place_and_a_good_one_announced(kind: str) -> None:
    place = "spec.jobTemplate.spec.template" if kind == "CronJob" else "spec.template"
    refusal = verdict(kind, maker(kind, {"wait-barier": "a"})).refusal
    assert refusal == (
        f"{place}: annotation 'konductor.io/wait-barier' is unknown: did you mean konductor.io/wait-barrier?"
    )
    assert said(verdict(kind, maker(kind, {"wait-barrier": "a"}))) == DONE


@pytest.mark.parametrize("kind", [*KINDS, "CronJob"])
def test_a_document_without_annotations_passes_without_a_word(kind: str) -> None:
    assert verdict(kind, maker(kind, {})) == Verdict()


def test_pods_that_never_succeed_cannot_arrive_on_success() -> None:
    refusal = verdict("Deployment", maker("Deployment", {"arrive-barrier": "a"})).refusal
    assert refusal is not None
    assert "which restartPolicy Always prevents" in refusal


@pytest.mark.parametrize(
    "kind,path,target",
    [
        ("Job", (), "spec.template.metadata.annotations"),
        ("Deployment", (), "spec.template.metadata.annotations"),
        ("CronJob", (), "spec.jobTemplate.spec.template.metadata.annotations"),
        ("CronJob", ("spec", "jobTemplate"), "spec.jobTemplate.spec.template.metadata.annotations"),
    ],
)
def test_an_annotation_beside_the_template_is_refused_because_nothing_reads_it(
    kind: str, path: tuple[str, ...], target: str
) -> None:
    document = maker(kind, {})
    place = document
    for key in path:
        place = place[key]
    place.setdefault("metadata", {})["annotations"] = {f"{PREFIX}wait-barrier": "a", "example.org/x": "y"}
    refusal = verdict(kind, document).refusal
    where = ".".join((*path, "metadata"))
    assert (
        refusal
        == f"annotation konductor.io/wait-barrier stands in {where}, where nothing reads it: move it to {target}"
    )


def test_an_annotation_in_both_places_was_put_there_by_a_tool_and_passes() -> None:
    document = maker("Job", {"wait-barrier": "a"})
    document["metadata"]["annotations"] = {f"{PREFIX}wait-barrier": "a"}
    assert said(verdict("Job", document)) == DONE


def test_what_was_stored_before_the_rules_can_still_be_scaled_and_deleted() -> None:
    old = maker("Deployment", {"wait-barier": "a"}, replicas=1)
    scaled = maker("Deployment", {"wait-barier": "a"}, replicas=5)
    assert verdict("Deployment", scaled, old, "UPDATE") == Verdict()
    changed = maker("Deployment", {"wait-barier": "b"})
    assert verdict("Deployment", changed, old, "UPDATE").refusal is not None
    changed["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    assert verdict("Deployment", changed, old, "UPDATE") == Verdict()


WARNED: list[tuple[str, dict[str, str], dict[str, Any], str]] = [
    (
        "Job",
        {"wait-barrier": "a:10m"},
        {"activeDeadlineSeconds": 60},
        "activeDeadlineSeconds 60 ends the Job meanwhile",
    ),
    (
        "Job",
        {"wait-barrier": "a", "wait-mode": "schedule"},
        {"activeDeadlineSeconds": 60},
        "may wait without end, and activeDeadlineSeconds 60 ends the Job meanwhile",
    ),
    (
        "Job",
        {"acquire-semaphore": "s", "holder": "nightly"},
        {"parallelism": 3},
        "all pods of this template hold as 'nightly', so that they share one lease",
    ),
    (
        "Deployment",
        {"acquire-semaphore": "s", "holder": "web"},
        {"replicas": 2},
        "all pods of this template hold as 'web', so that they share one lease",
    ),
    (
        "CronJob",
        {"arrive-barrier": "a", "arrive-on": "start"},
        {"completions": 3},
        "and once more where one takes the place of another: with completionMode: Indexed each index arrives once",
    ),
]


@pytest.mark.parametrize("kind,annotations,spec,warning", WARNED)
def test_what_may_surprise_later_is_said_when_the_template_is_applied(
    kind: str, annotations: dict[str, str], spec: dict[str, Any], warning: str
) -> None:
    assert said(verdict(kind, maker(kind, annotations, **spec)))[-1].endswith(warning)


QUIET: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("Job", {"acquire-semaphore": "s", "holder": "a-$(POD_NAME)"}, {"parallelism": 3}),
    ("Job", {"acquire-semaphore": "s", "holder": "nightly"}, {}),
    ("Job", {"arrive-barrier": "a", "arrive-on": "start"}, {"completions": 3, "completionMode": "Indexed"}),
    ("Job", {"arrive-barrier": "a", "arrive-on": "start"}, {"completions": 1}),
]


@pytest.mark.parametrize("kind,annotations,spec", QUIET)
def test_what_is_as_it_should_be_is_only_announced(
    kind: str, annotations: dict[str, str], spec: dict[str, Any]
) -> None:
    assert len(said(verdict(kind, maker(kind, annotations, **spec)))) == 1
