"""The pipeline of examples/ completes on a real cluster, written with koncli or with annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.cluster import environment
from tests.e2e.examples import Example

if TYPE_CHECKING:
    from tests.e2e.cluster import Document, Namespace

PIPELINE = Example("etl-pipeline")


def with_variables(job: Document) -> Document:
    """Return a job with the variables that one writes by hand where no webhook sets them."""
    spec = job["spec"]["template"]["spec"]
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        container["env"] = [*container.get("env", []), *environment()]
    return job


def run(namespace: Namespace, jobs: list[Document]) -> None:
    """Run the pipeline to its end."""
    PIPELINE.prepare(namespace)
    namespace.apply(*PIPELINE.documents("barriers"))
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
    run(namespace, [with_variables(job) for job in PIPELINE.documents(*STAGES)])


def test_in_a_labelled_namespace_they_complete_as_they_are(namespace: Namespace) -> None:
    run(namespace, list(PIPELINE.documents(*STAGES)))


def test_with_annotations_they_complete_without_calling_koncli(namespace: Namespace) -> None:
    run(namespace, list(PIPELINE.documents(*(f"annotated/{stage}" for stage in STAGES))))
