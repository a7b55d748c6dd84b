"""The rule for users in docs/redis.md is enough, and confines them."""

from __future__ import annotations

import asyncio
import re
import shlex
import threading
from typing import TYPE_CHECKING, Any

import pytest
import redis

from konductor_core import AsyncKonductor, Konductor, WaitTimeout, acl
from tests.docs.blocks import ROOT
from tests.servers import Kind, free_port, until

if TYPE_CHECKING:
    from tests.conftest import FreshServer
    from tests.servers import Server

PAGE = (ROOT / "docs/redis.md").read_text(encoding="utf-8")
RULE = shlex.split(re.search(r"^\$ redis-cli acl setuser team-a (.*)$", PAGE, re.MULTILINE)[1])  # type: ignore[index]


def user(server: Server, *more: str) -> str:
    """Make the page's user on a server and return the URL to be that user."""
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "team-a", "reset", *RULE, *more)
    return server.tcp_url.replace("redis://", "redis://team-a:secret@")


def denied(server: Server) -> list[Any]:
    """Return what the server refused to anybody so far."""
    with server.client(decode_responses=True) as admin:
        return [(each["reason"], each["object"]) for each in admin.acl_log()]


def test_the_rule_is_that_of_the_code() -> None:
    assert ["on", ">secret", *acl.tenant("team-a")] == RULE


def test_the_rule_names_the_commands_that_scripts_and_drivers_use_and_no_other() -> None:
    lua = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "lua").rglob("*.lua"))
    scripts = {name.lower() for name in re.findall(r"(?:\b(?:call|write)|redis\.p?call)\('([A-Z]+)'", lua)}
    allowed = {word.removeprefix("+") for word in RULE if word.startswith("+")}
    assert allowed == scripts | set(acl.CLIENT_COMMANDS)


def all_verbs(url: str) -> None:
    """Do everything that the library can do, with waits that are woken and waits that time out."""
    with Konductor(url, namespace="team-a", holder="first") as k:
        semaphore, barrier = k.semaphore("s"), k.barrier("b")
        semaphore.define(permits=2)
        lease = semaphore.acquire(permits=2)
        waiter = threading.Thread(target=lambda: semaphore.acquire(holder="second", ttl="1m").release())
        waiter.start()
        until(lambda: semaphore.status().waiting, "the second one waits")
        semaphore.acquire(permits=1)
        waiter.join()
        semaphore.define(permits=3, ttl="1m")
        lease.renew()
        lease.release()
        semaphore.acquire(ttl="100ms")
        until(lambda: not semaphore.status().in_use, "the lease has expired")
        semaphore.acquire(holder="other", ttl="0s", force=True)
        with pytest.raises(WaitTimeout):
            semaphore.acquire(permits=3, timeout="50ms")
        semaphore.force_release("other")
        semaphore.events(since_id=semaphore.events()[0].id)
        semaphore.reset()
        barrier.define(expected=2, cyclic=True, timeout="1m")
        barrier.arrive("a")
        waiter = threading.Thread(target=lambda: barrier.arrive_and_wait("b"))
        waiter.start()
        waiter.join()
        with pytest.raises(WaitTimeout):
            barrier.wait(timeout="50ms")
        for changed in k.nudges():
            if changed is not None:
                break
            barrier.reset()
        barrier.delete()
        semaphore.delete()
        assert k.objects() == []


async def all_waits(url: str) -> None:
    async with AsyncKonductor(url, namespace="team-a") as k:
        semaphore, barrier = k.semaphore("s"), k.barrier("b")
        await semaphore.define(permits=1)
        await barrier.define(expected=2)
        async with semaphore.acquire():
            waiting = asyncio.create_task(semaphore.acquire().__aenter__())
            await asyncio.gather(barrier.arrive_and_wait("a"), barrier.arrive_and_wait("b"))
        await (await waiting).release()
        await barrier.delete()
        await semaphore.delete()


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_with_that_rule_everything_works_and_nothing_is_refused(kind: Kind, fresh_server: FreshServer) -> None:
    server = fresh_server(kind, tcp=True)
    url = user(server)
    all_verbs(url)
    asyncio.run(all_waits(url))
    assert denied(server) == []


def test_in_a_cluster_the_rule_is_enough_too(fresh_server: FreshServer) -> None:
    # By default the second port is 10,000 higher, which may not exist.
    server = fresh_server("redis", tcp=True, options={"cluster-enabled": "yes", "cluster-port": str(free_port())})
    with server.client(decode_responses=True) as admin:
        admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        until(lambda: "cluster_state:ok" in admin.execute_command("CLUSTER", "INFO"), "the cluster has its slots")
    url = user(server).replace("redis://", "redis+cluster://").removesuffix("/0")
    all_verbs(url)
    asyncio.run(all_waits(url))
    assert denied(server) == []


def test_without_the_channel_everything_works_but_being_told(fresh_server: FreshServer) -> None:
    server = fresh_server("redis", tcp=True)
    url = user(server, "resetchannels")
    with Konductor(url, namespace="team-a") as k:
        k.semaphore("s").define(permits=1)
        with k.semaphore("s").acquire():
            k.barrier("b").define(expected=1)
        k.barrier("b").arrive("a")
        assert k.barrier("b").wait(timeout="1m").arrived == 1
    assert {reason for reason, _ in denied(server)} == {"channel"}


@pytest.mark.parametrize(
    "command",
    [
        ("SMEMBERS", "konductor:{team-b}:index"),
        ("GET", "konductor:{team-a}x:index"),
        ("PUBLISH", "konductor:{team-b}:nudge", "x"),
        ("SUBSCRIBE", "konductor:{team-b}:nudge"),
        ("EVAL", "return redis.call('GET', KEYS[1])", 1, "konductor:{team-b}:x"),
        ("EVAL", "return redis.call('GET', 'konductor:{team-b}:x')", 0),
        ("EVAL", "return redis.call('SET', 'other', '1')", 0),
        ("KEYS", "*"),
        ("SCAN", "0"),
        ("FLUSHALL",),
        ("SCRIPT", "FLUSH"),
        ("CONFIG", "GET", "*"),
        ("CLIENT", "LIST"),
        ("ACL", "LIST"),
    ],
    ids=lambda command: " ".join(map(str, command)),
)
def test_the_user_reaches_no_other_namespace_by_any_command_or_script(
    command: tuple[str | int, ...], fresh_server: FreshServer
) -> None:
    with (
        redis.Redis.from_url(user(fresh_server("redis", tcp=True))) as confined,
        pytest.raises(redis.ResponseError, match=r"permissions|can't"),
    ):
        confined.execute_command(*command)
