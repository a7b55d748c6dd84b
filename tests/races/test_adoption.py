"""Leases that pass from one process to another, and leases of several objects at once."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import pytest

from konductor_core import AsyncKonductor, Konductor
from konductor_core.errors import InvalidInput, LeaseLost, WouldBlock
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Server

TTL = 0.6


@pytest.fixture
def k(server: Server) -> Iterator[Konductor]:
    with Konductor(server.url, namespace="races") as konductor:
        konductor.semaphore("one").define(permits=1)
        konductor.semaphore("two").define(permits=2)
        yield konductor


def test_an_adopted_lease_is_renewed_at_once_and_kept(k: Konductor) -> None:
    token = k.semaphore("one").acquire(holder="a", ttl=TTL).token
    lease = k.semaphore("one").adopt("a", token, ttl=TTL, expires_in=TTL)
    until(lambda: k.semaphore("one").status().counters["renewals"] >= 4, "it was renewed for longer than its TTL")
    assert (lease.token, lease.lost.is_set(), lease.reason) == (token, False, "")
    assert str(lease.release()) == "released"


def test_what_has_ended_is_not_adopted(k: Konductor) -> None:
    token = k.semaphore("one").acquire(holder="a", ttl=TTL).token
    k.semaphore("one").release("a")
    other = k.semaphore("one").acquire(holder="a", ttl="1m").token
    for expires_in, reason in ((TTL, "Redis says"), (0.0, "its TTL passed")):
        lease = k.semaphore("one").adopt("a", token, ttl=TTL, expires_in=expires_in)
        assert lease.lost.wait(5)
        assert lease.reason.startswith(reason)
        assert str(lease.release()) == "not-held"
    assert k.semaphore("one").status().holders[0].token == other


def test_an_endless_lease_can_be_adopted(k: Konductor) -> None:
    token = k.semaphore("one").acquire(holder="a", ttl=0, force=True).token
    lease = k.semaphore("one").adopt("a", token, ttl=0, expires_in=math.inf)
    assert (lease.expires_in, str(lease.release())) == (math.inf, "released")


def test_several_objects_are_granted_all_or_none(k: Konductor) -> None:
    k.semaphore("one").acquire(holder="somebody")
    with pytest.raises(WouldBlock, match="semaphore/one would block"):
        k.acquire_all({"semaphore/two": 2, "semaphore/one": 1}, timeout=0)
    assert k.semaphore("two").status().in_use == 0
    k.semaphore("one").release("somebody")
    one, two = k.acquire_all({"semaphore/two": 2, "semaphore/one": 1}, timeout=0, holder="a")
    assert (one.permits, two.permits, one.holder) == (1, 2, "a")
    assert [k.semaphore(name).status().holders[0].token for name in ("one", "two")] == [one.token, two.token]


@pytest.mark.parametrize("names", [{}, {"barrier/b": 1}, {"one": 1}, {"semaphore/UPPER": 1}, {"semaphore/one": 0}])
def test_what_has_no_permits_is_refused_before_anything_is_sent(k: Konductor, names: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        k.acquire_all(names)


def test_tasks_have_the_same(server: Server, k: Konductor) -> None:
    async def work() -> None:
        async with AsyncKonductor(server.url, namespace="races") as a:
            one, two = await a.acquire_all({"semaphore/two": 2, "semaphore/one": 1}, ttl=TTL, holder="a")
            adopted = a.semaphore("one").adopt("a", one.token, ttl=TTL, expires_in=one.expires_in)
            counters = k.semaphore("one").status
            await asyncio.to_thread(until, lambda: counters().counters["renewals"] >= 4, "it is kept")
            assert [str(await each.release()) for each in (adopted, two)] == ["released", "expired"]
            await a.semaphore("one").report_lost("a", one.token, "why")

    asyncio.run(asyncio.wait_for(work(), 20))
    assert k.semaphore("one").events()[-1].detail == "why"


def test_a_block_gives_all_back_and_tells_of_a_loss(k: Konductor) -> None:
    with k.acquire_all({"semaphore/one": 1, "semaphore/two": 2}, ttl="2s", renew=True) as leases:
        assert (len(leases), leases.lost.is_set(), leases.ttl_ms) == (2, False, 2000)
        assert leases.renew("1m").expires_in > 50
    assert [k.semaphore(name).status().in_use for name in ("one", "two")] == [0, 0]
    lost: list[int] = []
    leases = k.acquire_all(
        {"semaphore/one": 1, "semaphore/two": 1}, ttl="2s", renew=True, on_lost=lambda each: lost.append(each.token)
    )
    k.semaphore("two").force_release(leases[1].holder)
    until(lambda: lost == [leases[1].token], "the loss is told")
    assert (leases.lost.is_set(), leases.expires_in, leases[0].expires_in > 0) == (True, 0, True)
    with pytest.raises(LeaseLost, match="semaphore/two"), leases:
        pass
    assert k.semaphore("one").status().in_use == 0


def test_each_of_several_lives_as_long_as_its_object_says(k: Konductor) -> None:
    k.semaphore("one").define(permits=1, ttl="10m")
    k.semaphore("two").define(permits=2, ttl="30s")
    with k.acquire_all({"semaphore/one": 1, "semaphore/two": 1}) as leases:
        assert [lease.ttl_ms for lease in leases] == [600_000, 30_000]
        assert leases.ttl_ms == 30_000
        assert leases.expires_in <= 30 < leases[0].expires_in


def test_tasks_hold_several_in_a_block(server: Server, k: Konductor) -> None:
    async def work() -> None:
        async with AsyncKonductor(server.url, namespace="races") as a:
            async with a.acquire_all({"semaphore/one": 1, "semaphore/two": 2}, ttl="2s", renew=True) as leases:
                assert (await leases.renew("1m")).expires_in > 50
            assert [k.semaphore(name).status().in_use for name in ("one", "two")] == [0, 0]
            leases = await a.acquire_all({"semaphore/one": 1, "semaphore/two": 2}, ttl="30s")
            k.semaphore("one").force_release(leases[0].holder)
            with pytest.raises(LeaseLost):
                await leases.renew()
            assert leases.lost.is_set()
            assert [str(each) for each in await leases.release()] == ["not-held", "released"]

    asyncio.run(asyncio.wait_for(work(), 20))
