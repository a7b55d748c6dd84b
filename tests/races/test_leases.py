"""Leases in the hands of a program: renewed, lost, given back, shared between threads, forked."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from konductor_core.client import Konductor
from konductor_core.config import Settings
from konductor_core.errors import LeaseLost, Unavailable
from konductor_core.flows.leases import Released
from tests.proxy import Proxy
from tests.servers import KINDS, Kind, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import FreshServer
    from tests.races.conftest import Place
    from tests.servers import Server

TTL = 0.5


def expire_unless_renewed(seconds: float = 3 * TTL) -> None:
    """Let time pass, and nothing else: several TTLs."""
    threading.Event().wait(seconds)


def holders(k: Konductor) -> list[str]:
    return [row.holder for row in k.semaphore("one").status().holders]


@pytest.fixture
def k(redis_server: Server) -> Iterator[Konductor]:
    with Konductor(redis_server.url, namespace="races") as konductor:
        konductor.semaphore("one").define(permits=1)
        yield konductor


def test_a_renewed_lease_is_kept_over_several_ttls(k: Konductor) -> None:
    with k.semaphore("one").acquire(ttl=TTL, renew=True, holder="a") as lease:
        expire_unless_renewed()
        assert holders(k) == ["a"]
        assert k.semaphore("one").status().holders[0].token == lease.token
        assert not lease.lost.is_set()
        assert 0 < lease.expires_in <= TTL
    assert holders(k) == []


def test_loss_is_said_once_the_server_says_so(k: Konductor) -> None:
    said: list[int] = []
    lease = k.semaphore("one").acquire(ttl=TTL, renew=True, holder="a", on_lost=lambda lost: said.append(lost.token))
    k.semaphore("one").force_release("a")
    assert lease.lost.wait(TTL)
    until(lambda: said, "the loss is said")
    assert said == [lease.token]
    assert lease.expires_in == 0
    with pytest.raises(LeaseLost, match="ended or was given to another"), lease:
        pass


def test_a_release_ends_the_renewals_first(k: Konductor) -> None:
    lease = k.semaphore("one").acquire(ttl=TTL, renew=True)
    until(lambda: k.semaphore("one").status().counters["renewals"], "it was renewed once")
    assert lease.release() is Released.RELEASED
    until(lambda: "konductor-renew-one" not in {t.name for t in threading.enumerate()}, "the thread has ended")
    assert lease.release() is Released.NOT_HELD
    assert not lease.lost.is_set()


def test_a_renewed_lease_may_be_given_a_shorter_ttl(k: Konductor) -> None:
    with k.semaphore("one").acquire(ttl="30s", renew=True, holder="a") as lease:
        lease.renew(TTL)
        expire_unless_renewed()
        assert holders(k) == ["a"]
        assert lease.ttl_ms == TTL * 1000
        assert not lease.lost.is_set()


def test_renewals_by_hand_and_by_the_clock_do_not_disagree(k: Konductor) -> None:
    """Whatever the order, the holder never believes in a later end than the server's."""
    with k.semaphore("one").acquire(ttl="100ms", renew=True, holder="a") as lease:
        for number in range(30):
            lease.renew("10s" if number % 2 else "100ms")
            left_ms = (k.semaphore("one").status().holders[0].expires_ms or 0) - k.semaphore("one").status().now_ms
            assert lease.expires_in * 1000 <= left_ms + 50
        lease.renew("10s")
        expire_unless_renewed(0.3)
        assert lease.expires_in > 5
        assert holders(k) == ["a"]


def test_a_guard_holds_inside_a_block_and_around_a_function(k: Konductor) -> None:
    guard = k.semaphore("one").guard(ttl=TTL, holder="a")

    @guard
    def inside(number: int) -> tuple[int, list[str]]:
        return number, holders(k)

    with guard as lease:
        assert lease.token
        assert holders(k) == ["a"]
    assert holders(k) == []
    assert inside(7) == (7, ["a"])
    assert holders(k) == []


