"""Redis at its limits: no memory left, a user without the channels, a server that restarts without the scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from konductor_core import Konductor
from konductor_core.codes import Code
from konductor_core.errors import NotFound, Unavailable
from konductor_core.flows.permits import Ask
from konductor_core.identity import Kind, Owner
from tests.scripts.bench import NAMESPACE, Bench, Request
from tests.scripts.clock import AgeingClock
from tests.scripts.conftest import real_bench
from tests.servers import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import FreshServer
    from tests.servers import Server

SECOND = 1_000


@pytest.fixture(params=KINDS)
def own_server(request: pytest.FixtureRequest, fresh_server: FreshServer) -> Server:
    return fresh_server(request.param)


@pytest.fixture
def own(own_server: Server) -> Iterator[Bench]:
    made = real_bench(own_server)
    with made.client, made.k:
        yield made


def fill_memory(bench: Bench) -> None:
    bench.client.config_set("maxmemory", 1)
    with pytest.raises(redis.OutOfMemoryError):
        bench.client.set("more", 1)


# -------------------------------------------------------------- maxmemory


def test_a_release_works_without_memory_and_serves_the_next(own: Bench) -> None:
    own.semaphore(1).acquire(timeout=0, holder="other")
    first, second = own.queue("a", "b")
    fill_memory(own)
    assert own.k.semaphore("x").release("other") == "released"
    assert first.wait().granted
    assert own.k.semaphore("x").release("a") == "released"
    assert second.wait().granted


def test_a_release_of_nothing_works_without_memory(own: Bench) -> None:
    own.semaphore(1)
    fill_memory(own)
    assert own.k.semaphore("x").release("nobody") == "not-held"


def test_a_renewal_works_without_memory(own: Bench) -> None:
    sem = own.semaphore(2)
    lease = sem.acquire(timeout=0, ttl="30s", holder="a")
    forever = own.ask("b", ttl_ms=0)
    forever.attempt()
    fill_memory(own)
    own.clock.advance(20 * SECOND)
    assert lease.renew().token == lease.token
    own.clock.advance(20 * SECOND)
    assert lease.renew(ttl="1m").ttl_ms == 60_000
    assert forever.attempt().granted, "a repeated request only renews"


def test_a_confirmation_and_a_heartbeat_work_without_memory(own: Bench) -> None:
    own.semaphore(1, max_bypass="5s").acquire(timeout=0, holder="other")
    first, second = own.queue("a", "b")
    own.k.semaphore("x").release("other")
    fill_memory(own)
    own.clock.advance(4 * SECOND)
    assert first.wait().granted
    own.clock.advance(4 * SECOND)
    assert second.wait().code == Code.QUEUED
    assert own.waiters() == ["b"]


def test_a_cancelled_wait_works_without_memory(own: Bench) -> None:
    own.semaphore(1).acquire(timeout=0, holder="other")
    first, second = own.queue("a", "b")
    fill_memory(own)
    first.cancel()
    own.k.semaphore("x").release("other")
    assert second.wait().granted


def test_what_ages_while_there_is_no_memory_keeps_no_release_from_working(own: Bench) -> None:
    own.semaphore(2, max_bypass="5s").acquire(2, timeout=0, holder="other")
    own.queue("a", "b")
    fill_memory(own)
    own.clock.advance(6 * SECOND)
    assert own.k.semaphore("x").release("nobody") == "not-held"
    assert own.k.semaphore("x").release("other") == "released"
    assert own.holders() == {"a": 1, "b": 1}


def test_leases_end_and_a_status_is_told_without_memory(own: Bench) -> None:
    sem = own.semaphore(1)
    sem.acquire(timeout=0, ttl="10s", holder="a")
    fill_memory(own)
    assert sem.status().in_use == 1
    own.clock.advance(11 * SECOND)
    assert sem.status().in_use == 0
    assert sem.status().in_use == 0


def test_an_acquire_without_memory_is_refused_and_writes_nothing(own: Bench) -> None:
    sem = own.semaphore(2)
    sem.acquire(timeout=0, holder="a")
    fill_memory(own)
    before = own.dump()
    with pytest.raises(Unavailable, match="out of memory"):
        sem.acquire(timeout=0, holder="b")
    assert {key: value for key, value in own.dump().items() if ":request:" not in key} == before


def test_an_arrival_without_memory_is_refused_and_not_counted(own: Bench) -> None:
    barrier = own.barrier(2)
    barrier.arrive("a")
    fill_memory(own)
    with pytest.raises(Unavailable, match="out of memory"):
        barrier.arrive("b")
    assert barrier.status().arrived == 1
    own.client.config_set("maxmemory", 0)
    assert barrier.arrive("b").phase == "Open"


def test_a_barrier_fails_at_its_deadline_without_memory(own: Bench) -> None:
    barrier = own.barrier(2, timeout="10s")
    fill_memory(own)
    own.clock.advance(11 * SECOND)
    assert barrier.status().phase == "Failed"


def test_an_add_without_memory_is_refused_and_not_counted(own: Bench) -> None:
    group = own.k.waitgroup("g")
    group.define()
    fill_memory(own)
    for member in ("a", None):
        with pytest.raises(Unavailable, match="out of memory"):
            group.add(member)
    assert (group.status().phase, group.status().counter) == ("Idle", 0)


def test_whoever_is_done_is_counted_without_memory_and_the_last_one_ends_the_round(own: Bench) -> None:
    group = own.k.waitgroup("g")
    group.define()
    group.add("a")
    group.add(count=3)
    fill_memory(own)
    assert [group.done(count=2).counter, group.done("a").counter, group.done("b").phase] == [2, 1, "Done"]
    assert group.wait(timeout=0).added == 4


def test_a_run_fails_and_completes_without_memory(own: Bench) -> None:
    once = own.k.once("o")
    once.define()
    run = once.begin(timeout=0, holder="a")
    second = Request(own, Ask((own.keys("o", Kind.ONCE),), (1,), "b", owner=Owner()))
    assert second.wait().code == Code.QUEUED
    fill_memory(own)
    run.fail("no route")
    assert second.wait().granted
    once.complete(holder="b")
    assert (once.status().phase, once.status().failures) == ("Done", 1)


def test_deleting_and_resetting_work_without_memory(own: Bench) -> None:
    objects = [
        own.semaphore(1),
        own.barrier(2),
        *(getattr(own.k, kind)("x") for kind in ("rwmutex", "once", "waitgroup")),
    ]
    for each in objects[2:]:
        each.define()
    objects[0].acquire(timeout=0, holder="a")
    objects[1].arrive("a")
    objects[2].write(timeout=0, holder="a")
    objects[3].begin(timeout=0, holder="a").complete()
    objects[4].add("a")
    fill_memory(own)
    for each in objects:
        each.reset()
    assert [each.status().phase for each in objects] == ["Ready", "Waiting", "Unlocked", "Pending", "Idle"]
    assert all(each.delete() for each in objects)


# ------------------------------------------------------------- permissions


@pytest.fixture
def limited(own_server: Server) -> Iterator[Bench]:
    """Work as a user who is confined to the namespace's keys and may use no channel at all."""
    with own_server.client() as admin:
        admin.execute_command(
            "ACL", "SETUSER", "limited", "on", ">secret", "~konductor:{team}:*", "resetchannels", "+@all", "-@admin"
        )
    url = own_server.url.replace("unix://", "unix://limited:secret@")
    client = own_server.client(decode_responses=True)
    with client, Konductor(url, namespace=NAMESPACE) as k:
        yield Bench(client, k, AgeingClock(client))


