"""Pods arrive by succeeding: once each, under an id that its retries share, and only at the epoch they worked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from konductor_core.config import Settings
from konductor_core.controller.store import Store
from konductor_core.controller.view import Key
from konductor_core.durations import rfc3339
from konductor_core.identity import Kind
from tests.controller import pods
from tests.controller.stage import Stage, eventually

if TYPE_CHECKING:
    from konductor_core.controller.controller import Controller
    from tests.servers import Server

B = Kind.BARRIER
INDEX = "batch.kubernetes.io/job-completion-index"


def arriving(at: str = "b", **more: str) -> dict[str, Any]:
    """Return the metadata of a pod that arrives; keywords are further annotations, without their prefix."""
    others = {f"konductor.io/{name.replace('_', '-')}": value for name, value in more.items()}
    return {"annotations": {"konductor.io/arrive-barrier": at, **others}}


async def arrivals(stage: Stage, name: str = "b") -> list[str]:
    return [each.id for each in (await stage.konductor.barrier(name).status()).arrivals]


async def arrived(stage: Stage, *wanted: str, name: str = "b") -> None:
    """Wait until just these have arrived."""

    async def is_so() -> bool:
        return set(await arrivals(stage, name)) == set(wanted)

    await eventually(is_so, f"{wanted} have arrived")


async def server_time(stage: Stage, shift: float = 0.0) -> str:
    """Return the time of Redis as the API writes it, shifted by seconds."""
    async with Store(Settings.load({"redis_url": stage.redis_url}, {"HOSTNAME": "h"})) as store:
        return rfc3339(await store.now_ms("etl") + int(shift * 1000))


async def quiet(stage: Stage, controller: Controller) -> None:
    """Wait until a pod that came after all others has arrived, and all others were looked at too."""
    await stage.konductor.barrier("last").define(1)
    await pods.new(stage, "last", metadata=arriving("last"))
    await pods.end(stage, "last")
    await arrived(stage, pods.uid_of(stage, "last"), name="last")
    await eventually(lambda: not controller.arrivals._agenda.backlog(), "nothing is left to do")


async def test_a_pod_that_succeeds_is_done_in_its_wait_group_once(server: Server) -> None:
    async with Stage(server.url) as stage, stage.controller():
        group = stage.konductor.waitgroup("g")
        await group.define()
        await group.add(count=2)
        metadata = {"annotations": {"konductor.io/done-waitgroup": "g"}}
        await pods.new(stage, "p", metadata=metadata)
        await pods.end(stage, "p")

        async def is_done() -> bool:
            return (await group.status()).counter == 1

        await eventually(is_done, "one is done")
        assert not (await group.done(pods.uid_of(stage, "p"))).counted


async def test_a_pod_that_succeeds_arrives_at_each_of_its_barriers(server: Server) -> None:
    async with Stage(server.url) as stage, stage.controller():
        for name in ("b", "c"):
            await stage.api.apply(B, name, {"expected": 1})
            await stage.shown(name, phase="Waiting")
        uid = await pods.new(stage, "p", metadata=arriving("b, c"))
        await pods.end(stage, "p")
        for name in ("b", "c"):
            await stage.shown(name, phase="Open")
            assert await arrivals(stage, name) == [uid]


@pytest.mark.parametrize(
    "more, phase, counts",
    [
        ({}, "Failed", False),
        ({"arrive_on": "completion"}, "Failed", True),
        ({"arrive_on": "completion"}, "Succeeded", True),
        ({"arrive_on": "start"}, "Succeeded", False),
        ({"inject": "false"}, "Succeeded", False),
    ],
)
async def test_which_end_counts_is_what_the_pod_says(
    more: dict[str, str],
    phase: str,
    counts: bool,  # noqa: FBT001 - of the table
    any_server: Server,
) -> None:
    async with Stage(any_server.url) as stage, stage.controller() as controller:
        await stage.konductor.barrier("b").define(5)
        uid = await pods.new(stage, "p", metadata=arriving(**more))
        await pods.end(stage, "p", phase)
        if not counts:
            await quiet(stage, controller)
        await arrived(stage, *([uid] if counts else []))


async def test_retries_share_the_id_of_what_they_retry(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.barrier("b").define(9)
        indexed, single, several = [await pods.job(stage, f"j{n}", n) for n in (3, 1, 2)]
        queue = await pods.job(stage, "queue", None)
        uids = {}
        for name, owner, index in (
            *(("i0", indexed, "0"), ("i1", indexed, "1"), ("i1-again", indexed, "1")),
            *(("single", single, None), ("single-again", single, None)),
            *(("s0", several, None), ("s1", several, None), ("queued", queue, None)),
        ):
            metadata = arriving()
            metadata["ownerReferences"] = [owner]
            if index is not None:
                metadata["annotations"][INDEX] = index
            uids[name] = await pods.new(stage, name, metadata=metadata)
            await pods.end(stage, name)
        ids = {f"{indexed['uid']}/0", f"{indexed['uid']}/1", single["uid"], uids["s0"], uids["s1"], uids["queued"]}
        await arrived(stage, *ids)


async def test_another_controller_counts_nobody_again(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        await stage.konductor.barrier("b").define(3)
        await stage.konductor.barrier("rounds").define(1, cyclic=True)
        owner = await pods.job(stage, "j", 1)
        metadata = {**arriving("b, rounds"), "ownerReferences": [owner]}
        async with stage.controller():
            await pods.new(stage, "p", metadata=metadata)
            await pods.end(stage, "p", finished=await server_time(stage))
            await arrived(stage, owner["uid"])
            await eventually(lambda: cycles(stage), "a cycle has opened")
        async with stage.controller() as controller:
            await quiet(stage, controller)
            assert await arrivals(stage) == [owner["uid"]]
            status = await stage.konductor.barrier("rounds").status()
            assert (status.last_opened_cycle, status.arrived) == (1, 0)


async def cycles(stage: Stage) -> int:
    return (await stage.konductor.barrier("rounds").status()).last_opened_cycle or 0


async def test_a_job_that_is_gone_by_now_does_not_count_twice(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        await stage.konductor.barrier("b").define(3)
        owner = await pods.job(stage, "j", 1)
        await stage.konductor.barrier("b").arrive(owner["uid"])
        await pods.new(stage, "p", metadata={**arriving(), "ownerReferences": [owner]})
        await pods.end(stage, "p", finished=await server_time(stage))
        await stage.api._send("DELETE", "/apis/batch/v1/namespaces/etl/jobs/j", None)
        async with stage.controller() as controller:
            await quiet(stage, controller)
            assert await arrivals(stage) == [owner["uid"]]


async def test_pods_that_succeeded_before_the_controller_came_to_define_their_barrier_count(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        created = await server_time(stage, -600)
        await stage.api.apply(B, "b", {"expected": 1}, creationTimestamp=created)
        uid = await pods.new(stage, "p", metadata=arriving())
        await pods.end(stage, "p", finished=await server_time(stage, -300))
        async with stage.controller():
            await stage.shown("b", phase="Open")
            assert await arrivals(stage) == [uid]


async def test_a_pod_of_before_a_reset_does_not_arrive_in_the_new_epoch(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        await stage.api.apply(B, "b", {"expected": 1}, creationTimestamp=await server_time(stage, -600))
        async with stage.controller():
            await stage.shown("b", phase="Waiting")
        await pods.new(stage, "old", metadata=arriving())
        await pods.end(stage, "old", finished=await server_time(stage, -60))
        await stage.konductor.barrier("b").reset()
        async with stage.controller() as controller:
            await quiet(stage, controller)
            assert await arrivals(stage) == []


async def test_a_pod_of_before_a_resource_was_made_anew_does_not_arrive_there(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        await pods.new(stage, "old", metadata=arriving())
        await pods.end(stage, "old", finished=await server_time(stage, -60))
        await stage.api.apply(B, "b", {"expected": 1}, creationTimestamp=await server_time(stage))
        async with stage.controller() as controller:
            await stage.shown("b", phase="Waiting")
            await quiet(stage, controller)
            assert await arrivals(stage) == []


async def test_a_pod_whose_barrier_comes_later_arrives_then(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller() as controller:
        uid = await pods.new(stage, "p", metadata=arriving())
        await pods.end(stage, "p")
        await quiet(stage, controller)
        await stage.konductor.barrier("b").define(1)
        await eventually(lambda: has(stage, uid), "it has arrived", 4.0)


async def has(stage: Stage, uid: str) -> bool:
    return await arrivals(stage) == [uid]


async def test_an_arrival_that_cannot_count_is_an_event_on_its_pod(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.barrier("b").define(2, timeout="100ms")
        await stage.shown("b", phase="Failed")
        await pods.new(stage, "p", metadata=arriving())
        await pods.end(stage, "p")
        await pods.new(stage, "q", metadata=arriving(arrive_on="sucess"))
        await pods.end(stage, "q")
        await eventually(lambda: stage.api.events("p") and stage.api.events("q"), "both have an Event")
        (failed,), (odd,) = stage.api.events("p"), stage.api.events("q")
        assert failed["reason"] == odd["reason"] == "NotCounted"
        assert "barrier/b has failed: timeout with 0/2 arrived" in failed["message"]
        assert "sucess" in odd["message"]


async def test_two_controllers_at_once_count_a_pod_once_also_when_it_opened_a_cycle(any_server: Server) -> None:
    settings = Settings.load({"redis_url": any_server.url}, {"HOSTNAME": "h"})
    async with Store(settings) as one, Store(settings) as two, Stage(any_server.url) as stage:
        await stage.konductor.barrier("rounds").define(1, cyclic=True)
        key = Key(B, "etl", "rounds")
        await asyncio.gather(one.arrive(key, "uid", "pod/uid"), two.arrive(key, "uid", "pod/uid"))
        status = await stage.konductor.barrier("rounds").status()
        assert (status.last_opened_cycle, status.arrived) == (1, 0)
