from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given

from konductor_core.errors import InvalidInput
from konductor_core.identity import Kind
from konductor_core.manifests import Manifest, parse_documents
from konductor_core.models import BarrierSpec, SemaphoreSpec, Spec
from tests.core.test_models import barrier_specs, semaphore_specs

BARRIERS = """\
# barriers.yaml
apiVersion: konductor.io/v1
kind: Barrier
metadata:
  name: extract-complete
  labels:
    pipeline: etl-demo
    stage: extract
spec:
  expected: 5
  timeout: 2h
---
apiVersion: konductor.io/v1
kind: Semaphore
metadata:
  name: load-concurrency
  namespace: etl
spec:
  permits: 2
  ttl: 30m
"""


def test_the_documents_of_a_file_are_its_manifests() -> None:
    barrier, semaphore = parse_documents(BARRIERS, "barriers.yaml")
    assert barrier == Manifest(
        kind=Kind.BARRIER,
        name="extract-complete",
        namespace=None,
        labels={"pipeline": "etl-demo", "stage": "extract"},
        spec=BarrierSpec(5, timeout_ms=7_200_000),
    )
    assert semaphore == Manifest(
        kind=Kind.SEMAPHORE, name="load-concurrency", namespace="etl", labels={}, spec=SemaphoreSpec(2, 1_800_000)
    )


@given(barrier_specs | semaphore_specs)
def test_a_manifest_reads_back_as_json_as_yaml_and_with_a_status(spec: Spec) -> None:
    manifest = Manifest(kind=spec.kind, name="a.b", namespace="n", labels={"l": "1"}, spec=spec, uid="u")
    document = manifest.to_dict({"phase": "Open"})
    assert list(document) == ["apiVersion", "kind", "metadata", "spec", "status"]
    assert parse_documents(json.dumps(document), "f") == [manifest]
    assert parse_documents(yaml.safe_dump(document), "f") == [manifest]
    assert parse_documents(json.dumps({"kind": "List", "apiVersion": "v1", "items": [document]}), "f") == [manifest]


def test_a_manifest_has_no_more_than_it_was_given() -> None:
    manifest = Manifest(kind=Kind.BARRIER, name="a", namespace=None, labels={}, spec=BarrierSpec(1))
    assert manifest.to_dict() == {
        "apiVersion": "konductor.io/v1",
        "kind": "Barrier",
        "metadata": {"name": "a"},
        "spec": {"expected": 1, "cyclic": False},
    }


def test_what_kubectl_prints_is_accepted() -> None:
    document = yaml.safe_load(BARRIERS.partition("---")[0])
    document["metadata"] |= {
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "generation": 1,
        "resourceVersion": "5",
        "uid": "2e1f0c1a-1111-2222-3333-444455556666",
        "namespace": "etl",
    }
    manifest = Manifest.from_dict({**document, "status": {"phase": "Open"}})
    assert (manifest.namespace, manifest.uid) == ("etl", "2e1f0c1a-1111-2222-3333-444455556666")


GOOD: dict[str, Any] = {
    "apiVersion": "konductor.io/v1",
    "kind": "Barrier",
    "metadata": {"name": "x"},
    "spec": {"expected": 5},
}


@pytest.mark.parametrize(
    "changes,message",
    [
        ({"kind": None}, "kind is missing: write one of Barrier, Semaphore"),
        ({"kind": ["Barrier"]}, "kind is missing: write one of Barrier, Semaphore"),
        ({"kind": "Barier"}, "kind 'Barier' is unknown: did you mean Barrier?"),
        ({"kind": "barrier"}, "kind 'barrier' is unknown: did you mean Barrier?"),
        ({"kind": "Thing"}, "kind 'Thing' is unknown: choose one of Barrier, Semaphore"),
        ({"apiVersion": None}, "apiVersion is missing: write apiVersion: konductor.io/v1"),
        ({"apiVersion": "v1"}, "kind 'Barrier' of 'v1' is not one of konductor.io's: apply it with kubectl"),
        ({"apiVersion": "konductor.io/v2"}, "apiVersion 'konductor.io/v2' is unknown: write konductor.io/v1"),
        ({"apiVersion": "conductor.io/v1"}, "apiVersion 'conductor.io/v1' is unknown: write konductor.io/v1"),
        (
            {"apiVersion": "batch/v1", "kind": "Job"},
            "kind 'Job' of 'batch/v1' is not one of konductor.io's: apply it with kubectl",
        ),
        ({"sepc": {}}, "the manifest has the unknown field 'sepc': did you mean spec?"),
        ({"metadata": None}, "Barrier has no metadata: give it metadata with a name"),
        ({"metadata": "x"}, "Barrier has no metadata: give it metadata with a name"),
        ({"metadata": {}}, "Barrier has no metadata.name: give it one"),
        ({"metadata": {"name": 5}}, "Barrier metadata.name 5 is not text: put it in quotes"),
        (
            {"metadata": {"name": "x", "lables": {}}},
            "Barrier x: metadata has the unknown field 'lables': did you mean labels?",
        ),
        (
            {"metadata": {"name": "x", "namespace": "A"}},
            "Barrier x: metadata.namespace 'A' is not valid: use lower-case",
        ),
        (
            {"metadata": {"name": "x", "labels": {"a": 5}}},
            "Barrier x: metadata.labels.a 5 is not text: put it in quotes",
        ),
        ({"spec": None}, "Barrier x: spec.expected is missing: give it a whole number from 1 to 1000000"),
        ({"spec": {"expectd": 5}}, "Barrier x: spec has the unknown field 'expectd': did you mean expected?"),
        ({"spec": {"expected": 1, "quorum": 2}}, "Barrier x: quorum 2 is more than expected 1: use at most 1"),
    ],
)
def test_a_bad_manifest_is_refused_with_its_place_and_the_remedy(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_documents("\n\n" + json.dumps({**GOOD, **changes}), "f.json")
    assert caught.value.message.startswith(f"f.json:3: {message}")


@pytest.mark.parametrize("name", ["X", "a\nb", "a:b", "{a}", "a b", "🚀", "x" * 10_000], ids=range(7))
def test_a_bad_name_is_refused_on_one_short_line(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"metadata\.name") as caught:
        Manifest.from_dict({**GOOD, "metadata": {"name": name}})
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 250
