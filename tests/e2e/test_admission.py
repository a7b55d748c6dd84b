"""Annotations on a real cluster: what kubectl says of them, and what pods do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from konductor_core.annotations import PREFIX, SYSTEM_NAMESPACE, WEBHOOK
from tests.e2e.cluster import PATIENCE, Document, kubectl, pod
from tests.e2e.test_objects import barrier, semaphore
from tests.servers import until

if TYPE_CHECKING:
    from tests.e2e.cluster import Namespace

RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


def annotated(name: str, script: str, **annotations: str) -> Document:
    """Return a pod without a word of Konductor but its annotations, whose names have underscores here."""
    found = pod(name, script, env=[])
    named = {PREFIX + each.replace("_", "-"): value for each, value in annotations.items()}
    return {**found, "metadata": {"name": name, "annotations": named}}


def job(name: str, template: Document, **spec: Any) -> Document:
    metadata = {"annotations": template["metadata"]["annotations"]}
    of_pods = {"metadata": metadata, "spec": template["spec"]}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": of_pods, **spec}}


def ended(namespace: Namespace, *names: str) -> None:
    def phases() -> set[str]:
        return {namespace("get", f"pod/{name}", "-o", "jsonpath={.status.phase}") for name in names}

    until(lambda: phases() == {"Succeeded"}, f"{names} have succeeded", timeout=PATIENCE, interval=0.2)


def test_kubectl_says_what_was_done_and_refuses_a_mistake_wherever_it_stands(namespace: Namespace) -> None:
    good = annotated("good", "true", wait_barrier="b", acquire_semaphore="s")
    for document in (good, job("good", good)):
        said = namespace("apply", "--dry-run=server", "-f", "-", given=json.dumps(document))
        assert "Warning: konductor: waits for barrier/b, holds semaphore/s" in said
    bad = annotated("bad", "true", wait_barier="b")
    for document in (bad, job("bad", bad)):
        assert "'konductor.io/wait-barier' is unknown: did you mean konductor.io/wait-barrier?" in namespace.refused(
            document
        )
    beside = {
        **job("beside", annotated("x", "true")),
        "metadata": {"name": "beside", "annotations": {f"{PREFIX}ttl": "1m"}},
    }
    assert "where nothing reads it: move it to spec.template.metadata.annotations" in namespace.refused(beside)


def test_pods_under_the_restricted_standard_meet_at_a_barrier_and_take_turns(namespace: Namespace) -> None:
    kubectl("label", "namespace", namespace.name, RESTRICTED)
    namespace.apply(barrier("together", expected=2), semaphore("turns", permits=1))
    both = {
        "wait_barrier": "together",
        "arrive_barrier": "together",
        "arrive_on": "start",
        "acquire_semaphore": "turns",
    }
    script = "cat /var/run/konductor/grants/semaphore-turns/holder; koncli semaphore holders turns | sed -n 2p"
    namespace.apply(*(annotated(name, script, **both) for name in ("one", "two")))
    ended(namespace, "one", "two")
    for name in ("one", "two"):
        mine, holder, *_ = namespace("logs", name, "-c", "main").split()
        assert (mine, holder) == (name, name)
    namespace.until_status("semaphore/turns", {"inUse": 0})


def test_the_pods_of_an_indexed_job_arrive_when_they_succeed(namespace: Namespace) -> None:
    namespace.apply(barrier("done", expected=3))
    template = annotated("x", "true", arrive_barrier="done")
    namespace.apply(job("work", template, completions=3, parallelism=3, completionMode="Indexed"))
    namespace.until_status("barrier/done", {"phase": "Open", "arrived": 3})


def test_any_pod_of_a_labelled_namespace_can_call_koncli_as_it_is(namespace: Namespace) -> None:
    namespace.apply(semaphore("s", permits=1))
    assert "s " in namespace.run("plain", "koncli semaphore list", env=[])


def test_the_certificate_is_made_again_if_its_secret_is_lost(namespace: Namespace) -> None:
    shown = "jsonpath={.webhooks[0].clientConfig.caBundle}"
    bundle = kubectl("get", "mutatingwebhookconfiguration", WEBHOOK, "-o", shown)
    kubectl("-n", SYSTEM_NAMESPACE, "delete", "secret", WEBHOOK)
    there = ["-n", SYSTEM_NAMESPACE, "get", "secret", WEBHOOK, "--ignore-not-found", "-o", "name"]
    until(lambda: kubectl(*there), "the Secret is there again", timeout=2 * PATIENCE, interval=1.0)
    assert kubectl("get", "mutatingwebhookconfiguration", WEBHOOK, "-o", shown) == bundle
    namespace.apply(annotated("after", "true", api="true"))
    ended(namespace, "after")
