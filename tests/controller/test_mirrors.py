"""Objects that koncli or the library made appear as mirrors, and end with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from konductor_core.annotations import MIRROR_LABEL
from konductor_core.identity import Kind
from tests.controller.stage import Stage, eventually

if TYPE_CHECKING:
    from tests.servers import Server

B, S = Kind.BARRIER, Kind.SEMAPHORE


async def _gone(stage: Stage) -> bool:
    return not await stage.konductor.objects()


async def test_an_object_without_a_resource_gets_a_mirror_and_keeps_its_epoch(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        defined = await stage.konductor.barrier("b").define(2, timeout="1h", labels={"team": "a"})
        await stage.konductor.barrier("b").arrive("x")
        await stage.shown("b", progress="1/2", epoch=defined.epoch)
        mirror = stage.api.found(B, "b")
        assert mirror is not None
        assert mirror["metadata"]["labels"] == {"team": "a", MIRROR_LABEL: "true"}
        assert mirror["spec"] == {"expected": 2, "timeout": "1h", "cyclic": False}
        assert (await stage.konductor.barrier("b").status()).owner == "cli"


async def test_what_was_made_while_nobody_watched_gets_its_mirror_later(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        await stage.konductor.semaphore("s").define(3)
        async with stage.controller():
            await stage.shown("s", S, available=3)


async def test_a_mirror_follows_its_object(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.barrier("b").define(2, timeout="1h", labels={"team": "a", "stage": "x"})
        await stage.shown("b", progress="0/2")
        await stage.konductor.barrier("b").define(3, labels={"team": "b"})
        await stage.shown("b", progress="0/3")
        mirror = stage.api.found(B, "b")
        assert mirror is not None
        assert mirror["metadata"]["labels"] == {"team": "b", MIRROR_LABEL: "true"}
        assert mirror["spec"] == {"expected": 3, "cyclic": False}


async def test_a_mirror_goes_with_its_object(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.barrier("b").define(2)
        await stage.shown("b", progress="0/2")
        await stage.konductor.barrier("b").delete()
        await eventually(lambda: stage.api.found(B, "b") is None, "the mirror is gone")


async def test_an_object_goes_with_its_mirror(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.barrier("b").define(2)
        await stage.shown("b", progress="0/2")
        await stage.api.remove(B, "b")
        await eventually(lambda: _gone(stage), "the object is gone")
        assert stage.api.found(B, "b") is None


async def test_an_object_goes_with_its_mirror_also_if_nobody_watched(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        await stage.konductor.barrier("b").define(2)
        async with stage.controller():
            await stage.shown("b", progress="0/2")
        await stage.api.remove(B, "b")
        async with stage.controller():
            await eventually(lambda: _gone(stage), "the object is gone")


async def test_a_mirror_goes_with_its_object_also_if_nobody_watched(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        await stage.konductor.barrier("b").define(2)
        async with stage.controller():
            await stage.shown("b", progress="0/2")
        await stage.konductor.barrier("b").delete()
        async with stage.controller():
            await eventually(lambda: stage.api.found(B, "b") is None, "the mirror is gone")


async def test_a_reset_by_koncli_shows_in_the_mirror(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.konductor.barrier("b").define(2)
        await stage.konductor.barrier("b").arrive("x")
        await stage.shown("b", progress="1/2")
        epoch = await stage.konductor.barrier("b").reset()
        await stage.shown("b", progress="0/2", epoch=epoch)


async def test_a_restart_leaves_mirrors_and_their_objects_alone(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        await stage.konductor.barrier("b").define(2)
        async with stage.controller():
            await stage.shown("b", progress="0/2")
        writes, before = stage.api.changes(), await stage.konductor.barrier("b").status()
        async with stage.controller() as controller:
            await eventually(lambda: controller.sweep.done_at and not controller.agenda.backlog(), "all was looked at")
        assert stage.api.changes() == writes
        assert (await stage.konductor.barrier("b").status()).epoch == before.epoch


async def test_a_resource_applied_over_a_mirror_adopts_the_object_as_it_is(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        defined = await stage.konductor.barrier("b").define(2)
        await stage.konductor.barrier("b").arrive("x")
        await stage.shown("b", progress="1/2")
        uid = await stage.api.apply(B, "b", {"expected": 3})
        await stage.shown("b", progress="1/3", epoch=defined.epoch)
        assert (await stage.konductor.barrier("b").status()).owner == f"cr/{uid}"
        adopted = stage.api.found(B, "b")
        assert adopted is not None
        assert MIRROR_LABEL not in adopted["metadata"].get("labels", {})


async def test_a_resource_applied_over_an_object_of_koncli_adopts_it_as_it_is(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        defined = await stage.konductor.barrier("b").define(2)
        await stage.konductor.barrier("b").arrive("x")
        uid = await stage.api.apply(B, "b", {"expected": 2})
        async with stage.controller():
            await stage.shown("b", progress="1/2", epoch=defined.epoch)
        assert (await stage.konductor.barrier("b").status()).owner == f"cr/{uid}"


async def test_an_object_in_a_namespace_that_the_cluster_lacks_is_left_alone(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller(), stage.namespace("elsewhere") as elsewhere:
        await elsewhere.barrier("b").define(2)
        await stage.konductor.barrier("seen").define(1)
        await stage.shown("seen", progress="0/1")
        assert await elsewhere.objects() == [(B, "b")]
