"""Redis is wiped under everybody, and everybody goes on with what the statuses knew of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from konductor_core import AsyncKonductor
from konductor_core.controller.remains import remains_of
from konductor_core.flows.imports import BarrierRemains, PermitRemains
from konductor_core.identity import Kind
from konductor_core.models import BarrierSpec, SemaphoreSpec
from tests.controller import pods
from tests.controller.stage import Stage, eventually

if TYPE_CHECKING:
    import pytest

    from tests.servers import Server

B, S = Kind.BARRIER, Kind.SEMAPHORE


def wipe(server: Server) -> None:
    with server.client() as admin:
        admin.flushall()


async def held(stage: Stage, name: str = "s") -> dict[str, int]:
    """Return who holds under which token; nothing while there is no such semaphore."""
    if (S, name) not in await stage.konductor.objects():
        return {}
    return {each.holder: each.token for each in (await stage.konductor.semaphore(name).status()).holders}


async def test_holders_that_renew_hold_on_and_waiters_come_after_them(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(S, "s", {"permits": 3})
        await stage.shown("s", S, available=3)
        semaphore = stage.konductor.semaphore("s")
        leases = [await semaphore.acquire(holder=f"h{n}", ttl="5s", renew=True) for n in range(2)]
        forever = await semaphore.acquire(holder="for-ever", ttl="0s", force=True)
        waiting = asyncio.create_task(pods.acquire(stage, "next", wait=True))
        await stage.shown("s", S, inUse=3, waiting=1)
        before, epoch = await held(stage), stage.api.status(S, "s")["epoch"]
        wipe(any_server)
        await eventually(lambda: same(stage, before), "the same hold under the same tokens", 5.0)
        ttl_passed = asyncio.create_task(asyncio.sleep(5.5))
        await ttl_passed  # nothing else shows that a lease has outlived its ttl
        assert not any(lease.lost.is_set() for lease in leases)
        assert await held(stage) == before
        assert stage.api.status(S, "s")["epoch"] == epoch
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert [await lease.release() for lease in (*leases, forever)] == ["released"] * 3
        await stage.shown("s", S, inUse=0)


async def same(stage: Stage, before: dict[str, int]) -> bool:
    return await held(stage) == before


async def test_barriers_are_as_they_were_and_who_waits_sees_them_open(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        for name, expected in (("b", 3), ("open", 1)):
            await stage.api.apply(B, name, {"expected": expected})
            await stage.shown(name, arrived=0)
        b = stage.konductor.barrier("b")
        await stage.konductor.barrier("open").arrive("x")
        await b.arrive("one")
        waiting = asyncio.create_task(b.arrive_and_wait("two"))
        await stage.shown("b", progress="2/3", waiting=1)
        await stage.shown("open", phase="Open")
        wipe(any_server)
        await b.arrive("three", patience="5s")
        assert (await asyncio.wait_for(waiting, 5)).arrived == 3
        assert (await stage.konductor.barrier("open").wait(timeout="5s")).arrived == 1
        await stage.shown("b", phase="Open", progress="3/3")


async def test_what_koncli_made_comes_back_too_and_what_it_deleted_does_not(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        for name in ("kept", "deleted"):
            await stage.konductor.semaphore(name).define(2)
            await stage.shown(name, S, permits=2)
        await stage.konductor.semaphore("kept").acquire(holder="a")
        await stage.shown("kept", S, inUse=1)
        await stage.konductor.semaphore("deleted").delete()
        await eventually(lambda: stage.api.found(S, "deleted") is None, "its mirror is gone")
        before = await held(stage, "kept")
        wipe(any_server)
        await eventually(lambda: held(stage, "kept"), "it is back")
        assert await held(stage, "kept") == before
        assert (await stage.konductor.semaphore("kept").status()).owner == "cli"
        assert [name for _, name in await stage.konductor.objects()] == ["kept"]


async def test_a_redis_that_was_wiped_while_no_controller_ran_is_restored_at_the_start(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        async with stage.controller():
            await stage.api.apply(B, "b", {"expected": 2})
            await stage.shown("b", arrived=0)
            await stage.konductor.barrier("b").arrive("one")
            await stage.shown("b", arrived=1)
        wipe(any_server)
        async with stage.controller():
            assert (await stage.konductor.barrier("b").arrive("two", patience="10s")).phase == "Open"


async def test_what_cannot_be_restored_exactly_is_said_and_stays_said(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "rounds", {"expected": 1, "cyclic": True})
        await stage.shown("rounds", cycle=1)
        await stage.konductor.barrier("rounds").arrive("x")
        await stage.shown("rounds", lastOpenedCycle=1)
        wipe(any_server)
        await eventually(
            lambda: stage.api.condition(B, "rounds", "Ready").get("reason") == "Degraded", "Ready says Degraded"
        )
        ready = stage.api.condition(B, "rounds", "Ready")
        assert ready["status"] == "False"
        assert "who arrived in which of its earlier cycles is not known any more" in ready["message"]
        await stage.konductor.barrier("rounds").arrive("y")
        await stage.shown("rounds", lastOpenedCycle=2)
        assert stage.api.condition(B, "rounds", "Ready") == ready
        await stage.konductor.barrier("rounds").reset()
        await eventually(lambda: stage.api.condition(B, "rounds", "Ready")["status"] == "True", "a new life is ready")


async def test_an_arrival_that_no_status_knew_of_is_made_again_for_its_pod(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", arrived=0)
        annotations = {"annotations": {"konductor.io/arrive-barrier": "b"}}
        uid = await pods.new(stage, "p", metadata=annotations)
        stage.api.refuse = lambda request: 503 if request.subresource == "status" else None
        await pods.end(stage, "p")
        await eventually(lambda: arrivals(stage), "it has arrived, and no status says so")
        wipe(any_server)
        stage.api.refuse = lambda _: None
        await stage.shown("b", arrived=1)
        assert [each["id"] for each in stage.api.status(B, "b")["arrivals"]] == [uid]


async def arrivals(stage: Stage) -> int:
    return (await stage.konductor.barrier("b").status()).arrived


async def test_a_lease_that_is_released_while_redis_is_empty_stays_released(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        async with stage.controller():
            await stage.api.apply(S, "s", {"permits": 2})
            await stage.shown("s", S, available=2)
            lease = await stage.konductor.semaphore("s").acquire(holder="gone")
            await stage.konductor.semaphore("s").acquire(holder="there")
            await stage.shown("s", S, inUse=2)
        wipe(any_server)
        await lease.release()
        async with stage.controller():
            await stage.shown("s", S, inUse=1)
            assert set(await held(stage)) == {"there"}


async def test_an_empty_namespace_is_no_loss(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", arrived=0)
        assert stage.api.condition(B, "b", "Ready")["status"] == "True"
        async with AsyncKonductor(any_server.url, namespace="etl") as k:
            types = [event.type for event in await k.barrier("b").events()]
        assert "restored" not in types


async def test_of_a_namespace_that_is_gone_nothing_is_expected(
    any_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("konductor_core.controller.restore.TIDY_EVERY", 1)
    monkeypatch.setattr("konductor_core.controller.restore.INTERVAL", 0.1)
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", arrived=0)
        with any_server.client() as raw:
            await eventually(lambda: raw.exists("konductor:{etl}:marker"), "it is marked")
            await stage.api.remove(B, "b")
            await stage.api._send("DELETE", "/api/v1/namespaces/etl", None)
            await eventually(lambda: not raw.exists("konductor:{etl}:marker"), "the mark is gone")
            assert [key for key in raw.scan_iter("konductor:{etl}:*") if raw.ttl(key) == -1] == []


# --------------------------------------------------------------- what a status tells


def status(**more: Any) -> dict[str, Any]:
    return {"epoch": "1795420788000000", "createdAt": "2026-11-23T10:00:00.250Z", **more}


def test_a_status_without_a_life_tells_nothing() -> None:
    assert remains_of({}, SemaphoreSpec(permits=1)) == (None, "")
    assert remains_of({"conditions": []}, BarrierSpec(expected=1)) == (None, "")


def test_leases_beyond_the_list_are_losses() -> None:
    holder = {"holder": "a", "permits": 2, "token": 7, "since": "2026-11-23T10:00:01Z", "ttl": "30s"}
    remains, losses = remains_of(status(holders=[holder], holdersTotal=3), SemaphoreSpec(permits=1))
    assert isinstance(remains, PermitRemains)
    assert (remains.epoch, remains.created_ms) == ("1795420788000000", 1795428000250)
    (lease,) = remains.leases
    assert (lease.token, lease.permits, lease.since_ms, lease.ttl_ms) == (7, 2, 1795428001000, 30_000)
    assert losses == "2 of its 3 leases, which its status did not list, have ended"


def test_arrivals_beyond_the_list_are_losses_unless_the_barrier_is_open() -> None:
    arrivals = [{"id": "a", "at": "2026-11-23T10:00:01Z"}]
    waiting = status(phase="Waiting", arrivals=arrivals, arrivalsTotal=2)
    remains, losses = remains_of(waiting, BarrierSpec(expected=3))
    assert isinstance(remains, BarrierRemains)
    assert remains.arrivals == (("a", 1795428001000),)
    assert losses == "1 of its 2 arrivals, which its status did not list, are gone"
    opened = {**waiting, "phase": "Open", "openedAt": "2026-11-23T10:00:02Z"}
    assert remains_of(opened, BarrierSpec(expected=3))[1] == ""


def test_a_barrier_that_is_to_count_in_cycles_by_now_starts_again() -> None:
    waiting = status(phase="Waiting", arrivals=[], arrivalsTotal=0)
    assert remains_of(waiting, BarrierSpec(expected=3, cyclic=True)) == (None, "")
