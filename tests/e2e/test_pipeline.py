"""The pipeline of examples/ completes on a real cluster, without any annotation."""

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
    """Return a job that can run here: the image has koncli, the other programs come from a ConfigMap.

    The variables are those that one writes by hand where no webhook sets them.
    """
    spec = job["spec"]["template"]["spec"]
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        container["image"] = IMAGE
        container["env"] = [*container.get("env", []), *environment()]
        container["volumeMounts"] = [*container.get("volumeMounts", []), {"name": "programs", "mountPath": "/programs"}]
        if container["command"][:2] == ["/bin/sh", "-c"]:
            container["command"][2] = f"PATH=/programs:$PATH\n{container['command'][2]}"
    spec["volumes"] = [
        *spec.get("volumes", []),
        {"name": "programs", "configMap": {"name": PROGRAMS, "defaultMode": 0o755}},
    ]
    return job


def claim() -> Document:
    """Return the claim of the example, of the cluster's default class and for one node: all that many clusters have."""
    (found,) = documents("storage")
    del found["spec"]["storageClassName"]
    found["spec"]["accessModes"] = ["ReadWriteOnce"]
    return found


def test_the_ten_jobs_complete_in_three_stages(namespace: Namespace) -> None:
    programs = [path for path in sorted((PIPELINE / "bin").iterdir()) if path.is_file()]
    namespace("create", "configmap", PROGRAMS, *(f"--from-file={path}" for path in programs))
    namespace.apply(claim(), *documents("barriers"))
    jobs = [with_programs(job) for job in documents("load-jobs", "transform-jobs", "extract-jobs")]
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
    counters = namespace.get("semaphore/load-concurrency")["status"]["counters"]
    assert counters["granted"] == 2
