"""What pods ask for by annotation, of every kind of object, on a real cluster: who waits, who holds, what they lose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.cluster import PATIENCE
from tests.e2e.examples import history
from tests.e2e.test_admission import annotated, ended, job
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.cluster import Document, Namespace

STAY = "trap 'echo told; exit 0' TERM; while :; do sleep 0.1; done"
"""Runs until TERM."""


def konductor(kind: str, name: str, **spec: Any) -> Document:
    return {"apiVersion": "konductor.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def running(namespace: Namespace, name: str) -> bool:
    """Whether the pod's own container has started."""
    statuses = namespace.get(f"pod/{name}")["status"].get("containerStatuses", [])
    return any(each.get("started") for each in statuses)


def eventually(what: str, condition: Callable[[], object]) -> None:
    until(condition, what, timeout=PATIENCE, interval=0.2)


def status(namespace: Namespace, what: str) -> dict[str, Any]:
    kind, _, name = what.partition("/")
    found: dict[str, Any] = namespace.get(f"{kind}.konductor.io/{name}").get("status", {})
    return found


ONE_HOLDER = [
    ("Mutex", "mutexes", "acquire_mutex", "m"),
    ("Lease", "leases", "acquire_lease", "m"),
    ("RWMutex", "rwmutexes", "acquire_rwmutex", "m=write"),
]


@pytest.mark.parametrize("kind,plural,annotation,value", ONE_HOLDER)
def test_the_second_pod_starts_when_the_first_has_ended(
    kind: str, plural: str, annotation: str, value: str, namespace: Namespace
) -> None:
    """The grant is there for the container to read while it runs, and is given back when the pod ends."""
    namespace.apply(konductor(kind, "m"))
    read = f"cat /var/run/konductor/grants/{kind.lower()}-m/holder"
    namespace.apply(annotated("one", f"{read}; {STAY}", **{annotation: value}))
    eventually("the first one runs", lambda: running(namespace, "one"))
    namespace.apply(annotated("two", read, **{annotation: value}))
    eventually("the second one waits", lambda: status(namespace, f"{plural}/m").get("waiting") == 1)
    assert not running(namespace, "two")
    namespace("delete", "pod/one", "--wait=false")
    ended(namespace, "two")
    assert namespace("logs", "two", "-c", "main").split() == ["two"]
    eventually("nobody holds", lambda: status(namespace, f"{plural}/m")["phase"] in {"Unlocked", "Available"})


def test_readers_share_and_a_writer_waits_for_all_of_them(namespace: Namespace) -> None:
    namespace.apply(konductor("RWMutex", "warehouse"))
    namespace.apply(*(annotated(name, STAY, acquire_rwmutex="warehouse=read") for name in ("r1", "r2")))
    eventually("both readers run", lambda: all(running(namespace, name) for name in ("r1", "r2")))
    namespace.apply(annotated("w", "true", acquire_rwmutex="warehouse=write"))
    eventually("the writer waits", lambda: status(namespace, "rwmutexes/warehouse").get("waiting") == 1)
    assert status(namespace, "rwmutexes/warehouse")["phase"] == "ReadLocked"
    namespace("delete", "pod/r1", "--wait=true")
    assert not running(namespace, "w")
    namespace("delete", "pod/r2", "--wait=false")
    ended(namespace, "w")


@pytest.mark.parametrize("mode", ["init", "schedule"])
def test_a_pod_waits_for_a_once_that_another_one_runs(mode: str, namespace: Namespace) -> None:
    namespace.apply(konductor("Once", "schema"), annotated("waits", "true", wait_once="schema:5m", wait_mode=mode))
    namespace.run("other", "true")
    assert not running(namespace, "waits")
    namespace.run("runs", "koncli once run schema -- echo migrated")
    ended(namespace, "waits")


@pytest.mark.parametrize("mode", ["init", "schedule"])
def test_a_pod_waits_until_those_of_a_job_are_done(mode: str, namespace: Namespace) -> None:
    """Each counts once, by succeeding; a try that failed is tried again and counts with its success."""
    namespace.apply(konductor("WaitGroup", "parts"), annotated("waits", "true", wait_waitgroup="parts", wait_mode=mode))
    namespace.run("adds", "koncli waitgroup add parts --count 3")
    script = "if koncli once begin failure; then koncli once complete failure; exit 1; fi"
    template = annotated("x", script, done_waitgroup="parts")
    namespace.apply(konductor("Once", "failure"))
    namespace.apply(job("parts", template, completions=3, parallelism=3, completionMode="Indexed", backoffLimit=6))
    namespace("wait", "--for=condition=Complete", "job/parts", "--timeout=120s")
    ended(namespace, "waits")
    assert status(namespace, "waitgroups/parts")["counter"] == 0
    assert namespace.get("job/parts")["status"]["failed"] == 1