def test_threads_may_share_a_guard(k: Konductor) -> None:
    k.semaphore("one").define(permits=2)
    guard, both = k.semaphore("one").guard(ttl="30s"), threading.Barrier(2)
    tokens: list[int] = []

    def use() -> None:
        with guard as lease:
            both.wait(10)
            tokens.append(lease.token)
            both.wait(10)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(set(tokens)) == 2
    assert holders(k) == []


def test_threads_exclude_each_other(k: Konductor) -> None:
    inside: list[int] = []
    crowds: list[int] = []

    def use(number: int) -> None:
        for _ in range(10):
            with k.semaphore("one").acquire(ttl="5s", renew=True, timeout=30):
                inside.append(number)
                crowds.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert crowds == [1] * 20


def test_processes_of_one_host_exclude_each_other(place: Place) -> None:
    """With the library's default holder, and with renewals going on."""
    place.k.semaphore("one").define(permits=1)
    first, second = place.crew.start(), place.crew.start()
    one = first.ask("acquire", "held", name="one", ttl=TTL, renew=True)
    second.tell("acquire", name="one", ttl=TTL, renew=True)
    second.hear_text("position 1")
    expire_unless_renewed()
    assert holders(place.k) == [one["holder"]]
    first.ask("release", "released")
    two = second.hear("held")
    assert two["holder"] != one["holder"]
    assert two["token"] > one["token"]


def test_closing_ends_the_renewals(redis_server: Server, k: Konductor) -> None:
    with Konductor(redis_server.url, namespace=k.namespace) as other:
        lease = other.semaphore("one").acquire(ttl=TTL, renew=True, holder="a")
    assert holders(k) == ["a"]
    until(lambda: holders(k) == [], "the lease ends by itself", timeout=5)
    until(lease.lost.is_set, "its holder knows")
    assert lease.expires_in == 0


def test_a_failing_release_does_not_hide_why_the_block_failed(redis_server: Server, k: Konductor) -> None:
    with (
        Proxy(redis_server) as proxy,
        Konductor(settings=Settings.load({"redis_url": proxy.url, "retries": 0})) as other,
    ):
        other.semaphore("one").define(permits=1)

        def lose(*, fail: bool) -> None:
            with other.semaphore("one").acquire(ttl="30s", holder="a"):
                proxy.refuse()
                if fail:
                    raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            lose(fail=True)
        proxy.heal()
        with pytest.raises(Unavailable):
            lose(fail=False)


def test_without_a_thread_to_renew_it_a_lease_is_given_back(k: Konductor, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            k.semaphore("one").acquire(ttl="30s", renew=True)
    assert holders(k) == []


def test_a_forked_child_that_leaves_the_block_gives_nothing_back(k: Konductor) -> None:
    with k.semaphore("one").acquire(ttl="30s", holder="a") as lease:
        child = os.fork()
        if child == 0:
            try:
                lease.__exit__(None)
            finally:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert holders(k) == ["a"]


def test_a_forked_child_has_connections_of_its_own(k: Konductor) -> None:
    k.semaphore("two").define(permits=1)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with k.semaphore("two").acquire(ttl="30s", timeout=10, renew=True):
                code = 0
        finally:
            os._exit(code)
    with k.semaphore("one").acquire(ttl="30s", holder="a"):
        assert holders(k) == ["a"]
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_renewed_lease_outlives_a_crash_of_a_server_that_keeps_a_log(fresh_server: FreshServer, kind: Kind) -> None:
    server = fresh_server(kind, options={"appendonly": "yes", "appendfsync": "always"})
    with Konductor(server.url, namespace="races") as k:
        k.semaphore("one").define(permits=1)
        with k.semaphore("one").acquire(ttl="3s", renew=True, holder="a") as lease:
            until(lambda: k.semaphore("one").status().counters["renewals"], "it was renewed once")
            server.kill()
            expire_unless_renewed(0.5)
            server.start()
            before = k.semaphore("one").status().counters["renewals"]
            until(lambda: k.semaphore("one").status().counters["renewals"] > before, "it is renewed again")
            assert holders(k) == ["a"]
            assert not lease.lost.is_set()
