"""What the controller asks of Redis, of any namespace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from konductor_core import Konductor
from konductor_core.config import Settings
from konductor_core.controller.store import Store
from konductor_core.controller.view import Key
from konductor_core.identity import Kind
from konductor_core.models import SemaphoreSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.servers import Server

X = Key(Kind.SEMAPHORE, "team-a", "x")
UID = "11111111-0000-4000-8000-000000000001"


def store_on(server: Server) -> Store:
    return Store(Settings.load({"redis_url": server.url}, {"HOSTNAME": "controller"}))


async def next_of(nudges: AsyncIterator[Key | None]) -> Key | None:
    return await asyncio.wait_for(anext(nudges), 10)


async def test_objects_of_any_namespace_are_defined_read_and_deleted(server: Server) -> None:
    async with store_on(server) as store:
        assert (await store.define(X, SemaphoreSpec(permits=2), {"a": "b"}, f"cr/{UID}")).action == "created"
        status = await store.read(X)
        assert status is not None
        assert (status.owner, status.labels) == (f"cr/{UID}", {"a": "b"})
        assert await store.objects("team-a") == [X]
        assert await store.objects("team-b") == []
        assert await store.delete(X, f"cr/{UID}")
        assert not await store.delete(X, f"cr/{UID}")
        assert await store.read(X) is None


async def test_nudges_of_all_namespaces_come_over_one_connection(server: Server) -> None:
    async with store_on(server) as store:
        nudges = store.nudges()
        assert await next_of(nudges) is None
        for namespace in ("team-a", "team-b"):
            with Konductor(server.url, namespace=namespace) as k:
                k.semaphore("x").define(1)
            assert await next_of(nudges) == Key(Kind.SEMAPHORE, namespace, "x")
        await nudges.aclose()  # type: ignore[attr-defined]


async def test_after_a_lost_connection_everything_is_due_again(server: Server) -> None:
    async with store_on(server) as store:
        nudges = store.nudges()
        assert await next_of(nudges) is None
        with server.client() as admin:
            admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        assert await next_of(nudges) is None
        await nudges.aclose()  # type: ignore[attr-defined]


async def test_what_changed_unheard_is_found_until_it_was_looked_at(server: Server) -> None:
    async with store_on(server) as store:
        await store.define(X, SemaphoreSpec(permits=2), {}, "cli")
        assert await store.changed("team-a") == [X]
        status = await store.read(X)
        assert status is not None
        await store.looked_at("team-a", {X: status.now_ms + 1})
        assert await store.changed("team-a") == []


async def test_a_change_in_the_millisecond_of_the_look_stays_due(server: Server) -> None:
    async with store_on(server) as store:
        await store.define(X, SemaphoreSpec(permits=2), {}, "cli")
        with server.client() as raw:
            changed_at = int(raw.zscore("konductor:{team-a}:dirty", "semaphore/x") or 0)
        await store.looked_at("team-a", {X: changed_at})
        assert await store.changed("team-a") == [X]


async def test_a_mark_lasts_as_long_as_what_redis_has(server: Server) -> None:
    async with store_on(server) as store:
        assert not await store.is_marked("team-a")
        await store.mark("team-a")
        assert await store.is_marked("team-a")
        assert await store.namespaces() == ["team-a"]
        with server.client() as admin:
            admin.flushall()
        assert not await store.is_marked("team-a")
        await store.mark("team-a")
        await store.unmark("team-a")
        assert (await store.is_marked("team-a"), await store.namespaces()) == (False, [])
