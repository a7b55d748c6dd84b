"""Deployments in a run: their pods run until everything else is done, are replaced, and count when they are ready."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from koncli.local.deploymentspec import read_deployment
from koncli.local.documents import read_documents
from koncli.local.fields import Fields, Refusals
from konductor_core.errors import InvalidInput
from tests.local.running import container, deployment, job, konductor, processes
from tests.local.test_annotated import annotated

if TYPE_CHECKING:
    from tests.local.running import Local

SERVE = "trap 'echo tidy; exit 0' TERM; echo serves; while :; do sleep 0.05; done"


def test_a_run_is_complete_once_its_deployments_are_available_and_its_jobs_have_ended(local: Local) -> None:
    """The pods are named as Kubernetes names them, and end with grace when nothing else is left to do."""
    result = local.run(deployment("web", SERVE, deployment={"replicas": 2}), job("work", "echo works"))
    assert result.code == 0, result
    assert result.said().count("serves") == result.said().count("tidy") == 2
    pods = {line[1:].split()[0] for line in result.lines if line.startswith("[web")}
    assert len(pods) == 2
    assert all(re.fullmatch(r"web-[b-df-hj-np-tv-xz2-9]{10}-[b-df-hj-np-tv-xz2-9]{5}", each) for each in pods)
    assert "-- deployment/web: 2/2 available" in result.lines
    assert "complete: 1 job, 1 deployment, 3 pods" in result.lines[-1]


def test_a_job_may_wait_for_what_a_deployment_does(local: Local) -> None:
    serve = f"koncli barrier arrive up; {SERVE}"
    client = annotated(job("client", "echo asks"), wait_barrier="up")
    result = local.run(
        konductor("Barrier", "up", expected=2), deployment("web", serve, deployment={"replicas": 2}), client
    )
    assert (result.code, result.said().count("asks")) == (0, 1)


def test_an_app_that_ends_is_started_again_until_it_runs(local: Local) -> None:
    again = f'test -e "$DIR/once" || {{ touch "$DIR/once"; exit 1; }}; {SERVE}'
    web = deployment("web", again, container={"env": [{"name": "DIR", "value": str(local.folder)}]})
    result = local.run(web)
    assert (result.code, result.said()) == (0, ["serves", "tidy"])


def test_a_deployment_that_is_not_available_by_its_deadline_fails_the_run(local: Local) -> None:
    result = local.run(deployment("web", "echo broken; exit 3", deployment={"progressDeadlineSeconds": 2}))
    assert result.code == 1
    assert "FAILED deployment/web: ProgressDeadlineExceeded: pod web-" in result.lines[-1]
    assert "container main: exit code 3" in result.lines[-1]


@pytest.mark.parametrize(
    "probe",
    [
        {"exec": {"command": ["test", "-e", "up"]}},
        {"httpGet": {"port": "http", "path": "/up", "httpHeaders": [{"name": "X", "value": "y"}]}},
        {"tcpSocket": {"port": "http"}},
    ],
)
def test_a_pod_counts_once_its_readiness_probe_succeeds(local: Local, probe: dict[str, Any]) -> None:
    port = 20_000 + os.getpid() % 20_000
    serve = f"cd {local.folder}; sleep 1.5; touch up; echo up; exec python3 -m http.server {port}"
    fields = {
        "readinessProbe": {**probe, "periodSeconds": 1},
        "ports": [{"name": "http", "containerPort": port}],
        "workingDir": str(local.folder),
    }
    result = local.run(deployment("web", serve, container=fields, terminationGracePeriodSeconds=1))
    assert result.code == 0, result
    shown = [line for line in result.lines if line.endswith("main] up") or line == "-- deployment/web: 1/1 available"]
    assert shown[0].endswith("main] up")


def test_a_pod_that_is_not_alive_any_more_is_started_again(local: Local) -> None:
    """A liveness probe that fails ends the container, and the Deployment is complete with its successor."""
    state = f"{local.folder}/state"
    serve = f"trap 'exit 0' TERM; echo start >> {state}; echo serves; while :; do sleep 0.05; done"
    probe = {
        "exec": {"command": ["sh", "-c", f"test $(wc -l < {state}) = 2"]},
        "periodSeconds": 1,
        "failureThreshold": 1,
    }
    waits = job("waits", f"until test $(wc -l < {state}) = 2; do sleep 0.1; done")
    result = local.run(deployment("web", serve, container={"livenessProbe": probe}), waits)
    assert (result.code, result.said().count("serves")) == (0, 2)
    assert any("container main is not alive any more" in line for line in result.lines)


def test_a_deleted_pod_is_replaced(local: Local) -> None:
    """A pod that lost its lease is deleted, and another one takes its place and the lease."""
    serve = f"koncli barrier arrive serves; koncli barrier arrive replaced; {SERVE}"
    leader = annotated(deployment("leader", serve), acquire_lease="lead", on_lost="delete-pod")
    depose = "koncli lease force-release lead $(koncli lease holders lead -o name) && koncli barrier wait replaced"
    deposing = annotated(job("depose", depose), wait_barrier="serves")
    barriers = konductor("Barrier", "serves", expected=1), konductor("Barrier", "replaced", expected=2)
    result = local.run(konductor("Lease", "lead", ttl="15s"), *barriers, leader, deposing)
    assert result.code == 0, result
    assert any("has ended: another one now" in line for line in result.lines)


def test_with_stay_the_pods_run_on_until_they_are_interrupted(local: Local, mark: str) -> None:
    run = local.start(deployment("web", f"{SERVE} # {mark}"), args=("--stay",))
    run.wait_for("deployment/web (1/1 available) stays until Ctrl-C")
    assert processes(mark)
    run.signal(signal.SIGINT)
    result = run.finish()
    assert (result.code, result.said()) == (130, ["serves", "tidy"])


@pytest.mark.parametrize(
    "spec,words",
    [
        ({"selector": None}, "spec.selector: is missing"),
        ({"selector": {"matchLabels": {"app": "other"}}}, "spec.selector: the pod template has no label app: other"),
        ({"paused": True}, "spec.paused: a paused Deployment starts nothing new"),
        ({"replica": 2}, "spec.replica: did you mean replicas?"),
        ({"strategy": {"type": "Blue"}}, "spec.strategy.type: 'Blue' is none of RollingUpdate, Recreate"),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": "x"}}}, "maxUnavailable: 'x' is neither a whole number nor"),
        ({"template": None}, "spec.template is missing"),
    ],
)
def test_what_a_deployment_can_not_have_is_refused_by_name(local: Local, spec: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_documents([local.write(deployment("web", "true", deployment=spec))])
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "fields,words",
    [
        ({"restartPolicy": "Never"}, "restartPolicy: 'Never' is none of Always"),
        ({"activeDeadlineSeconds": 5}, "activeDeadlineSeconds: the API server refuses it in a Deployment"),
        ({"container": {"readinessProbe": {"grpc": {"port": 1}}}}, "readinessProbe.grpc: only exec, httpGet and tcp"),
        ({"container": {"readinessProbe": {"tcpSocket": {"port": "x"}}}}, "tcpSocket.port: 'x' is neither a port nor"),
        ({"init": [container("true", "i", livenessProbe={"exec": {}})]}, "initContainers[i].livenessProbe: an init"),
    ],
)
def test_what_its_pods_can_not_have_is_refused_by_name(local: Local, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_documents([local.write(deployment("web", "true", **fields))])
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "replicas,strategy,needed",
    [
        (None, {}, 1),
        (3, {}, 3),
        (8, {}, 6),
        (3, {"rollingUpdate": {"maxUnavailable": 2, "maxSurge": 1}}, 1),
        (3, {"rollingUpdate": {"maxUnavailable": "50%"}}, 2),
        (3, {"type": "Recreate"}, 3),
        (0, {}, 0),
    ],
)
def test_how_many_pods_make_a_deployment_available(replicas: int | None, strategy: dict[str, Any], needed: int) -> None:
    """As many as Kubernetes asks for in its condition Available."""
    refusals = Refusals()
    document = deployment("web", "true", deployment={"replicas": replicas, "strategy": strategy})
    template = Fields(document["spec"]["template"], "here", refusals)
    spec = read_deployment(Fields(document, "here", refusals), template, "web", "hash")
    refusals.raise_if_any()
    assert spec.needed == needed
