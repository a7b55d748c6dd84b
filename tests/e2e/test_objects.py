"""Barriers and semaphores on a real cluster, as kubectl shows and changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from konductor_core.identity import Kind
from konductor_core.models import SPECS, STATUSES
from tests.e2e.cluster import Document, Namespace, kubectl, pod
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Mapping

LABELS = {"pipeline": "etl-demo"}


def barrier(name: str, **spec: Any) -> Document:
    return _object("Barrier", name, spec)


def semaphore(name: str, **spec: Any) -> Document:
    return _object("Semaphore", name, spec)


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> Document:
    metadata = {"name": name, "labels": LABELS}
    return {"apiVersion": "konductor.io/v1", "kind": str(kind), "metadata": metadata, "spec": dict(spec)}


def test_kubectl_shows_how_far_a_barrier_is_and_what_a_semaphore_has_left(namespace: Namespace) -> None:
    namespace.apply(barrier("extract-complete", expected=5), semaphore("load-concurrency", permits=2))
    namespace.run("a", "koncli barrier arrive extract-complete; koncli semaphore acquire load-concurrency")
    namespace.until_status("barrier/extract-complete", {"arrived": 1})
    assert namespace.rows("barriers", "-l", "pipeline=etl-demo") == [
        ["NAME", "ARRIVED", "WAITING", "PHASE", "AGE"],
        ["extract-complete", "1/5", "0", "Waiting"],
    ]
    namespace.until_status("semaphore/load-concurrency", {"inUse": 0})  # its pod has ended
    assert namespace.rows("semaphores") == [
        ["NAME", "PERMITS", "IN-USE", "AVAILABLE", "WAITING", "PHASE", "AGE"],
        ["load-concurrency", "2", "0", "2", "0", "Ready"],
    ]


NEEDED: dict[Kind, dict[str, Any]] = {Kind.BARRIER: {"expected": 1}, Kind.SEMAPHORE: {"permits": 1}}
"""What a spec must have; those of other kinds may be empty."""


def test_get_konductor_lists_all_kinds(namespace: Namespace) -> None:
    namespace.apply(*(_object(kind, "x", NEEDED.get(kind, {})) for kind in SPECS))
    listed = namespace("get", "konductor", "-o", "name").split()
    assert set(listed) == {f"{kind.key}.konductor.io/x" for kind in SPECS}


@pytest.mark.parametrize("kind", SPECS)
def test_every_kind_is_taken_up_and_shown_by_its_short_name_in_its_own_columns(
    kind: Kind, namespace: Namespace
) -> None:
    namespace.apply(_object(kind, "x", NEEDED.get(kind, {})))
    namespace("wait", "--for=condition=Ready", f"{kind.plural}.konductor.io/x", "--timeout=30s")
    header, row = namespace("get", f"{kind.short}.konductor.io").splitlines()
    titles = [column.title.upper() for column in STATUSES[kind].columns]
    assert header.split() == ["NAME", *titles, "AGE"]
    assert namespace.get(f"{kind.plural}.konductor.io/x")["status"]["phase"] in row


@pytest.mark.parametrize("path", ["barrier.spec.quorum", "semaphore.spec.ttl", "barrier.status.arrivals", "sem.spec"])
def test_explain_says_what_a_field_means(path: str) -> None:
    explained = kubectl("explain", path)
    assert "DESCRIPTION:" in explained
    assert "<empty>" not in explained


def test_wait_returns_when_the_barrier_has_opened(namespace: Namespace) -> None:
    namespace.apply(barrier("b", expected=2))
    namespace.apply(pod("one", "koncli barrier arrive b"), pod("two", "koncli barrier arrive b"))
    namespace("wait", "--for=condition=Open", "barrier/b", "--timeout=60s")
    assert namespace.get("barrier/b")["status"]["phase"] == "Open"


REFUSED: list[tuple[Document, str]] = [
    (barrier("b", expected=0), "should be greater than or equal to 1"),
    (barrier("b"), "spec.expected: Required value"),
    (barrier("b", expected=3, quorum=4), "quorum must not be more than expected"),
    (barrier("b", expected=3, timeout="soon"), "timeout must be a duration like 30s, 1h30m or 500ms"),
    (barrier("b", expected=3, timeout="0s"), "timeout must be at least 1ms, or left out for none"),
    (barrier("b", expected=3, cyclic=True, quorum=2), "quorum does not go with cyclic"),
    (barrier("b", expected=3, expcted=2), 'unknown field "spec.expcted"'),
    (semaphore("s", permits=-1), "should be greater than or equal to 0"),
    (semaphore("s", permits=1, policy="Fair"), 'supported values: "Strict", "Backfill"'),
    (semaphore("s", permits=1, ttl="1000000h"), "ttl must be at most ten years"),
    (semaphore("Not-A-Name", permits=1), "RFC 1123"),
]


@pytest.mark.parametrize("document, message", REFUSED, ids=lambda each: each if isinstance(each, str) else "")
def test_bad_input_is_refused_with_the_reason(document: Document, message: str, namespace: Namespace) -> None:
    assert message in namespace.refused(document)


def test_a_change_of_the_spec_changes_the_object_and_keeps_what_it_holds(namespace: Namespace) -> None:
    namespace.apply(semaphore("s", permits=1))
    namespace.apply(pod("holder", "koncli semaphore acquire s --wait; sleep 300"))
    namespace.until_status("semaphore/s", {"inUse": 1, "phase": "Full"})
    namespace("patch", "semaphore/s", "--type=merge", "-p", '{"spec": {"permits": 3}}')
    status = namespace.until_status("semaphore/s", {"available": 2})["status"]
    assert status["observedGeneration"] == 2
    assert [each["holder"] for each in status["holders"]] == ["holder"]


def test_deleted_and_made_again_a_barrier_starts_with_nothing(namespace: Namespace) -> None:
    namespace.apply(barrier("b", expected=2))
    namespace.run("one", "koncli barrier arrive b")
    namespace.until_status("barrier/b", {"arrived": 1})
    namespace("delete", "barrier/b")
    namespace.apply(barrier("b", expected=2))
    namespace.until_status("barrier/b", {"arrived": 0, "phase": "Waiting"})


def test_a_deleted_object_is_gone_for_koncli_too(namespace: Namespace) -> None:
    namespace.apply(barrier("b", expected=2))
    namespace.until_status("barrier/b", {"phase": "Waiting"})
    namespace("delete", "barrier/b")
    namespace.run(
        "look", "for i in $(seq 100); do koncli barrier status b || break; sleep 0.1; done; ! koncli barrier status b"
    )


def test_what_koncli_makes_is_shown_by_kubectl_and_goes_when_that_is_deleted(namespace: Namespace) -> None:
    namespace.run("make", "koncli semaphore create s --permits=3")
    until(lambda: namespace.there("semaphore/s"), "it is shown", timeout=60, interval=0.2)
    found = namespace.until_status("semaphore/s", {"available": 3})
    assert found["metadata"]["labels"]["konductor.io/mirror"] == "true"
    namespace("delete", "semaphore/s")
    namespace.run(
        "look",
        "for i in $(seq 100); do koncli semaphore status s || break; sleep 0.1; done; ! koncli semaphore status s",
    )


def test_a_pod_that_is_gone_gives_its_permits_back_within_seconds(namespace: Namespace) -> None:
    namespace.apply(semaphore("s", permits=1, ttl="1h"))
    namespace.apply(pod("holder", "koncli semaphore acquire s --wait; sleep 300"))
    namespace.until_status("semaphore/s", {"inUse": 1})
    namespace("delete", "pod/holder", "--force", "--grace-period=0")
    namespace.until_status("semaphore/s", {"inUse": 0})


def test_a_namespace_can_be_deleted_with_objects_in_it(namespace: Namespace) -> None:
    namespace.apply(barrier("b", expected=2), semaphore("s", permits=1))
    namespace.run("one", "koncli barrier arrive b")
    kubectl("delete", "namespace", namespace.name, "--timeout=60s")


def test_each_namespace_has_a_redis_user_that_reaches_no_other(namespace: Namespace) -> None:
    namespace.apply(semaphore("s", permits=1))
    printed = namespace.run(
        "try", "koncli --namespace=default semaphore create stolen --permits=1 && exit 1; koncli semaphore status s"
    )
    assert "does not allow this user to do that" in printed
