"""Custom resources come, change, go and come back; Redis and the statuses follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core.errors import WouldBlock
from konductor_core.identity import Kind
from tests.controller.stage import Stage, eventually

if TYPE_CHECKING:
    from konductor_core.controller.controller import Controller
    from konductor_core.models import BarrierStatus
    from tests.servers import Server

B, S = Kind.BARRIER, Kind.SEMAPHORE


async def barrier(stage: Stage, name: str = "b") -> BarrierStatus | None:
    objects = await stage.konductor.objects()
    return await stage.konductor.barrier(name).status() if (B, name) in objects else None


async def test_a_resource_makes_an_object_that_it_owns_with_its_labels(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        uid = await stage.api.apply(B, "b", {"expected": 5, "timeout": "2h"}, labels={"pipeline": "etl"})
        await stage.shown("b", phase="Waiting", progress="0/5", observedGeneration=1)
        made = await stage.konductor.barrier("b").status()
        assert (made.owner, made.labels, made.spec.timeout_ms) == (f"cr/{uid}", {"pipeline": "etl"}, 7_200_000)


async def test_what_happens_in_redis_shows_in_the_status(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(S, "s", {"permits": 2})
        await stage.shown("s", S, phase="Ready", available=2)
        async with stage.konductor.semaphore("s").acquire(2, holder="loader"):
            await stage.shown("s", S, phase="Full", available=0, inUse=2)
            assert [each["holder"] for each in stage.api.status(S, "s")["holders"]] == ["loader"]
            assert stage.api.condition(S, "s", "Available")["status"] == "False"
        await stage.shown("s", S, phase="Ready", holders=[])


async def test_a_changed_spec_is_applied_and_keeps_the_state(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", arrived=0)
        await stage.konductor.barrier("b").arrive("x")
        await stage.api.apply(B, "b", {"expected": 3})
        await stage.shown("b", progress="1/3", observedGeneration=2)
        assert {each["observedGeneration"] for each in stage.api.status(B, "b")["conditions"]} == {2}


async def test_conditions_keep_the_time_of_their_last_transition(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", arrived=0)
        ready, opened = (stage.api.condition(B, "b", name) for name in ("Ready", "Open"))
        for arrival in ("x", "y"):
            await stage.konductor.barrier("b").arrive(arrival)
        await stage.shown("b", phase="Open")
        assert stage.api.condition(B, "b", "Ready")["lastTransitionTime"] == ready["lastTransitionTime"]
        assert stage.api.condition(B, "b", "Open")["lastTransitionTime"] > opened["lastTransitionTime"]
        assert stage.api.condition(B, "b", "Open")["status"] == "True"


async def test_a_deadline_shows_as_failed_without_anybody_asking(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2, "timeout": "700ms"})
        await stage.shown("b", phase="Failed")
        assert stage.api.condition(B, "b", "Failed")["status"] == "True"


async def test_an_expired_lease_leaves_the_status(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(S, "s", {"permits": 1})
        await stage.shown("s", S, available=1)
        await stage.konductor.semaphore("s").acquire(holder="dead", ttl="700ms")
        await stage.shown("s", S, inUse=1)
        await stage.shown("s", S, inUse=0, holders=[])


async def test_a_deleted_resource_takes_its_object_along(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", arrived=0)
        await stage.api.remove(B, "b")
        await eventually(lambda: _gone(stage), "the object is gone")
        assert stage.api.found(B, "b") is None


async def _gone(stage: Stage) -> bool:
    return not await stage.konductor.objects()


async def test_a_new_uid_starts_a_new_epoch(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 1})
        await stage.shown("b", arrived=0)
        await stage.konductor.barrier("b").arrive("x")
        await stage.shown("b", phase="Open")
        epoch = stage.api.status(B, "b")["epoch"]
        await stage.api.remove(B, "b")
        await stage.api.apply(B, "b", {"expected": 1})
        await stage.shown("b", phase="Waiting", arrived=0)
        assert stage.api.status(B, "b")["epoch"] > epoch


async def test_a_new_uid_starts_a_new_epoch_also_if_nobody_watched_meanwhile(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        async with stage.controller():
            await stage.api.apply(B, "b", {"expected": 1})
            await stage.shown("b", arrived=0)
        await stage.konductor.barrier("b").arrive("x")
        await stage.api.remove(B, "b")
        uid = await stage.api.apply(B, "b", {"expected": 1})
        async with stage.controller():
            await stage.shown("b", phase="Waiting", arrived=0)
        assert (await stage.konductor.barrier("b").status()).owner == f"cr/{uid}"


async def test_a_resource_deleted_while_nobody_watched_takes_its_object_along(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        async with stage.controller():
            await stage.api.apply(B, "b", {"expected": 1})
            await stage.shown("b", arrived=0)
        await stage.api.remove(B, "b")
        async with stage.controller():
            await eventually(lambda: _gone(stage), "the object is gone")


async def test_a_restart_changes_nothing_and_writes_nothing(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        async with stage.controller():
            await stage.api.apply(B, "b", {"expected": 2})
            await stage.shown("b", arrived=0)
            await stage.konductor.barrier("b").arrive("x")
            await stage.shown("b", arrived=1)
        before, writes = await stage.konductor.barrier("b").status(), stage.api.changes()
        async with stage.controller() as controller:
            await eventually(lambda: controller.sweep.done_at and not controller.agenda.backlog(), "all was looked at")
        after = await stage.konductor.barrier("b").status()
        assert (after.epoch, after.arrived, stage.api.changes()) == (before.epoch, 1, writes)


async def test_a_spec_that_only_the_controller_can_refuse_leaves_the_state_as_it_was(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", arrived=0)
        await stage.konductor.barrier("b").arrive("x")
        await stage.api.apply(B, "b", {"expected": 2, "quorum": 7})
        await stage.shown("b", observedGeneration=2, progress="1/2")
        ready = stage.api.condition(B, "b", "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
        assert "quorum 7 is more than expected 2" in ready["message"]
        await stage.api.apply(B, "b", {"expected": 2, "quorum": 1})
        await stage.shown("b", phase="Open")
        assert stage.api.condition(B, "b", "Ready")["status"] == "True"


async def test_a_spec_that_was_never_good_makes_no_object(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2, "timeout": "soon"})
        await eventually(lambda: stage.api.condition(B, "b", "Ready"), "it says why it isn't ready")
        ready = stage.api.condition(B, "b", "Ready")
        assert (ready["status"], ready["reason"], ready["observedGeneration"]) == ("False", "InvalidSpec", 1)
        assert "timeout" in ready["message"]
        assert await barrier(stage) is None


async def test_a_status_that_somebody_else_wrote_is_put_right(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", progress="0/2")
        await stage.api.spoil(B, "b", {"progress": "9/9"})
        await stage.shown("b", progress="0/2")


async def test_a_burst_of_changes_costs_a_handful_of_patches(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 3_000})
        await stage.shown("b", arrived=0)
        before = stage.api.patches("b")
        for number in range(500):
            await stage.konductor.barrier("b").arrive(f"arrival-{number}")
        await stage.shown("b", arrived=500)
        assert stage.api.patches("b") - before <= 10


async def test_renewals_and_refused_tries_are_no_news(any_server: Server) -> None:
    async with Stage(any_server.url, resync_ms=300) as stage, stage.controller() as controller:
        await stage.api.apply(S, "s", {"permits": 1})
        await stage.shown("s", S, inUse=0)
        lease = await stage.konductor.semaphore("s").acquire(holder="loader", ttl="1m")
        await stage.shown("s", S, inUse=1)
        patches = stage.api.patches("s")
        await lease.renew()
        with pytest.raises(WouldBlock):
            await stage.konductor.semaphore("s").acquire(holder="other", timeout=0)
        await _swept(controller)
        await eventually(lambda: not controller.agenda.backlog(), "it has come to rest")
        assert stage.api.patches("s") == patches


async def test_looking_at_everything_again_writes_nothing(any_server: Server) -> None:
    async with Stage(any_server.url, resync_ms=200) as stage, stage.controller() as controller:
        for number in range(20):
            await stage.api.apply(B, f"b-{number}", {"expected": 2})
        for number in range(20):
            await stage.shown(f"b-{number}", arrived=0)
        writes = stage.api.changes()
        for _ in range(4):
            await _swept(controller)
        assert stage.api.changes() == writes


async def _swept(controller: Controller) -> None:
    before = controller.sweep.done_at
    await eventually(lambda: controller.sweep.done_at != before, "everything was looked at")
