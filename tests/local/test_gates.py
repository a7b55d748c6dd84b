"""Gates in a run: their conditions are looked at while Jobs, Pods, Deployments and our own objects change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.local.running import bare_pod, deployment, job, konductor
from tests.local.test_annotated import annotated

if TYPE_CHECKING:
    from tests.local.running import Local, Manifest


def gate(name: str, *conditions: tuple[Any, ...], **spec: Any) -> Manifest:
    """A gate with conditions of (type, name, then state and value if they are given)."""
    fields = ("type", "name", "state", "value")
    return konductor("Gate", name, conditions=[dict(zip(fields, each, strict=False)) for each in conditions], **spec)


def test_a_gate_opens_when_job_deployment_pod_and_our_own_objects_are_where_they_should_be(local: Local) -> None:
    wait = "koncli semaphore status slots -o name && koncli barrier arrive loaded a"
    done = local.run(
        gate("ready", ("Job", "migrate"), ("Deployment", "web"), ("Pod", "probe"), ("Barrier", "loaded")),
        konductor("Barrier", "loaded", expected=1),
        konductor("Semaphore", "slots", permits=2),
        gate("all", ("Gate", "ready"), ("Semaphore", "slots", "Ready", 2)),
        job("migrate", wait),
        deployment("web", "exec sleep 60", deployment={"replicas": 2}),
        bare_pod("probe", "koncli gate wait ready"),
        annotated(job("release", "echo released"), wait_gate="all:1m"),
    )
    assert done.code == 0, done
    assert done.said().count("released") == 1
    assert "gate/ready is open: 4/4 met" in done.out
    assert "gate/all is open: 2/2 met" in done.out


def test_a_gate_fails_when_what_it_waits_for_has_failed_by_itself(local: Local) -> None:
    done = local.run(
        gate("ready", ("Barrier", "loaded"), ("Job", "other")),
        konductor("Barrier", "loaded", expected=2, timeout="300ms"),
        job("other", "koncli gate wait ready || echo ended with $?"),
    )
    assert done.code == 0, done
    assert "error: gate/ready has failed: barrier/loaded: Failed, 0/2 arrived" in done.out
    assert "ended with 6" in done.said()


def test_a_gate_is_opened_by_hand_in_a_run(local: Local) -> None:
    done = local.run(
        gate("release"),
        annotated(job("web", "echo released"), wait_gate="release", wait_mode="schedule"),
        job("operator", "koncli gate open release"),
    )
    assert done.code == 0, done
    assert done.said().count("released") == 1
