"""What happened to an object is told in Kubernetes Events, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from konductor_core.flows import leases
from konductor_core.identity import Kind
from konductor_core.keys import ObjectKeys
from tests.controller.stage import Stage, eventually

if TYPE_CHECKING:
    from tests.servers import Server

B, S = Kind.BARRIER, Kind.SEMAPHORE


def told(stage: Stage, name: str) -> list[tuple[str, str, int]]:
    return sorted((each["reason"], each["type"], each["count"]) for each in stage.api.events(name))


async def test_opening_and_failing_are_told(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "opens", {"expected": 1})
        await stage.api.apply(B, "fails", {"expected": 1, "timeout": "300ms"})
        await stage.shown("opens", arrived=0)
        await stage.konductor.barrier("opens").arrive("x")
        await eventually(lambda: told(stage, "opens") == [("Opened", "Normal", 1)], "opening is told")
        await eventually(lambda: told(stage, "fails") == [("Failed", "Warning", 1)], "failing is told")
        involved = stage.api.events("opens")[0]["involvedObject"]
        assert involved["uid"] == stage.api.uid(B, "opens")


async def test_lost_and_taken_leases_are_told(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(S, "s", {"permits": 2})
        await stage.shown("s", S, available=2)
        await stage.konductor.semaphore("s").acquire(holder="dead", ttl="400ms")
        await stage.konductor.semaphore("s").acquire(holder="greedy", ttl="1h")
        await stage.konductor.semaphore("s").force_release("greedy")
        lost = leases.report_lost(ObjectKeys("etl", S, "s"), "greedy", 7, leases.lost_detail("it has ended", ""))
        await stage.konductor.driver.run(lost)
        wanted = [("Expired", "Warning", 1), ("ForceReleased", "Warning", 1), ("Lost", "Warning", 1)]
        await eventually(lambda: told(stage, "s") == wanted, "all are told")
        messages = {each["reason"]: each["message"] for each in stage.api.events("s")}
        assert messages["Expired"] == "The lease of dead expired without being renewed."
        assert "greedy" in messages["ForceReleased"]
        assert messages["Lost"] == "The lease of greedy was lost, as it noticed itself."


async def test_many_of_a_sort_are_told_together(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(S, "s", {"permits": 40})
        await stage.shown("s", S, available=40)
        for number in range(40):
            await stage.konductor.semaphore("s").acquire(holder=f"dead-{number}", ttl="700ms")
        await stage.shown("s", S, available=40, holders=[])
        await eventually(lambda: sum(each["count"] for each in stage.api.events("s")) == 40, "all are told")
        assert len(stage.api.events("s")) <= 10


async def test_a_restart_and_a_second_controller_tell_nothing_twice(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        async with stage.controller():
            await stage.api.apply(B, "b", {"expected": 1})
            await stage.shown("b", arrived=0)
            await stage.konductor.barrier("b").arrive("x")
            await eventually(lambda: told(stage, "b"), "opening is told")
        async with stage.controller() as controller:
            await eventually(lambda: controller.sweep.done_at and not controller.agenda.backlog(), "all was looked at")
        assert told(stage, "b") == [("Opened", "Normal", 1)]


async def test_a_namespace_that_takes_no_events_delays_nothing(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        stage.api.refuse = lambda request: 403 if "events" in str(request.url) else None
        await stage.api.apply(B, "b", {"expected": 1})
        await stage.shown("b", arrived=0)
        await stage.konductor.barrier("b").arrive("x")
        await stage.shown("b", phase="Open")
