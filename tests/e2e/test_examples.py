"""The examples of single kinds do on a real cluster what they promise, written with koncli or with annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.cluster import PATIENCE
from tests.e2e.examples import Example, history
from tests.servers import until

if TYPE_CHECKING:
    from tests.e2e.cluster import Namespace

Events = list[dict[str, object]]


def at(events: Events, name: str, kind: str) -> list[str]:
    """The moments at which something happened to the object of this name, the first before the others."""
    return sorted(str(each["at"]) for each in events if each["name"] == name and each["type"] == kind)


def printed(namespace: Namespace, selector: str, container: str) -> str:
    return namespace("logs", "--selector", selector, "--container", container, "--tail=-1", "--prefix")


def test_one_of_three_replicas_migrates_and_takes_over_a_migration_that_failed(namespace: Namespace) -> None:
    Example("database-migrations").apply(namespace)
    namespace("rollout", "status", "deployment/shop", "--timeout=120s")
    status = namespace.until_status("once/schema-v3", {"phase": "Done"})["status"]
    assert status["failures"] == 1
    assert printed(namespace, "app=shop", "shop").count("serves on schema version 3") == 3


def test_migrations_take_turns_at_a_mutex_and_the_shop_waits_for_the_first_success(namespace: Namespace) -> None:
    Example("database-migrations/annotated").apply(namespace)
    namespace("rollout", "status", "deployment/shop", "--timeout=120s")
    namespace("wait", "--for=condition=Complete", "job/migrate", "--timeout=120s")
    said = printed(namespace, "part=migration", "migrate")
    assert said.count("migrated from version 0 to 3") == said.count("the schema has version 3 already") == 1
    namespace.until_status("mutex/schema", {"phase": "Unlocked"})
    events = history(namespace, "mutex/schema")
    granted, released = at(events, "schema", "granted"), at(events, "schema", "released")
    assert len(granted) == 3
    assert all(before <= after for before, after in zip(released, granted[1:], strict=False))


@pytest.mark.parametrize("style", ["shared-index", "shared-index/annotated"])
def test_no_query_meets_a_build(style: str, namespace: Namespace) -> None:
    Example(style).apply(namespace)
    namespace("wait", "--for=condition=Complete", "job", "--all", "--timeout=180s")
    assert {namespace.get(f"job/{name}")["status"].get("failed", 0) for name in ("build", "query")} == {0}
    counters = namespace.until_status("rwmutex/index", {"phase": "Unlocked"})["status"]["counters"]
    assert counters["grants"] == 6


@pytest.mark.parametrize("style", ["map-reduce", "map-reduce/annotated"])
def test_no_reducer_begins_before_the_last_chunk_and_none_adds_up_before_all_have_shuffled(
    style: str, namespace: Namespace
) -> None:
    Example(style).apply(namespace)
    namespace("wait", "--for=condition=Complete", "job", "--all", "--timeout=120s")
    assert "9,600 words, 10 different ones" in namespace("logs", "job/report", "-c", "report")
    events = history(namespace, "barrier/split", "waitgroup/chunks", "barrier/shuffled", "barrier/reduced")
    chunks_done = at(events, "chunks", "done")
    assert max(at(events, "chunks", "added")) <= at(events, "split", "opened")[0] <= chunks_done[0]
    assert chunks_done[-1] <= at(events, "shuffled", "arrived")[0]
    assert at(events, "shuffled", "opened")[0] <= at(events, "reduced", "arrived")[0]


@pytest.mark.parametrize("style", ["leader-election", "leader-election/annotated"])
def test_another_replica_leads_once_the_leader_is_deposed_and_another_one_once_its_pod_is_killed(
    style: str, namespace: Namespace
) -> None:
    Example(style).apply(namespace)
    namespace("wait", "--for=condition=Complete", "job/takeover", "--timeout=120s")

    def leader() -> str:
        holder: str = namespace.get("leases.konductor.io/scheduler-leader")["status"].get("holder") or ""
        return holder.partition("/")[0]

    until(leader, "somebody leads", timeout=PATIENCE, interval=0.2)
    second = leader()
    namespace("delete", f"pod/{second}", "--grace-period=0", "--force")
    until(lambda: leader() not in {"", second}, "another one leads", timeout=PATIENCE, interval=0.2)
    transitions = namespace.get("leases.konductor.io/scheduler-leader")["status"]["transitions"]
    assert transitions >= 2


@pytest.mark.parametrize("style", ["gated-deployment", "gated-deployment/annotated"])
def test_a_release_is_served_once_the_job_is_complete_and_the_caches_are_warm(style: str, namespace: Namespace) -> None:
    """The gate stays open when the Job is cleared away."""
    example = Example(style)
    example.prepare(namespace)
    documents = {document["metadata"]["name"]: document for document in example.documents()}
    last = documents.pop("migrate")
    namespace.apply(*documents.values())
    namespace.until_status("gate/release", {"phase": "Waiting", "met": 1})
    assert "readyReplicas" not in namespace.get("deployment/shop")["status"]
    namespace.apply(last)
    namespace("rollout", "status", "deployment/shop", "--timeout=120s")
    assert printed(namespace, "app=shop", "shop").count(" serves") == 2
    namespace("delete", "job/migrate")
    namespace("scale", "deployment/shop", "--replicas=3")
    namespace("rollout", "status", "deployment/shop", "--timeout=120s")
    assert namespace.get("gate/release")["status"]["phase"] == "Open"