def test_several_are_acquired_all_or_none(namespace: Namespace) -> None:
    """While one of them is somebody else's, the pod holds none of the others."""
    namespace.apply(konductor("Semaphore", "s", permits=3), konductor("Mutex", "m"), konductor("RWMutex", "w"))
    namespace.apply(annotated("holder", STAY, acquire_mutex="m"))
    eventually("the mutex is held", lambda: running(namespace, "holder"))
    read = "cd /var/run/konductor/grants; cat */state; ls"
    namespace.apply(annotated("several", read, acquire_semaphore="s=2", acquire_mutex="m", acquire_rwmutex="w=read"))
    eventually("it waits for the mutex", lambda: status(namespace, "mutexes/m").get("waiting") == 1)
    assert status(namespace, "semaphores/s")["inUse"] == 0
    assert status(namespace, "rwmutexes/w")["phase"] == "Unlocked"
    namespace("delete", "pod/holder", "--wait=false")
    ended(namespace, "several")
    assert namespace("logs", "several", "-c", "main").split() == [
        *("held", "held", "held"),
        *("mutex-m", "rwmutex-w", "semaphore-s"),
    ]
    eventually("all is given back", lambda: status(namespace, "semaphores/s")["inUse"] == 0)


def test_the_higher_priority_goes_first_whoever_came_first(namespace: Namespace) -> None:
    namespace.apply(konductor("Semaphore", "s", permits=2))
    namespace.apply(annotated("holder", STAY, acquire_semaphore="s", permits="2"))
    eventually("both permits are taken", lambda: status(namespace, "semaphores/s").get("inUse") == 2)
    for waiting, (name, priority) in enumerate({"low": "-5", "high": "5"}.items(), start=1):
        namespace.apply(annotated(name, "true", acquire_semaphore="s=2", priority=priority))
        namespace.until_status("semaphore/s", {"waiting": waiting})
    namespace("delete", "pod/holder", "--wait=false")
    ended(namespace, "low", "high")
    order = [event["holder"] for event in history(namespace, "semaphore/s") if event["type"] == "granted"]
    assert order == ["holder", "high", "low"]


@pytest.mark.parametrize(
    "timeout,code,words", [("2s", 3, "timed out"), ("0s", 4, "would block")], ids=["in time", "at once"]
)
def test_a_pod_that_does_not_get_it_in_time_fails_and_says_so(
    timeout: str, code: int, words: str, namespace: Namespace
) -> None:
    namespace.apply(konductor("Lease", "l"))
    namespace.apply(annotated("holder", STAY, acquire_lease="l"))
    eventually("it is held", lambda: running(namespace, "holder"))
    namespace.apply(annotated("late", "true", acquire_lease="l", acquire_timeout=timeout))
    eventually("the late one fails", lambda: namespace.get("pod/late")["status"].get("phase") == "Failed")
    states = namespace.get("pod/late")["status"]["initContainerStatuses"]
    assert [each["state"]["terminated"]["exitCode"] for each in states if each["name"] == "konductor-acquire"] == [code]
    assert words in namespace("logs", "late", "-c", "konductor-acquire")


def test_what_a_pod_asks_for_happens_when_its_lease_is_lost(namespace: Namespace) -> None:
    """One is deleted, with an Event that says why; the other goes on, and reads in its volume that it has lost."""
    namespace.apply(konductor("Semaphore", "s", permits=2))
    state = "/var/run/konductor/grants/semaphore-s/state"
    goes_on = f"until grep -q lost {state}; do sleep 0.1; done; echo heard"
    namespace.apply(
        annotated("goes-on", goes_on, acquire_semaphore="s", ttl="15s"),
        annotated("deleted", STAY, acquire_semaphore="s", ttl="15s", on_lost="delete-pod"),
    )
    eventually("both run", lambda: all(running(namespace, name) for name in ("goes-on", "deleted")))
    namespace.run("takes", "for each in goes-on deleted; do koncli semaphore force-release s $each; done")
    ended(namespace, "goes-on")
    assert namespace("logs", "goes-on", "-c", "main").split() == ["heard"]
    eventually("the other is deleted", lambda: not namespace.there("pod/deleted"))
    told = namespace("get", "events", "--field-selector", "involvedObject.name=deleted", "-o", "jsonpath={..message}")
    assert "is deleted, as konductor.io/on-lost says" in told
