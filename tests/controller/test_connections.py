"""Each namespace that uses Konductor has a Secret with a Redis user that reaches it and nothing else."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import pytest
import redis

from konductor_core import AsyncKonductor, Konductor
from konductor_core.identity import Kind
from konductor_core.urls import parse_redis_url, with_user
from tests.controller.api import NAMESPACES, SECRETS
from tests.controller.stage import Stage, eventually
from tests.servers import Kind as ServerKind
from tests.servers import free_port

if TYPE_CHECKING:
    from tests.conftest import FreshServer
    from tests.servers import Server

NAME = "konductor-connection"


def secret(stage: Stage, namespace: str = "etl") -> dict[str, str]:
    """Return the content of the Secret, nothing while there is none."""
    found = stage.api.get_object(SECRETS, namespace, NAME) or {}
    return {name: b64decode(text).decode() for name, text in (found.get("data") or {}).items()}


async def connected(stage: Stage, namespace: str = "etl") -> str:
    """Return the URL that the namespace's Secret has, once it works."""

    def works() -> bool:
        url = secret(stage, namespace).get("redis-url")
        if not url:
            return False
        with Konductor(url, namespace=namespace) as k:
            try:
                k.objects()
            except Exception:  # noqa: BLE001 - not yet
                return False
        return True

    await eventually(works, f"{namespace} has a connection that works")
    return secret(stage, namespace)["redis-url"]


async def label(stage: Stage, name: str, value: str | None = "true") -> None:
    body = {"metadata": {"labels": {"konductor.io/enabled": value}}}
    await stage.api._send("PATCH", f"/api/v1/namespaces/{name}", body)


async def edit(stage: Stage, data: dict[str, str]) -> None:
    body = {"data": {name: b64encode(text.encode()).decode() for name, text in data.items()}}
    await stage.api._send("PATCH", f"/api/v1/namespaces/etl/secrets/{NAME}", body)


@pytest.fixture
def guarded(fresh_server: FreshServer) -> Server:
    return fresh_server("redis", options={"requirepass": "sesame"})


@pytest.mark.parametrize("kind", ["redis", "valkey"])
async def test_a_namespace_with_the_label_has_a_user_that_reaches_only_it(
    kind: ServerKind, fresh_server: FreshServer
) -> None:
    server = fresh_server(kind, options={"requirepass": "secret"})
    async with Stage(with_user(server.url, "", "secret")) as stage, stage.controller():
        await label(stage, "etl")
        url = await connected(stage)
        assert parse_redis_url(url).username == "konductor-etl"
        with Konductor(url, namespace="etl") as k:
            k.barrier("b").define(1)
            assert k.barrier("b").arrive("x").phase == "Open"
        with redis.Redis.from_url(url) as confined, pytest.raises(redis.ResponseError):
            confined.smembers("konductor:{other}:index")


async def test_a_namespace_with_an_object_has_one_and_others_have_none(guarded: Server) -> None:
    async with Stage(guarded.url) as stage, stage.controller():
        await stage.api.add(NAMESPACES, "bystander")
        await stage.api.apply(Kind.BARRIER, "b", {"expected": 1})
        await connected(stage)
        assert secret(stage, "bystander") == {}


async def test_users_are_made_again_with_their_passwords_when_redis_forgot_them(guarded: Server) -> None:
    async with Stage(guarded.url) as stage, stage.controller():
        await label(stage, "etl")
        url = await connected(stage)
        guarded.kill()
        guarded.start()
        await eventually(lambda: usable(url), "the same URL works again")
        assert secret(stage)["redis-url"] == url


def usable(url: str) -> bool:
    with Konductor(url, namespace="etl") as k:
        try:
            k.objects()
        except Exception:  # noqa: BLE001 - not yet
            return False
    return True


async def test_a_new_controller_keeps_the_passwords(guarded: Server) -> None:
    async with Stage(guarded.url) as stage:
        async with stage.controller():
            await label(stage, "etl")
            url = await connected(stage)
        with guarded.client() as admin:
            admin.execute_command("ACL", "DELUSER", "konductor-etl")
        async with stage.controller():
            await eventually(lambda: usable(url), "the same URL works again")
            assert secret(stage)["redis-url"] == url


