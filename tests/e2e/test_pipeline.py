"""The pipeline of examples/ completes on a real cluster, written with koncli or with annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from tests.deploy.rendering import ROOT
from tests.e2e.cluster import IMAGE, Document, Namespace, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

PIPELINE = ROOT / "examples/etl-pipeline"
PROGRAMS = "etl-programs"


def documents(*names: str) -> Iterator[Document]:
    """Yield the manifests of the example."""
    for name in names:
        yield from yaml.safe_load_all((PIPELINE / f"{name}.yaml").read_text(encoding="utf-8"))


def with_programs(job: Document) -> Document:
    """Return a job that can run here: the image has koncli, the other programs come from a ConfigMap."""
    spec = job["spec"]["template"]["spec"]
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        container["image"] = IMAGE
        container["volumeMounts"] = [*container.get("volumeMounts", []), {"name": "programs", "mountPath": "/programs"}]
        container["command"] = ["sh", "-c", 'PATH=/programs:$PATH exec "$@"', "--", *container["command"]]
    programs = {"name": "programs", "configMap": {"name": PROGRAMS, "defaultMode": 0o755}}
    spec["volumes"] = [*spec.get("volumes", []), programs]
    return job


def with_variables(job: Document) -> Document:
    """Return a job with the variables that one writes by hand where no webhook sets them."""
    spec = job["spec"]["template"]["spec"]
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        container["env"] = [*container.get("env", []), *environment()]
    return job


def claim() -> Document:
    """Return the claim of the example, of the cluster's default class and for one node: all that many clusters have."""
    (found,) = documents("storage")
    del found["spec"]["storageClassName"]
    found["spec"]["accessModes"] = ["ReadWriteOnce"]
    return found


def run(namespace: Namespace, jobs: list[Document]) -> None:
    """Run the pipeline to its end."""
    programs = [path for path in sorted((PIPELINE / "bin").iterdir()) if path.is_file()]
    namespace("create", "configmap", PROGRAMS, *(f"--from-file={path}" for path in programs))
    namespace.apply(claim(), *documents("barriers"))
    assert len(jobs) == 10
    namespace.apply(*jobs)
    namespace("wait", "--for=condition=Open", "barrier/extract-complete", "--timeout=120s")
    namespace("wait", "--for=condition=Open", "barrier/transform-complete", "--timeout=120s")
    namespace("wait", "--for=condition=Complete", "job", "--all", "--timeout=120s")
    assert namespace.rows("barriers", "-l", "pipeline=etl-demo")[1:] == [
        ["extract-complete", "5/5", "0", "Open"],
        ["transform-complete", "3/3", "0", "Open"],
    ]
    namespace.until_status("semaphore/load-concurrency", {"inUse": 0, "available": 2})
    assert namespace.get("semaphore/load-concurrency")["status"]["counters"]["grants"] == 2


STAGES = ("load-jobs", "transform-jobs", "extract-jobs")


def test_the_ten_jobs_complete_in_three_stages_with_the_connection_referenced_by_hand(namespace: Namespace) -> None:
    namespace("label", "namespace", namespace.name, "konductor.io/enabled-")
    run(namespace, [with_variables(with_programs(job)) for job in documents(*STAGES)])


def test_in_a_labelled_namespace_they_complete_as_they_are(namespace: Namespace) -> None:
    run(namespace, [with_programs(job) for job in documents(*STAGES)])


def test_with_annotations_they_complete_without_calling_koncli(namespace: Namespace) -> None:
    run(namespace, [with_programs(job) for job in documents(*(f"annotated/{stage}" for stage in STAGES))])
