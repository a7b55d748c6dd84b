"""Gates open and fail by what the cluster and Redis say, in whichever order that happens."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from konductor_core.controller.workloads import Workload
from konductor_core.errors import WaitTimeout
from konductor_core.facts import Fact
from konductor_core.gates import Reference
from konductor_core.identity import Kind
from tests.controller import pods, workloads
from tests.controller.api import NAMESPACES
from tests.controller.stage import Stage, eventually

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.servers import Server

G, B = Kind.GATE, Kind.BARRIER


def on(what: str, **more: Any) -> dict[str, Any]:
    """Return the condition that `Job/x` or `other/Job/x` says."""
    *where, kind, name = what.split("/")
    return {"type": kind, "name": name, **({"namespace": where[0]} if where else {}), **more}


async def gate(stage: Stage, name: str, *conditions: dict[str, Any], **spec: Any) -> None:
    await stage.api.apply(G, name, {"conditions": list(conditions), **spec})


def messages(stage: Stage, name: str, namespace: str = "etl") -> list[str]:
    """Return how each condition of a gate stands."""
    return [each["message"] for each in stage.api.status(G, name, namespace).get("checks", [])]


async def says(stage: Stage, name: str, *wanted: str) -> None:
    await eventually(lambda: messages(stage, name) == [*wanted], f"{name} says {wanted}: {messages(stage, name)}")


async def is_ready(stage: Stage, name: str, status: str, reason: str) -> None:
    wanted = {"status": status, "reason": reason}
    await eventually(lambda: wanted.items() <= stage.api.condition(G, name, "Ready").items(), f"{name} is {reason}")


async def test_a_gate_opens_when_all_hold_and_shows_how_far_it_is(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await gate(stage, "g", on("Job/j"), on("Barrier/b"), on("Deployment/d"), on("Pod/p"))
        await says(stage, "g", *["does not exist"] * 4)
        assert stage.api.status(G, "g")["progress"] == "0/4"
        await workloads.job(stage, "j")
        await workloads.deployment(stage, "d", replicas=2, available=1)
        await stage.konductor.barrier("b").define(1)
        ready_pod = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        await pods.new(stage, "p", status=ready_pod)
        await says(
            stage, "g", "Running, 0/1 completions", "Waiting, 0/1 arrived", "Unavailable, 1/2 available", "Ready"
        )
        await workloads.change_job(stage, "j", "Complete")
        await stage.konductor.barrier("b").arrive("x")
        await stage.shown("g", G, phase="Waiting", progress="3/4")
        assert stage.api.condition(G, "g", "Open")["status"] == "False"
        await workloads.change_deployment(stage, "d", available=2, updated=2)
        await stage.shown("g", G, phase="Open", progress="4/4")
        assert stage.api.condition(G, "g", "Open")["status"] == "True"
        await eventually(lambda: stage.api.events("g"), "there is an Event")
        (event,) = stage.api.events("g")
        assert (event["reason"], event["message"]) == ("Opened", "4/4 met: it is open.")


async def test_what_held_before_the_controller_came_opens_and_what_goes_later_does_not_close(
    any_server: Server,
) -> None:
    async with Stage(any_server.url) as stage:
        await workloads.job(stage, "j", "Complete")
        await gate(stage, "g", on("Job/j"))
        async with stage.controller():
            await stage.shown("g", G, phase="Open", progress="1/1")
            await workloads.remove_job(stage, "j")
            await gate(stage, "later", on("Job/j"))
            await says(stage, "later", "does not exist")
            assert stage.api.status(G, "g")["phase"] == "Open"
            assert messages(stage, "g") == ["Complete, 1/1 completions"]


async def test_a_condition_that_cannot_come_true_any_more_fails_the_gate_and_those_that_wait_for_it(
    any_server: Server,
) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await gate(stage, "last", on("Gate/g"))
        await gate(stage, "g", on("Job/j"), on("Job/other"))
        await workloads.job(stage, "j")
        await says(stage, "last", "Waiting, 0/2 met")
        await workloads.change_job(stage, "j", "Failed")
        await stage.shown("g", G, phase="Failed", reason="job/j: Failed, 0/1 completions")
        await stage.shown("last", G, phase="Failed", reason="gate/g: Failed, 0/2 met")
        failed = stage.api.condition(G, "g", "Failed")
        assert (failed["status"], failed["message"]) == ("True", "job/j: Failed, 0/1 completions")
        await eventually(lambda: stage.api.events("g"), "there is an Event")
        (event,) = stage.api.events("g")
        assert (event["reason"], event["type"]) == ("Failed", "Warning")
        assert event["message"] == "It has failed: job/j: Failed, 0/1 completions."


async def test_after_its_timeout_a_gate_has_failed_without_anybody_doing_anything(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await gate(stage, "g", on("Job/j"), timeout="700ms")
        await says(stage, "g", "does not exist")
        await stage.shown("g", G, phase="Failed", reason="timeout with 0/1 met (job/j: does not exist)")


async def test_a_namespace_says_whose_gates_may_look(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.add(NAMESPACES, "open")
        await stage.api.add(NAMESPACES, "shut", metadata={"annotations": {"konductor.io/gates-from": "a, b"}})
        for namespace in ("open", "shut"):
            await workloads.job(stage, "j", "Complete", namespace)
        await gate(stage, "g", on("open/Job/j"), on("shut/Job/j"))
        await says(stage, "g", "Complete", "namespace shut does not let gates of etl look")
        patch = {"metadata": {"annotations": {"konductor.io/gates-from": "a, etl"}}}
        await stage.api._send("PATCH", "/api/v1/namespaces/shut", patch)
        await stage.shown("g", G, phase="Open")


async def test_gates_that_wait_for_each_other_say_so_until_the_ring_is_broken(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await gate(stage, "a", on("Gate/b"))
        await stage.shown("a", G, phase="Waiting")
        await gate(stage, "b", on("Gate/c"))
        await gate(stage, "c", on("Gate/a"))
        for name in "abc":
            await is_ready(stage, name, "False", "Cycle")
        message = stage.api.condition(G, "b", "Ready")["message"]
        assert (
            message == "gate/b waits for gate/c, which waits for gate/a, which waits for gate/b: none of them can open."
        )
        assert stage.api.status(G, "a")["phase"] == "Waiting"
        await gate(stage, "c", on("Job/j"))
        for name in "abc":
            await is_ready(stage, name, "True", "Applied")
        await workloads.job(stage, "j", "Complete")
        await stage.shown("b", G, phase="Open")


async def test_a_hand_can_let_a_ring_go(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await gate(stage, "a", on("Gate/b"))
        await gate(stage, "b", on("Gate/a"))
        await is_ready(stage, "b", "False", "Cycle")
        await stage.konductor.gate("a").open()
        await stage.shown("b", G, phase="Open", progress="1/1")
        await is_ready(stage, "b", "True", "Applied")


async def test_what_a_hand_has_done_stays_until_it_is_undone_and_the_conditions_go_on_beneath(
    any_server: Server,
) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await gate(stage, "g", on("Job/j"))
        await says(stage, "g", "does not exist")
        await stage.konductor.gate("g").close()
        await stage.shown("g", G, phase="Closed", override="Closed", verdict="Waiting")
        await gate(stage, "g", on("Job/j"), timeout="1h")
        await stage.shown("g", G, phase="Closed", timeout="1h")
        await workloads.job(stage, "j", "Complete")
        await stage.shown("g", G, phase="Closed", verdict="Open", progress="1/1")
        assert stage.api.condition(G, "g", "Open")["reason"] == "ByHand"
        await stage.konductor.gate("g").auto()
        await stage.shown("g", G, phase="Open", verdict="Open")
        assert "override" not in stage.api.status(G, "g")


async def test_a_gate_that_koncli_made_is_looked_at_as_well(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.gate("g").define(["job/j"])
        await says(stage, "g", "does not exist")
        await workloads.job(stage, "j", "Complete")
        await stage.shown("g", G, phase="Open")


async def test_what_was_heard_of_before_is_asked_for_again_before_a_gate_opens_for_good(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller() as controller:
        await workloads.job(stage, "j")
        await eventually(lambda: controller.view.workloads.items, "the job was seen")
        outdated = Workload("9999999", Fact("Complete", frozenset({"Complete"}), 1))
        controller.view.workloads.put(Reference("Job", "etl", "j"), outdated)
        await gate(stage, "g", on("Job/j"))
        await says(stage, "g", "Running, 0/1 completions")


async def test_who_waits_has_the_gate_looked_at_again(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        async with stage.controller():
            await gate(stage, "g", on("Job/j"))
            await says(stage, "g", "does not exist")
        g = stage.konductor.gate("g")

        async def is_asked_for() -> bool:
            with suppress(WaitTimeout):
                await g.wait(timeout=0)
            return (await g.status()).asked_ms is not None

        async def is_answered() -> bool:
            return (await g.status()).asked_ms is None

        await eventually(is_asked_for, "a look is asked for, once the last one was long ago")
        async with stage.controller():
            await eventually(is_answered, "it was looked at, though nothing has changed")
            waiting = asyncio.create_task(g.wait())
            await stage.shown("g", G, waiting=1)
            await workloads.job(stage, "j", "Complete")
            assert (await asyncio.wait_for(waiting, 10)).summary == "open: 1/1 met"


async def test_gates_that_redis_has_lost_are_as_they_were(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await workloads.job(stage, "done", "Complete")
        await gate(stage, "decided", on("Job/done"))
        await stage.shown("decided", G, phase="Open")
        await workloads.remove_job(stage, "done")
        for name in ("opened", "closed", "left"):
            await gate(stage, name, on("Job/j"), timeout="1h")
            await says(stage, name, "does not exist")
        await stage.konductor.gate("opened").open()
        await stage.konductor.gate("closed").close()
        await stage.shown("opened", G, phase="Open")
        await stage.shown("closed", G, phase="Closed")
        before = {name: stage.api.status(G, name) for name in ("decided", "opened", "closed", "left")}
        with any_server.client() as admin:
            admin.flushall()
        await eventually(lambda: all_there(stage, before), "all are back")
        for name, status in before.items():
            found = (await stage.konductor.gate(name).status()).to_dict()
            same = {"phase", "verdict", "override", "epoch", "createdAt", "deadline", "openedAt", "checks", "met"}
            assert {each: found.get(each) for each in same} == {each: status.get(each) for each in same}
        await workloads.job(stage, "j", "Complete")
        await stage.shown("left", G, phase="Open")
        await stage.shown("closed", G, phase="Closed", verdict="Open")


async def all_there(stage: Stage, names: Iterable[str]) -> bool:
    return {(G, name) for name in names} <= set(await stage.konductor.objects())