async def test_a_secret_that_was_edited_or_deleted_is_mended(guarded: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("konductor_core.controller.connections.SECRETS_EVERY", 0.3)
    async with Stage(guarded.url) as stage, stage.controller():
        await label(stage, "etl")
        url = await connected(stage)
        await edit(stage, {"redis-url": "redis://elsewhere", "more": "x"})
        await eventually(lambda: secret(stage) == {"redis-url": url}, "it is as it was")
        await stage.api._send("DELETE", f"/api/v1/namespaces/etl/secrets/{NAME}", None)
        await eventually(lambda: secret(stage) == {"redis-url": url}, "it is there again")


async def test_a_secret_that_somebody_else_made_is_left_alone(guarded: Server) -> None:
    async with Stage(guarded.url) as stage, stage.controller():
        data = {"redis-url": b64encode(b"redis://mine").decode()}
        await stage.api.add(SECRETS, NAME, "etl", data=data)
        await label(stage, "etl")
        await eventually(lambda: stage.api.events(NAME), "an Event says so")
        assert secret(stage) == {"redis-url": "redis://mine"}
        assert stage.api.events(NAME)[0]["reason"] == "SecretNotOurs"
        with guarded.client(decode_responses=True) as admin:
            assert admin.acl_users() == ["default"]


async def test_a_namespace_that_stops_using_it_keeps_its_user_and_one_that_is_gone_loses_it(guarded: Server) -> None:
    async with Stage(guarded.url) as stage, stage.controller() as controller:
        await label(stage, "etl")
        url = await connected(stage)
        await label(stage, "etl", None)
        await eventually(lambda: "konductor.io/enabled" not in labels(controller), "the controller has seen it")
        await eventually(lambda: not controller.connections._agenda.backlog(), "nothing is left to do")
        assert usable(url)
        await stage.api._send("DELETE", "/api/v1/namespaces/etl", None)
        with guarded.client(decode_responses=True) as admin:
            await eventually(lambda: admin.acl_users() == ["default"], "the user is gone")


def labels(controller: Any) -> dict[str, str]:
    return dict(controller.view.namespaces.items["etl"].labels)


async def test_without_rights_on_users_nothing_is_handed_out_and_everybody_is_told(guarded: Server) -> None:
    with guarded.client() as admin:
        admin.execute_command("ACL", "SETUSER", "tame", "on", ">pw", "~*", "&*", "+@all", "-acl")
    async with Stage(with_user(guarded.url, "tame", "pw")) as stage, stage.controller() as controller:
        await label(stage, "etl")
        await eventually(lambda: stage.api.events(NAME), "an Event says so")
        assert "set the tenancy to shared" in stage.api.events(NAME)[0]["message"]
        _, status = await stage.get(controller, "/status")
        assert "does not let the controller run ACL SETUSER" in status
        assert secret(stage) == {}


async def test_with_shared_tenancy_all_use_the_url_of_the_controller(guarded: Server) -> None:
    async with Stage(guarded.url) as stage, stage.controller(tenancy="shared"):
        await label(stage, "etl")
        url = await connected(stage)
        assert parse_redis_url(url).password == "sesame"
        with guarded.client(decode_responses=True) as admin:
            assert admin.acl_users() == ["default"]


async def test_replicas_have_the_users_too(fresh_server: FreshServer) -> None:
    master = fresh_server("redis", tcp=True, options={"repl-diskless-sync-delay": "0"})
    replica = fresh_server("redis", tcp=True, options={"replicaof": f"127.0.0.1 {master.port}"})
    async with Stage(master.tcp_url) as stage, stage.controller():
        await label(stage, "etl")
        await connected(stage)
        with master.client(decode_responses=True) as one, replica.client(decode_responses=True) as two:
            await eventually(lambda: rights(one) == rights(two) != set(), "the replica has the same user")


def rights(client: redis.Redis) -> set[str]:
    """Return what a server knows of the namespace's user: the order of its words says nothing."""
    lines = map(str, client.acl_list())
    line = next((each for each in lines if " konductor-etl " in each), "")
    return set(line.split())


async def test_every_server_of_a_cluster_has_the_users(fresh_server: FreshServer) -> None:
    server = fresh_server("redis", tcp=True, options={"cluster-enabled": "yes", "cluster-port": str(free_port())})
    with server.client(decode_responses=True) as admin:
        admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        await eventually(lambda: "cluster_state:ok" in admin.execute_command("CLUSTER", "INFO"), "it has its slots")
    url = server.tcp_url.replace("redis://", "redis+cluster://").removesuffix("/0")
    async with Stage(url) as stage, stage.controller():
        await label(stage, "etl")
        assert (await connected(stage)).startswith("redis+cluster://konductor-etl:")


async def test_what_listens_is_not_cut_off_when_its_user_is_made_again(guarded: Server) -> None:
    async with Stage(guarded.url) as stage, stage.controller() as controller:
        await label(stage, "etl")
        url = await connected(stage)
        with redis.Redis.from_url(url, decode_responses=True) as confined, confined.pubsub() as listener:
            listener.subscribe("konductor:{etl}:nudge")
            assert listener.get_message(timeout=5) is not None
            await controller.tenants.make("etl", str(parse_redis_url(url).password))
            with Konductor(url, namespace="etl") as k:
                k.barrier("b").define(1)
            message = listener.get_message(timeout=5)
            assert message is not None
            assert message["data"] == "barrier/b"


async def test_waits_outlast_a_redis_that_comes_back_empty_without_its_users(guarded: Server) -> None:
    async with Stage(guarded.url) as stage, stage.controller():
        await stage.api.apply(Kind.BARRIER, "b", {"expected": 1})
        await stage.api.apply(Kind.SEMAPHORE, "s", {"permits": 1})
        await stage.shown("s", Kind.SEMAPHORE, available=1)
        url = await connected(stage)
        async with AsyncKonductor(url, namespace="etl", holder="w") as k, asyncio.TaskGroup() as tasks:
            held = await k.semaphore("s").acquire(holder="other", ttl="30s")
            waits = [tasks.create_task(k.barrier("b").wait()), tasks.create_task(take(k))]
            await stage.shown("b", waiting=1)
            await stage.shown("s", Kind.SEMAPHORE, waiting=1, inUse=1)
            guarded.kill()
            guarded.start()
            await eventually(lambda: usable(url), "the user is known again")
            await k.barrier("b").arrive("x", patience="10s")
            await held.release()
            await asyncio.wait(waits, timeout=15)
            assert all(wait.done() for wait in waits)


async def take(k: AsyncKonductor) -> None:
    await (await k.semaphore("s").acquire(holder="waiting")).release()