def test_a_user_without_the_channels_does_everything_but_listen(limited: Bench) -> None:
    sem = limited.semaphore(1)
    lease = sem.acquire(timeout=0, holder="a")
    (waiter,) = limited.queue("b")
    assert lease.renew().token == lease.token
    assert sem.release("a") == "released"
    assert waiter.wait().granted
    sem.reset()
    assert sem.delete()
    barrier = limited.barrier(2, timeout="1h")
    assert barrier.arrive("a").arrived == 1
    assert barrier.arrive("b").phase == "Open"
    assert barrier.wait(timeout=0).arrived == 2
    barrier.reset()
    assert barrier.delete()


def test_a_user_of_one_namespace_may_touch_no_other(limited: Bench) -> None:
    url = limited.k.settings.redis_url
    with Konductor(url, namespace="other") as k, pytest.raises(Unavailable, match="does not allow this user"):
        k.semaphore("x").define(1)


# ---------------------------------------------------------------- restarts


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_was_restarted_gets_the_scripts_again(fresh_server: FreshServer, kind: str) -> None:
    server = fresh_server(kind, options={"appendonly": "yes", "appendfsync": "always"})  # type: ignore[arg-type]
    with Konductor(server.url, namespace=NAMESPACE) as k:
        sem = k.semaphore("x")
        sem.define(1)
        lease = sem.acquire(timeout=0, holder="a")
        server.kill()
        server.start()
        assert lease.renew().token == lease.token
        with server.client() as client:
            client.script_flush()
        assert sem.release("a") == "released"
        with pytest.raises(NotFound):
            k.semaphore("y").status()
