"""Gates on a real cluster: jobs, deployments, pods and other gates open them, and so does a hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.cluster import SYSTEM, Document, kubectl, lose_everything, pod
from tests.e2e.test_admission import annotated, ended
from tests.e2e.test_objects import barrier

if TYPE_CHECKING:
    from tests.e2e.cluster import Namespace

GATES_FROM = "konductor.io/gates-from"


def gate(name: str, *conditions: str, **spec: Any) -> Document:
    """Return a gate; a condition is written as `Job/x` or `other/Job/x`."""
    found = []
    for condition in conditions:
        *where, kind, target = condition.split("/")
        found.append({"type": kind, "name": target, **({"namespace": where[0]} if where else {})})
    document = {"apiVersion": "konductor.io/v1", "kind": "Gate", "metadata": {"name": name}}
    return {**document, "spec": {"conditions": found, **spec}}


def job(name: str, script: str, **spec: Any) -> Document:
    template = {"spec": pod(name, script, env=[])["spec"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": template, "backoffLimit": 0, **spec},
    }


def deployment(name: str, replicas: int) -> Document:
    spec = {**pod(name, "sleep 600", env=[])["spec"], "restartPolicy": "Always"}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def messages(namespace: Namespace, name: str) -> list[str]:
    return [each["message"] for each in namespace.get(f"gate/{name}")["status"]["checks"]]


def test_a_gate_opens_when_a_job_a_barrier_a_deployment_and_another_namespace_are_ready(namespace: Namespace) -> None:
    remote = f"{SYSTEM}/Deployment/konductor-controller"
    namespace.apply(gate("ready", "Job/migrate", "Barrier/loaded", "Deployment/web", remote))
    namespace.apply(pod("waiter", "koncli gate wait ready --timeout=60s"))
    namespace.until_status("gate/ready", {"progress": "1/4", "phase": "Waiting"})
    assert messages(namespace, "ready")[:3] == ["does not exist"] * 3
    namespace.apply(job("migrate", "true"), barrier("loaded", expected=1), deployment("web", 2))
    namespace.until_status("gate/ready", {"progress": "3/4"})
    assert namespace.rows("gates") == [["NAME", "MET", "PHASE", "AGE"], ["ready", "3/4", "Waiting"]]
    namespace.run("last", "koncli barrier arrive loaded")
    namespace("wait", "--for=condition=Open", "gate/ready", "--timeout=30s")
    ended(namespace, "waiter")
    assert "4/4 met" in namespace("logs", "waiter")
    namespace("delete", "job/migrate", "deployment/web", "--wait=false")
    namespace.apply(gate("later", "Job/migrate"))
    namespace.until_status("gate/later", {"reason": "job/migrate: does not exist"})
    assert namespace.get("gate/ready")["status"]["phase"] == "Open"
    assert "4/4 met: it is open" in namespace("get", "events", "--field-selector=reason=Opened")


def test_a_failed_job_fails_the_gate_and_whoever_waits_for_it(namespace: Namespace) -> None:
    namespace.apply(gate("g", "Job/migrate"), gate("behind", "Gate/g"))
    namespace.apply(pod("waiter", "koncli gate wait behind --timeout=60s || [ $? = 6 ]"))
    namespace.apply(job("migrate", "exit 3"))
    namespace("wait", "--for=condition=Failed", "gate/behind", "--timeout=60s")
    ended(namespace, "waiter")
    assert "gate/behind has failed: gate/g: Failed" in namespace("logs", "waiter")
    assert "BackoffLimitExceeded" in namespace.get("gate/g")["status"]["reason"]


def test_a_gate_fails_at_its_timeout_and_a_reset_begins_anew(namespace: Namespace) -> None:
    namespace.apply(gate("g", "Job/never", timeout="1s"))
    namespace.until_status("gate/g", {"phase": "Failed", "reason": "timeout with 0/1 met (job/never: does not exist)"})
    namespace("delete", "gate/g")
    namespace.apply(gate("g", "Job/never", timeout="1h"))
    namespace.until_status("gate/g", {"phase": "Waiting"})


def test_a_hand_goes_before_the_conditions_until_they_are_left_to_decide_again(namespace: Namespace) -> None:
    namespace.apply(gate("g", "Job/migrate"))
    namespace.run("open", "koncli gate open g && koncli gate wait g --timeout=5s")
    namespace.until_status("gate/g", {"phase": "Open", "override": "Open", "verdict": "Waiting"})
    namespace.run("close", "koncli gate close g")
    namespace.apply(job("migrate", "true"))
    namespace.until_status("gate/g", {"phase": "Closed", "verdict": "Open"})
    lose_everything()
    namespace.run("auto", "for i in $(seq 60); do koncli gate auto g && exit; sleep 0.5; done; exit 1")
    status = namespace.until_status("gate/g", {"phase": "Open", "verdict": "Open"})["status"]
    assert "override" not in status


def test_a_pod_with_the_annotation_waits_in_an_init_container_or_unscheduled(namespace: Namespace) -> None:
    namespace.apply(gate("g", "Job/migrate"))
    namespace.apply(annotated("starts", "echo through", wait_gate="g"))
    namespace.apply(annotated("scheduled", "echo through", wait_gate="g", wait_mode="schedule"))
    namespace("wait", "--for=condition=Initialized=False", "pod/starts", "--timeout=30s")
    assert namespace.get("pod/scheduled")["spec"]["schedulingGates"] == [{"name": "konductor.io/wait"}]
    namespace.apply(job("migrate", "true"))
    ended(namespace, "starts", "scheduled")


def test_a_namespace_can_keep_gates_of_others_out(namespace: Namespace) -> None:
    kubectl("annotate", "namespace", "default", f"{GATES_FROM}=")
    try:
        namespace.apply(gate("g", "default/Deployment/x"))
        reason = f"default/deployment/x: namespace default does not let gates of {namespace.name} look"
        namespace.until_status("gate/g", {"reason": reason})
    finally:
        kubectl("annotate", "namespace", "default", f"{GATES_FROM}-")
    namespace.until_status("gate/g", {"reason": "default/deployment/x: does not exist"})


def test_a_gate_that_would_wait_for_itself_is_refused(namespace: Namespace) -> None:
    namespace.apply(gate("a", "Gate/b"), gate("b", "Gate/c"))
    said = namespace.refused(gate("c", "Gate/a"))
    assert "gate/c waits for gate/a, which waits for gate/b, which waits for gate/c: none of them could open" in said
    assert "gate/x waits for gate/x" in namespace.refused(gate("x", "Gate/x"))


REFUSED = [
    ({"type": "Jobs", "name": "x"}, "Unsupported value"),
    ({"type": "Job", "name": "x", "state": "Completed"}, "the state of a Job is Complete, Failed or Running"),
    ({"type": "Pod", "name": "x", "value": 2}, "a value goes with"),
    ({"type": "Job"}, "spec.conditions[0].name: Required value"),
    ({"type": "Job", "name": "X"}, "should match"),
    ({"type": "Job", "name": "x", "colour": "red"}, 'unknown field "spec.conditions[0].colour"'),
]


@pytest.mark.parametrize("condition, message", REFUSED, ids=lambda each: each if isinstance(each, str) else "")
def test_a_condition_that_makes_no_sense_is_refused_with_the_reason(
    condition: dict[str, Any], message: str, namespace: Namespace
) -> None:
    assert message in namespace.refused(gate("g") | {"spec": {"conditions": [condition]}})
