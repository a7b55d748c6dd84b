"""The rule for the controller's own Redis user is enough, and gives it nothing of others."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest
import redis

from konductor_core import NotFound, acl
from konductor_core.identity import Kind
from tests.controller.stage import Stage, eventually
from tests.controller.test_connections import connected
from tests.docs.blocks import ROOT

if TYPE_CHECKING:
    from tests.conftest import FreshServer
    from tests.servers import Kind as ServerKind
    from tests.servers import Server

PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def user(server: Server) -> str:
    """Make the controller's user on a server and return the URL to be that user."""
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "konductor", "reset", "on", ">secret", *acl.controller())
    return server.tcp_url.replace("redis://", "redis://konductor:secret@")


async def _there(stage: Stage) -> bool:
    try:
        return (await stage.konductor.barrier("b").status()).phase == "Open"
    except NotFound:
        return False


def test_the_rule_on_the_page_is_that_of_the_code() -> None:
    shown = re.search(r"ACL SETUSER konductor on >password (.*?)\n```", PAGE, re.DOTALL)
    assert shown is not None
    assert shlex.split(shown[1].replace("\\\n", "")) == list(acl.controller())


@pytest.mark.parametrize("kind", ["redis", "valkey"])
async def test_with_that_rule_the_controller_does_all_its_work_and_nothing_is_refused(
    kind: ServerKind, fresh_server: FreshServer
) -> None:
    server = fresh_server(kind, tcp=True)
    async with Stage(user(server)) as stage, stage.controller() as controller:
        await stage.api.apply(Kind.BARRIER, "b", {"expected": 1})
        await stage.shown("b", phase="Waiting")
        await connected(stage)
        await stage.konductor.barrier("b").arrive("a")
        await stage.shown("b", phase="Open")
        await stage.konductor.semaphore("mirrored").define(permits=1)
        await eventually(lambda: stage.api.found(Kind.SEMAPHORE, "mirrored"), "it has a mirror")
        with server.client() as admin:
            admin.flushall()
        await eventually(lambda: _there(stage), "the barrier is restored")
        await stage.api.remove(Kind.BARRIER, "b")
        assert controller.leader.leads
    with server.client(decode_responses=True) as admin:
        assert [(each["reason"], each["object"]) for each in admin.acl_log() if each["username"] == "konductor"] == []


@pytest.mark.parametrize("command", [("GET", "other"), ("KEYS", "*"), ("FLUSHALL",), ("CONFIG", "GET", "*")])
def test_it_reaches_nothing_that_is_not_konductors(command: tuple[str, ...], fresh_server: FreshServer) -> None:
    with (
        redis.Redis.from_url(user(fresh_server("redis", tcp=True))) as confined,
        pytest.raises(redis.ResponseError, match="permissions"),
    ):
        confined.execute_command(*command)
