"""Pods that wait unscheduled go when what they wait for has opened; those that lost a lease are told, or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from konductor_core.flows import leases
from konductor_core.identity import Kind
from konductor_core.keys import ObjectKeys
from tests.controller import pods
from tests.controller.api import PODS
from tests.controller.stage import Stage, eventually

if TYPE_CHECKING:
    from tests.servers import Server

GATE = "konductor.io/wait"
LONG_AGO = "2020-01-01T00:00:00Z"


async def gated(stage: Stage, name: str, wait: str, *others: str, **more: Any) -> str:
    """Create a pod that waits unscheduled; returns its uid."""
    annotations = {"konductor.io/wait-barrier": wait, "konductor.io/wait-mode": "schedule"}
    metadata = {"annotations": annotations, "creationTimestamp": LONG_AGO, **more}
    spec = {"schedulingGates": [{"name": gate} for gate in (*others, GATE)]}
    return await pods.new(stage, name, "Pending", metadata=metadata, spec=spec)


def gates(stage: Stage, name: str) -> list[str]:
    found = stage.api.get_object(PODS, "etl", name)
    assert found is not None
    return [each["name"] for each in found["spec"]["schedulingGates"]]


def patches(stage: Stage, name: str) -> int:
    return sum(
        each.resource == PODS and each.name == name and each.method.value == "PATCH" for each in stage.api.writes
    )


async def test_a_pod_is_let_go_when_all_that_it_waits_for_has_opened(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        for name in ("b", "c"):
            await stage.konductor.barrier(name).define(1)
        await gated(stage, "p", "b, c", "example.org/other")
        await stage.konductor.barrier("b").arrive("x")
        await stage.shown("b", phase="Open")
        assert GATE in gates(stage, "p")
        await stage.konductor.barrier("c").arrive("x")
        await eventually(lambda: gates(stage, "p") == ["example.org/other"], "only the other gate is left")
        assert patches(stage, "p") == 1


async def test_what_opened_while_no_controller_ran_lets_go_at_the_start(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        await stage.konductor.barrier("b").define(1)
        await gated(stage, "p", "b")
        await stage.konductor.barrier("b").arrive("x")
        async with stage.controller():
            await eventually(lambda: gates(stage, "p") == [], "it is let go")


@pytest.mark.parametrize("kind", ["waitgroup", "once"])
async def test_a_pod_waits_unscheduled_for_other_latches_too(any_server: Server, kind: str) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        group, once = stage.konductor.waitgroup("x"), stage.konductor.once("x")
        await (group if kind == "waitgroup" else once).define()
        await group.add("a") if kind == "waitgroup" else None
        annotations = {f"konductor.io/wait-{kind}": "x", "konductor.io/wait-mode": "schedule"}
        metadata = {"annotations": annotations, "creationTimestamp": LONG_AGO}
        await pods.new(stage, "p", "Pending", metadata=metadata, spec={"schedulingGates": [{"name": GATE}]})
        await stage.konductor.barrier("other").define(1)
        await stage.shown("other", phase="Waiting")
        assert gates(stage, "p") == [GATE]
        if kind == "waitgroup":
            await group.done("a")
        else:
            await (await once.begin(timeout=0)).complete()
        await eventually(lambda: gates(stage, "p") == [], "it is let go")


async def test_a_pod_waits_unscheduled_for_a_gate_that_a_hand_opens(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(Kind.GATE, "g", {})
        annotations = {"konductor.io/wait-gate": "g", "konductor.io/wait-mode": "schedule"}
        metadata = {"annotations": annotations, "creationTimestamp": LONG_AGO}
        await pods.new(stage, "p", "Pending", metadata=metadata, spec={"schedulingGates": [{"name": GATE}]})
        await stage.shown("g", Kind.GATE, phase="Waiting")
        assert gates(stage, "p") == [GATE]
        await stage.konductor.gate("g").open()
        await eventually(lambda: gates(stage, "p") == [], "it is let go")


async def test_a_barrier_that_comes_later_is_waited_for(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await gated(stage, "p", "b")
        await stage.konductor.barrier("b").define(1)
        await stage.shown("b", phase="Waiting")
        assert gates(stage, "p") == [GATE]
        await stage.konductor.barrier("b").arrive("x")
        await eventually(lambda: gates(stage, "p") == [], "it is let go")


async def test_of_a_cyclic_barrier_the_next_cycle_is_waited_for(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller() as controller:
        rounds = stage.konductor.barrier("rounds")
        await rounds.define(1, cyclic=True)
        await rounds.arrive("x")
        await stage.shown("rounds", lastOpenedCycle=1)
        await gated(stage, "p", "rounds", creationTimestamp="2099-01-01T00:00:00Z")
        await eventually(lambda: cycles_noted(controller), "the pod was looked at")
        assert gates(stage, "p") == [GATE]
        await rounds.arrive("x")
        await eventually(lambda: gates(stage, "p") == [], "it is let go")


def cycles_noted(controller: Any) -> bool:
    return any(each.cycles for each in controller.scheduling._gated.values())


async def test_a_wait_that_fails_or_takes_too_long_is_an_event_on_the_pod(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.barrier("failing").define(1, timeout="100ms")
        await stage.konductor.barrier("closed").define(1)
        await gated(stage, "p", "failing")
        await gated(stage, "q", "closed:1h")
        await eventually(lambda: stage.api.events("p") and stage.api.events("q"), "both have an Event")
        (failed,), (late,) = stage.api.events("p"), stage.api.events("q")
        assert (failed["reason"], late["reason"]) == ("WaitFailed", "WaitTimedOut")
        assert failed["message"] == "barrier/failing has failed: timeout with 0/1 arrived"
        assert late["message"] == "has waited 1h for barrier/closed, which is still closed"
        assert gates(stage, "p") == gates(stage, "q") == [GATE]
        await stage.konductor.barrier("closed").arrive("x")
        await eventually(lambda: gates(stage, "q") == [], "it is let go after all")


async def test_a_pod_that_changes_meanwhile_is_let_go_all_the_same(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.barrier("b").define(1)
        await gated(stage, "p", "b")
        refused: list[Any] = []

        def refuse(request: Any) -> int | None:
            if request.resource == PODS and request.method.value == "PATCH" and len(refused) < 2:
                refused.append(request)
                return 409
            return None

        stage.api.refuse = refuse
        await stage.konductor.barrier("b").arrive("x")
        await eventually(lambda: gates(stage, "p") == [], "it is let go")
        assert len(refused) == 2


@pytest.mark.parametrize("on_lost", ["delete-pod", "continue"])
async def test_a_pod_that_has_lost_its_lease_is_told_and_deleted_if_it_asks_for_that(
    on_lost: str, any_server: Server
) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.semaphore("s").define(1)
        annotations = {"konductor.io/acquire-semaphore": "s", "konductor.io/on-lost": on_lost}
        uid = await pods.new(stage, "p", metadata={"annotations": annotations})
        keys = ObjectKeys("etl", Kind.SEMAPHORE, "s")
        await stage.konductor.driver.run(leases.report_lost(keys, "p", 7, leases.lost_detail("it has ended", uid)))
        await eventually(lambda: stage.api.events("p"), "there is an Event")
        (event,) = stage.api.events("p")
        assert event["reason"] == "LeaseLost"
        assert "lost its lease of semaphore/s" in event["message"]
        if on_lost == "delete-pod":
            await eventually(lambda: stage.api.get_object(PODS, "etl", "p") is None, "the pod is deleted")
        else:
            assert stage.api.get_object(PODS, "etl", "p") is not None
