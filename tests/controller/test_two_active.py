"""Two replicas that are active at once, by whatever accident, do the work of one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from konductor_core.controller.leader import Leader
from konductor_core.identity import Kind
from tests.controller import pods
from tests.controller.api import PODS
from tests.controller.stage import Stage, eventually
from tests.controller.test_connections import connected, label, secret, usable

if TYPE_CHECKING:
    from tests.conftest import FreshServer

B, S = Kind.BARRIER, Kind.SEMAPHORE


@pytest.fixture
def _all_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(self: Leader) -> None:
        self.leads = True
        await self._work()

    monkeypatch.setattr(Leader, "run", run)


@pytest.mark.usefixtures("_all_lead")
async def test_two_that_are_active_count_release_restore_and_let_go_once(fresh_server: FreshServer) -> None:
    server = fresh_server("redis", options={"requirepass": "sesame"})
    async with (
        Stage(server.url) as stage,
        stage.controller(),
        stage.controller(instance="controller-1"),
    ):
        await asyncio.gather(label(stage, "etl"), stage.api.apply(B, "b", {"expected": 3}))
        await stage.api.apply(S, "s", {"permits": 2})
        await stage.konductor.barrier("rounds").define(1, cyclic=True)
        await stage.shown("s", S, available=2)
        metadata = {"annotations": {"konductor.io/arrive-barrier": "b, rounds"}}
        uid = await pods.new(stage, "p", metadata=metadata)
        await pods.acquire(stage, "p", pod="p", uid=uid)
        kept = await pods.acquire(stage, "kept")
        await stage.shown("s", S, inUse=2)
        await pods.end(stage, "p")
        await stage.shown("s", S, inUse=1)
        await stage.shown("b", progress="1/3")
        await stage.shown("rounds", lastOpenedCycle=1, cycle=2, arrived=0)
        url = await connected(stage)
        with server.client() as admin:
            admin.flushall()
        await eventually(lambda: is_back(stage), "everything is back")
        (holder,) = (await stage.konductor.semaphore("s").status()).holders
        assert (holder.holder, holder.token) == ("kept", kept.tokens[0])
        assert (await stage.konductor.barrier("b").status()).arrived == 1
        assert usable(url)
        assert secret(stage)["redis-url"] == url
        assert stage.api.get_object(PODS, "etl", "p") is not None


async def is_back(stage: Stage) -> bool:
    return {(B, "b"), (B, "rounds"), (S, "s")} <= set(await stage.konductor.objects())
