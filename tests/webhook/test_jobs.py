"""What the API says of a pod's Job, asked once."""

from __future__ import annotations

from typing import Any, Final

import kmock

from tests.webhook.api import Api, cluster_of
from tests.webhook.pods import INDEX, JOB, pod
from webhook.jobs import Jobs

JOBS: Final = kmock.resource("batch", "v1", "jobs")


def made_by(job: str = "load", uid: str = "job-uid", **annotations: str) -> dict[str, Any]:
    sent = pod()
    sent["metadata"] |= {
        "labels": {**JOB, "batch.kubernetes.io/controller-uid": uid},
        "annotations": annotations,
        "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": uid, "controller": True}],
    }
    return sent


def api_with(spec: dict[str, Any], uid: str = "job-uid") -> Api:
    api = Api()
    api.resources[JOBS] = kmock.ResourceInfo(kind="Job", verbs={"get"}, namespaced=True)
    api.objects[JOBS, "etl", "load"] = {"metadata": {"name": "load", "namespace": "etl", "uid": uid}, "spec": spec}
    return api


async def test_the_completions_of_a_job_are_asked_for_once() -> None:
    api = api_with({"completions": 3})
    async with cluster_of(api) as cluster:
        jobs = Jobs(cluster)
        assert await jobs.completions("etl", made_by()) == 3
        del api.objects[JOBS, "etl", "load"]
        assert await jobs.completions("etl", made_by()) == 3


async def test_a_work_queue_has_none() -> None:
    async with cluster_of(api_with({"parallelism": 2})) as cluster:
        assert await Jobs(cluster).completions("etl", made_by()) == 0


async def test_a_namesake_and_a_job_that_is_gone_say_nothing() -> None:
    async with cluster_of(api_with({"completions": 3}, uid="another")) as cluster:
        jobs = Jobs(cluster)
        assert await jobs.completions("etl", made_by()) is None
        assert await jobs.completions("etl", made_by("gone")) is None


async def test_nobody_is_asked_about_a_pod_of_no_job_or_with_an_index() -> None:
    async with cluster_of(api_with({"completions": 3})) as cluster:
        jobs = Jobs(cluster)
        assert await jobs.completions("etl", pod()) is None
        assert await jobs.completions("etl", made_by(**{INDEX: "0"})) is None


async def test_an_api_that_does_not_answer_costs_the_number_and_not_the_pod() -> None:
    api = api_with({"completions": 3})
    async with cluster_of(api) as cluster:
        cluster._client.configuration.host = "http://localhost:1"
        assert await Jobs(cluster).completions("etl", made_by()) is None
