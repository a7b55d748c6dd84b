"""What goes away comes back: the API, Redis, single calls, events that never arrive."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from kubernetes.aio.client import Configuration
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from konductor_core.annotations import CONTROLLER
from konductor_core.identity import Kind
from tests.controller import pods
from tests.controller.api import PODS, resource_of
from tests.controller.stage import Stage, eventually

if TYPE_CHECKING:
    from pathlib import Path

    import kmock
    import pytest

    from tests.conftest import FreshServer
    from tests.servers import Server

B, S = Kind.BARRIER, Kind.SEMAPHORE


async def test_a_patch_that_fails_for_a_while_is_made_in_the_end(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        failures = iter([500, 503, 429, 504, 500, 503])
        stage.api.refuse = lambda request: next(failures, None) if request.subresource == "status" else None
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", progress="0/2")
        assert next(failures, None) is None


async def test_a_refusal_that_stays_concerns_one_object_only(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller() as controller:
        stage.api.refuse = lambda request: 422 if request.subresource == "status" and request.name == "bad" else None
        await stage.api.apply(B, "bad", {"expected": 2})
        await stage.api.apply(B, "good", {"expected": 2})
        await stage.shown("good", progress="0/2")
        await eventually(lambda: "failures_total 0" not in controller.metrics.text().decode(), "the refusal is counted")
        assert stage.api.status(B, "bad") == {}
        stage.api.refuse = lambda _: None
        await stage.shown("bad", progress="0/2")


async def test_a_resource_that_is_replaced_under_a_patch_gets_its_own_status(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        swapped = asyncio.Event()

        def swap(request: kmock.Request) -> int | None:
            if request.subresource == "status" and not swapped.is_set():
                swapped.set()
                return 409
            return None

        stage.api.refuse = swap
        await stage.api.apply(B, "b", {"expected": 2})
        await eventually(swapped.is_set, "the first patch was refused")
        await stage.api.remove(B, "b")
        await stage.api.apply(B, "b", {"expected": 3})
        await stage.shown("b", progress="0/3")


async def test_changes_while_the_api_is_away_show_when_it_is_back(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller() as controller:
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", progress="0/2")
        await stage.close_api()
        for arrival in ("x", "y"):
            await stage.konductor.barrier("b").arrive(arrival)
        await eventually(lambda: "konductor_api_up 0" in controller.metrics.text().decode(), "it noticed")
        await stage.open_api()
        await stage.shown("b", phase="Open")
        status, text = await stage.get(controller, "/healthz")
        assert (status, text) == (200, "ok\n")


async def test_what_is_applied_while_the_watch_is_broken_is_seen_afterwards(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", progress="0/2")
        await stage.close_api()
        await stage.open_api()
        await stage.api.apply(B, "b", {"expected": 4})
        await stage.shown("b", progress="0/4")


async def test_it_does_not_begin_before_every_watch_of_what_there_is_has_begun(any_server: Server) -> None:
    async with Stage(any_server.url) as stage:
        await pods.new(stage, "p")
        listed = asyncio.Event()

        def refuse_kopf(request: kmock.Request) -> int | None:
            if request.resource != PODS:
                return None
            if request.headers.get("User-Agent") == CONTROLLER:
                listed.set()
                return None
            return 503

        stage.api.refuse = refuse_kopf
        async with stage.controller() as controller:
            await asyncio.wait_for(listed.wait(), 10)
            await eventually(lambda: controller.view.pods.items, "a list has shown the pod")
            assert not controller.view.synced
            stage.api.refuse = lambda _: None
            await eventually(lambda: controller.view.synced, "it begins")


async def test_a_deletion_that_no_event_told_of_is_found(any_server: Server) -> None:
    async with Stage(any_server.url, resync_ms=300) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", progress="0/2")
        stage.api.objects[resource_of(B), "etl", "b"].delete()
        await eventually(lambda: _gone(stage), "the object is gone")


async def _gone(stage: Stage) -> bool:
    return not await stage.konductor.objects()


async def test_an_object_is_not_deleted_because_the_api_forgot_the_kind(any_server: Server) -> None:
    async with Stage(any_server.url, resync_ms=300) as stage, stage.controller() as controller:
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", progress="0/2")
        forgotten = asyncio.Event()

        def unserved(request: kmock.Request) -> int | None:
            if request.name == "b":
                forgotten.set()
                return 404
            return None

        stage.api.refuse = unserved
        stage.api.objects[resource_of(B), "etl", "b"].delete()
        await eventually(forgotten.is_set, "the controller asked for the resource")
        await eventually(lambda: "failures_total 0" not in controller.metrics.text().decode(), "it went wrong")
        assert not await _gone(stage)


async def test_it_runs_as_a_user_without_a_name(any_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 65532")

    monkeypatch.setattr("getpass.getuser", nameless)
    async with Stage(any_server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", progress="0/2")


async def test_redis_may_be_away_at_the_start(fresh_server: FreshServer) -> None:
    server = fresh_server()
    server.kill()
    async with Stage(server.url) as stage, stage.controller() as controller:
        await stage.api.apply(B, "b", {"expected": 2})
        await eventually(lambda: "konductor_redis_up 0" in controller.metrics.text().decode(), "it noticed")
        assert (await stage.get(controller, "/healthz"))[0] == 200
        server.start()
        await stage.shown("b", progress="0/2")


async def test_what_changed_while_redis_did_not_answer_is_seen_afterwards(fresh_server: FreshServer) -> None:
    server = fresh_server(options={"appendonly": "yes", "appendfsync": "always"})
    async with Stage(server.url) as stage, stage.controller():
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", progress="0/2")
        server.kill()
        await stage.api.apply(B, "c", {"expected": 3})
        server.start()
        await stage.konductor.barrier("b").arrive("x")
        await stage.shown("b", progress="1/2")
        await stage.shown("c", progress="0/3")


async def test_a_change_whose_message_was_lost_is_found_in_the_set_of_changed_objects(any_server: Server) -> None:
    async with Stage(any_server.url) as stage, stage.controller() as controller:
        await stage.api.apply(B, "b", {"expected": 2})
        await stage.shown("b", progress="0/2")
        with any_server.client() as client:
            key = "konductor:{etl}:dirty"
            await eventually(lambda: client.zcard(key) == 0, "what was looked at is taken out of the set")
            for connection in client.client_list(_type="pubsub"):
                client.client_kill_filter(_id=connection["id"])
            await stage.konductor.barrier("b").arrive("x")
        await stage.shown("b", progress="1/2")
        assert controller.leader.leads


async def test_the_end_is_quick_also_while_everything_is_away(fresh_server: FreshServer) -> None:
    server = fresh_server()
    async with Stage(server.url) as stage:
        async with stage.controller():
            await stage.api.apply(B, "b", {"expected": 2})
            await stage.shown("b", progress="0/2")
            server.pause()
            await stage.close_api()
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 5
        server.resume()


async def test_a_token_that_was_replaced_is_read_again(any_server: Server, tmp_path: Path) -> None:
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("first")
    authority.write_text("unused, since the test's API speaks HTTP")
    environment = {"KUBERNETES_SERVICE_HOST": "unused", "KUBERNETES_SERVICE_PORT": "1"}
    loader = InClusterConfigLoader(str(token), str(authority), environ=environment)
    loader._token_refresh_period = timedelta(0)
    configuration = Configuration()
    loader.load_and_set(configuration)
    async with Stage(any_server.url) as stage:
        for each in (loader, configuration):
            each.host, each.ssl_ca_cert = stage.api_url, None
        stage.api.refuse = lambda request: None if _may(request, token.read_text()) else 401
        async with stage.controller(configuration):
            await stage.api.apply(B, "b", {"expected": 2})
            await stage.shown("b", progress="0/2")
            token.write_text("second")
            await stage.close_api()
            await stage.open_api()
            await stage.api.apply(B, "b", {"expected": 3})
            await stage.shown("b", progress="0/3")


def _may(request: kmock.Request, token: str) -> bool:
    is_test = request.headers.get("User-Agent", "").startswith("kmock")
    return is_test or request.headers.get("Authorization", "").lower() == f"bearer {token}"
