"""What goes on, and what comes back, while a part of Konductor is away."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.e2e.cluster import SYSTEM, Document, Namespace, kubectl, lose_everything, pod
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator


def an_object(kind: str, **spec: Any) -> Document:
    return {"apiVersion": "konductor.io/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}


def ready(what: str) -> None:
    kubectl("-n", SYSTEM, "rollout", "status", what, "--timeout=120s")


@contextmanager
def without_controller() -> Iterator[None]:
    kubectl("-n", SYSTEM, "scale", "deployment/konductor-controller", "--replicas=0")
    kubectl(
        "-n", SYSTEM, "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/component=controller", "--timeout=60s"
    )
    try:
        yield
    finally:
        kubectl("-n", SYSTEM, "scale", "deployment/konductor-controller", "--replicas=2")
        ready("deployment/konductor-controller")


def test_while_the_controller_is_away_pods_arrive_and_wait_and_kubectl_shows_it_afterwards(
    namespace: Namespace,
) -> None:
    namespace.apply(an_object("Barrier", expected=2))
    namespace.run("one", "koncli barrier arrive x")
    with without_controller():
        namespace.apply(pod("waiter", "koncli barrier wait x --timeout=60s"))
        namespace.run("two", "koncli barrier arrive x")
        namespace("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/waiter", "--timeout=60s")
    namespace.until_status("barrier/x", {"phase": "Open", "arrived": 2})


def test_what_was_made_anew_while_the_controller_was_away_starts_with_nothing(namespace: Namespace) -> None:
    namespace.apply(an_object("Barrier", expected=2))
    namespace.run("one", "koncli barrier arrive x")
    with without_controller():
        namespace("delete", "barrier/x")
        namespace.apply(an_object("Barrier", expected=2))
    namespace.until_status("barrier/x", {"arrived": 0, "phase": "Waiting"})


def test_another_replica_takes_over_from_one_that_was_killed(namespace: Namespace) -> None:
    system = Namespace(SYSTEM)

    def active() -> str:
        holders = system.get("semaphore/konductor-controller").get("status", {}).get("holders") or [{}]
        return str(holders[0].get("holder", ""))

    before = active()
    system("delete", f"pod/{before}", "--force", "--grace-period=0")
    until(lambda: active() not in {"", before}, "another replica is active", timeout=60, interval=0.5)
    namespace.apply(an_object("Semaphore", permits=1))
    namespace.until_status("semaphore/x", {"available": 1})
    ready("deployment/konductor-controller")


def test_redis_keeps_arrivals_and_users_when_its_pod_is_new(namespace: Namespace) -> None:
    namespace.apply(an_object("Barrier", expected=2))
    namespace.run("one", "koncli barrier arrive x")
    with without_controller():
        kubectl("-n", SYSTEM, "delete", "pod/konductor-redis-0")
        ready("statefulset/konductor-redis")
        namespace.run("two", "koncli barrier arrive x && koncli barrier wait x --timeout=10s")


def test_what_redis_has_lost_comes_back_from_the_custom_resources(namespace: Namespace) -> None:
    namespace.apply(an_object("Barrier", expected=2))
    namespace.run("one", "koncli barrier arrive x")
    namespace.until_status("barrier/x", {"arrived": 1})
    lose_everything()
    namespace.run("two", "koncli barrier arrive x --timeout=60s && koncli barrier wait x --timeout=30s")
    namespace.until_status("barrier/x", {"phase": "Open", "arrived": 2})
