"""What pods held is given back when they have ended, and nothing else is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import kmock
import pytest

from konductor_core.controller.view import Pod
from konductor_core.identity import Kind
from tests.controller import pods
from tests.controller.api import PODS
from tests.controller.stage import Stage, eventually

if TYPE_CHECKING:
    from tests.servers import Server

S = Kind.SEMAPHORE


async def holders(stage: Stage) -> set[str]:
    return {each.holder for each in (await stage.konductor.semaphore("s").status()).holders}


async def only(stage: Stage, *wanted: str) -> None:
    """Wait until just these hold."""

    async def is_so() -> bool:
        return await holders(stage) == set(wanted)

    await eventually(is_so, f"only {wanted} hold")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_a_pod_that_ended_gives_back_what_it_held(phase: str, server: Server) -> None:
    async with Stage(server.url) as stage, stage.controller():
        await stage.api.apply(S, "s", {"permits": 5})
        await stage.shown("s", S, available=5)
        uid = await pods.new(stage, "a")
        await pods.acquire(stage, "a", pod="a", uid=uid)
        await pods.acquire(stage, "a/0123456789", pod="a", uid=uid)
        await pods.acquire(stage, "named", pod="a", uid=uid, ttl_ms=0)
        await pods.acquire(stage, "elsewhere")
        await stage.shown("s", S, inUse=4)
        await pods.end(stage, "a", phase)
        await only(stage, "elsewhere")
        await stage.shown("s", S, inUse=1)


async def test_a_pod_that_is_gone_gives_back_what_it_held(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.semaphore("s").define(2)
        uid = await pods.new(stage, "a")
        await pods.acquire(stage, "a", pod="a", uid=uid)
        await stage.shown("s", S, inUse=1)
        await pods.delete(stage, "a")
        await only(stage)


async def test_the_next_in_the_queue_gets_it(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.semaphore("s").define(1)
        uid = await pods.new(stage, "a")
        await pods.acquire(stage, "a", pod="a", uid=uid)
        waiting = asyncio.create_task(pods.acquire(stage, "b", wait=True))
        await stage.shown("s", S, inUse=1, waiting=1)
        await pods.end(stage, "a")
        await asyncio.wait_for(waiting, 5)
        await only(stage, "b")


async def test_what_a_pod_left_while_no_controller_ran_is_given_back_at_the_start(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        await stage.konductor.semaphore("s").define(2)
        await pods.acquire(stage, "gone", pod="gone", uid="11111111-0000-4000-8000-000000000001")
        await pods.acquire(stage, "nameless", uid="11111111-0000-4000-8000-000000000002")
        async with stage.controller():
            await only(stage)


async def test_a_namesake_that_lives_goes_on_with_what_it_may_and_keeps_what_it_holds(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        await stage.konductor.semaphore("s").define(5)
        dead = "11111111-0000-4000-8000-000000000001"
        before = await pods.acquire(stage, "a", pod="a", uid=dead)
        await pods.acquire(stage, "a/0123456789", pod="a", uid=dead)
        uid = await pods.new(stage, "a")
        await pods.acquire(stage, "a/abcdefabcd", pod="a", uid=uid)
        async with stage.controller():
            await only(stage, "a", "a/abcdefabcd")
            assert (await pods.acquire(stage, "a", pod="a", uid=uid)).tokens == before.tokens
            await pods.end(stage, "a")
            await only(stage)


async def holders_without(stage: Stage, holder: str) -> bool:
    return holder not in await holders(stage)


async def test_a_late_word_of_the_death_of_a_namesake_harms_nobody(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller() as controller:
        await stage.konductor.semaphore("s").define(5)
        await pods.acquire(stage, "a", pod="a", uid="11111111-0000-4000-8000-000000000001")
        uid = await pods.new(stage, "a")
        await pods.acquire(stage, "a", pod="a", uid=uid)
        await pods.acquire(stage, "mark", pod="mark", uid="11111111-0000-4000-8000-000000000002")
        body = stage.api.get_object(PODS, "etl", "a")
        assert body is not None
        await stage.shown("s", S, inUse=1)
        controller.view.pods.put(("etl", "a"), None)  # what the watch might say late
        controller.view.pods.put(("etl", "a"), Pod.of(body))
        await pods.acquire(stage, "mark", pod="mark", uid="11111111-0000-4000-8000-000000000003")
        await eventually(lambda: holders_without(stage, "mark"), "the mark, whose pod never lived, is gone")
        assert await holders(stage) == {"a"}


async def test_a_lease_without_a_uid_ends_only_with_a_pod_that_was_seen(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.semaphore("s").define(5)
        await pods.new(stage, "seen")
        await eventually(lambda: stage.api.get_object(PODS, "etl", "seen"), "it is there")
        await pods.acquire(stage, "seen")
        await pods.acquire(stage, "laptop")
        await stage.shown("s", S, inUse=2)
        await pods.end(stage, "seen")
        await only(stage, "laptop")


async def test_the_wait_of_a_dead_pod_ends_too(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.semaphore("s").define(1)
        await pods.acquire(stage, "laptop")
        uid = await pods.new(stage, "a")
        waiting = asyncio.create_task(pods.acquire(stage, "a", pod="a", uid=uid, wait=True))
        await stage.shown("s", S, waiting=1)
        waiting_as_a_dead_process = stage.konductor.semaphore("s")
        await pods.end(stage, "a", "Failed")
        await stage.shown("s", S, waiting=0)
        assert (await waiting_as_a_dead_process.status()).waiting == 0
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_what_the_api_cannot_confirm_is_kept_until_it_can(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.semaphore("s").define(2)
        uid = await pods.new(stage, "a")
        await pods.acquire(stage, "a", pod="a", uid=uid)
        await stage.shown("s", S, inUse=1)
        asked: list[kmock.Request] = []

        def refuse(request: kmock.Request) -> int | None:
            if request.resource != PODS or request.action is not kmock.action.FETCH:
                return None
            asked.append(request)
            return 503 if len(asked) < 6 else None

        stage.api.refuse = refuse
        await pods.end(stage, "a")
        await eventually(lambda: asked, "the API was asked")
        assert await holders(stage) == {"a"}
        await only(stage)
        assert len(asked) >= 6
