"""Permits granted at once: amounts, tokens, ends, renewals and releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core.codes import Code
from konductor_core.errors import Impossible, InvalidInput, LeaseLost, NotFound, WouldBlock
from konductor_core.flows.leases import Released

if TYPE_CHECKING:
    from tests.scripts.bench import Bench

MINUTE = 60_000


def test_a_try_on_free_permits_is_granted_with_token_and_end(bench: Bench) -> None:
    sem = bench.semaphore(3, ttl="2m")
    lease = sem.acquire(permits=2, timeout=0, holder="a")
    assert (lease.holder, lease.permits, lease.ttl_ms) == ("a", 2, 2 * MINUTE)
    (holder,) = sem.status().holders
    assert (holder.holder, holder.permits, holder.token, holder.pending) == ("a", 2, lease.token, False)
    assert holder.expires_ms == pytest.approx(bench.clock.now_ms() + 2 * MINUTE, abs=1000)
    assert sem.status().in_use == 2


def test_weighted_requests_share_the_permits(bench: Bench) -> None:
    sem = bench.semaphore(5)
    sem.acquire(permits=3, timeout=0, holder="a")
    with pytest.raises(WouldBlock, match="3/5 permits in use"):
        sem.acquire(permits=3, timeout=0, holder="b")
    sem.acquire(permits=2, timeout=0, holder="b")
    assert bench.holders() == {"a": 3, "b": 2}
    assert sem.status().phase == "Full"


def test_more_than_the_limit_is_impossible_at_once_even_for_a_waiter(bench: Bench) -> None:
    bench.semaphore(2)
    with pytest.raises(Impossible, match="has 2 permits: 3 can never be granted"):
        bench.k.semaphore("x").acquire(permits=3, holder="a")
    assert bench.waiters() == []
    bench.semaphore(1)
    with pytest.raises(Impossible, match="has 1 permit: 3 can never be granted"):
        bench.k.semaphore("x").acquire(permits=3, holder="a")


def test_a_try_that_would_block_leaves_nothing_but_a_count(bench: Bench) -> None:
    sem = bench.semaphore(1)
    sem.acquire(timeout=0, holder="a")
    for _ in range(2):
        with pytest.raises(WouldBlock):
            sem.acquire(timeout=0, holder="b")
    status = sem.status()
    assert (status.waiting, status.holders_total, status.counters["refusals"]) == (0, 1, 2)


def test_a_try_on_an_absent_object_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.k.semaphore("x").acquire(timeout=0)
    assert bench.all_keys() == []


def test_tokens_grow_with_every_grant(bench: Bench) -> None:
    sem = bench.semaphore(2)
    tokens = [sem.acquire(timeout=0, holder=f"h{n % 2}").token for n in range(2)]
    for n in range(20):
        sem.release(f"h{n % 2}")
        tokens.append(sem.acquire(timeout=0, holder=f"h{n % 2}").token)
    assert tokens == sorted(set(tokens))
    assert min(tokens) > 10**15, "a token is the server's time in microseconds, or more"


def test_tokens_grow_over_a_reset(bench: Bench) -> None:
    sem = bench.semaphore(1)
    before = sem.acquire(timeout=0, holder="a").token
    sem.reset()
    assert sem.acquire(timeout=0, holder="a").token > before


def test_tokens_grow_over_delete_and_define(bench: Bench) -> None:
    sem = bench.semaphore(1)
    before = sem.acquire(timeout=0, holder="a").token
    sem.delete()
    sem.define(1)
    assert sem.acquire(timeout=0, holder="a").token > before


def test_tokens_grow_while_the_clock_is_behind(fake: Bench) -> None:
    sem = fake.semaphore(2)
    before = sem.acquire(timeout=0, holder="a").token
    fake.clock.advance(-MINUTE)
    second = sem.acquire(timeout=0, holder="b").token
    assert second == before + 1
    sem.reset()
    assert sem.acquire(timeout=0, holder="b").token == before + 2


def test_tokens_grow_over_delete_and_define_while_the_clock_is_behind(fake: Bench) -> None:
    sem = fake.semaphore(1)
    before = sem.acquire(timeout=0, holder="a").token
    epoch = sem.status().epoch
    fake.clock.advance(-30_000)
    sem.delete()
    sem.define(1)
    assert sem.acquire(timeout=0, holder="a").token > before
    assert sem.status().epoch > epoch


def test_a_ttl_of_its_own_wins_over_the_semaphores(bench: Bench) -> None:
    sem = bench.semaphore(1, ttl="5m")
    lease = sem.acquire(timeout=0, ttl="10s", holder="a")
    assert lease.ttl_ms == 10_000
    assert sem.renew("a", lease.token).ttl_ms == 10_000, "a renewal keeps the TTL"


def test_every_lease_has_a_twin_with_the_same_end(bench: Bench) -> None:
    sem = bench.semaphore(9)
    for n, ttl in enumerate(("10s", "1m", "1h")):
        sem.acquire(permits=n + 1, timeout=0, ttl=ttl, holder=f"h{n}")
    sem.renew("h0", ttl="2m")
    for holder in sem.status().holders:
        twin = f"{bench.keys().meta}:lease:{holder.holder}"
        assert bench.client.pexpiretime(twin) == holder.expires_ms
        assert bench.client.hget(twin, "permits") == str(holder.permits)
        assert bench.client.hget(twin, "token") == str(holder.token)


def test_a_lease_without_an_end_needs_force_and_never_expires(bench: Bench) -> None:
    sem = bench.semaphore(1)
    with pytest.raises(InvalidInput, match="ttl of 0"):
        sem.acquire(timeout=0, ttl=0, holder="a")
    lease = sem.acquire(timeout=0, ttl=0, holder="a", force=True)
    assert (lease.ttl_ms, lease.expires_in) == (0, float("inf"))
    bench.clock.advance(400 * 24 * 60 * MINUTE)
    (holder,) = sem.status().holders
    assert (holder.expires_ms, sem.status().next_change_ms) == (None, -1)
    assert sem.release("a") is Released.RELEASED


def test_a_lease_can_get_an_end_and_lose_it(bench: Bench) -> None:
    sem = bench.semaphore(1)
    twin = f"{bench.keys().meta}:lease:a"
    sem.acquire(timeout=0, ttl=0, holder="a", force=True)
    assert bench.client.ttl(twin) == -1
    sem.renew("a", ttl="1m")
    assert bench.client.pexpiretime(twin) == sem.status().holders[0].expires_ms
    bench.script("permit_renew", bench.keys().permits, "a", "", 0)
    assert (bench.client.ttl(twin), sem.status().holders[0].expires_ms) == (-1, None)


def test_an_expired_lease_is_free_without_anybody_running(bench: Bench) -> None:
    sem = bench.semaphore(2)
    sem.acquire(permits=2, timeout=0, ttl="10s", holder="a")
    bench.clock.advance(11_000)
    assert not bench.client.exists(f"{bench.keys().meta}:lease:a")
    assert sem.acquire(permits=2, timeout=0, holder="b").permits == 2
    assert sem.status().counters["expiries"] == 1


def test_a_lease_ends_at_its_moment_and_not_before(fake: Bench) -> None:
    sem = fake.semaphore(1)
    sem.acquire(timeout=0, ttl="10s", holder="a")
    fake.clock.advance(9_999)
    assert sem.status().in_use == 1
    assert sem.status().next_change_ms == 1
    fake.clock.advance(1)
    assert sem.status().in_use == 0


def test_a_renewal_counts_from_now(bench: Bench) -> None:
    sem = bench.semaphore(1)
    lease = sem.acquire(timeout=0, ttl="30s", holder="a")
    bench.clock.advance(20_000)
    renewed = sem.renew("a", lease.token)
    assert (renewed.token, renewed.ttl_ms) == (lease.token, 30_000)
    bench.clock.advance(20_000)
    assert bench.holders() == {"a": 1}
    assert sem.status().counters["renewals"] == 1


def test_a_renewal_after_the_end_is_lost_and_revives_nothing(bench: Bench) -> None:
    sem = bench.semaphore(1)
    lease = sem.acquire(timeout=0, ttl="10s", holder="a")
    bench.clock.advance(11_000)
    with pytest.raises(LeaseLost):
        sem.renew("a", lease.token)
    assert bench.holders() == {}


def test_a_renewal_with_another_token_is_lost(bench: Bench) -> None:
    sem = bench.semaphore(1)
    lease = sem.acquire(timeout=0, holder="a")
    with pytest.raises(LeaseLost):
        sem.renew("a", lease.token - 1)
    with pytest.raises(LeaseLost):
        sem.renew("b")


def test_a_renewal_of_an_absent_object_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.k.semaphore("x").renew("a")


def test_a_renewal_after_a_reset_is_lost(bench: Bench) -> None:
    sem = bench.semaphore(1)
    lease = sem.acquire(timeout=0, holder="a")
    sem.reset()
    with pytest.raises(LeaseLost):
        lease.renew()
    assert lease.lost.is_set()


def test_a_release_says_released_and_then_not_held(bench: Bench) -> None:
    sem = bench.semaphore(1)
    lease = sem.acquire(timeout=0, holder="a")
    assert sem.release("a", lease.token) is Released.RELEASED
    assert sem.release("a", lease.token) is Released.NOT_HELD
    assert sem.release("nobody") is Released.NOT_HELD
    with pytest.raises(NotFound):
        bench.k.semaphore("absent").release("a")


def test_a_release_after_the_end_says_expired(bench: Bench) -> None:
    sem = bench.semaphore(1)
    lease = sem.acquire(timeout=0, ttl="10s", holder="a")
    bench.clock.advance(11_000)
    assert sem.release("a", lease.token) is Released.EXPIRED
    assert sem.release("a", lease.token) is Released.EXPIRED


def test_a_release_forgets_that_an_earlier_lease_expired(bench: Bench) -> None:
    sem = bench.semaphore(1)
    sem.acquire(timeout=0, ttl="10s", holder="a")
    bench.clock.advance(11_000)
    sem.acquire(timeout=0, holder="a")
    assert sem.release("a") is Released.RELEASED
    assert sem.release("a") is Released.NOT_HELD


def test_a_reset_and_a_deletion_forget_that_a_lease_expired(bench: Bench) -> None:
    sem = bench.semaphore(1)
    sem.acquire(timeout=0, ttl="10s", holder="a")
    bench.clock.advance(11_000)
    sem.reset()
    assert sem.release("a") is Released.NOT_HELD
    sem.acquire(timeout=0, ttl="10s", holder="a")
    bench.clock.advance(11_000)
    sem.delete()
    sem.define(1)
    assert sem.release("a") is Released.NOT_HELD


def test_a_release_with_another_token_frees_nothing(bench: Bench) -> None:
    sem = bench.semaphore(1)
    lease = sem.acquire(timeout=0, holder="a")
    assert sem.release("a", lease.token - 1) is Released.NOT_HELD
    assert bench.holders() == {"a": 1}


@pytest.mark.parametrize("held", [True, False])
def test_a_repeated_release_answers_the_same_and_spares_the_next_lease(bench: Bench, *, held: bool) -> None:
    sem = bench.semaphore(1)
    if held:
        sem.acquire(timeout=0, holder="a")
    release = ("permit_release", bench.keys().permits, "request-1", "a", "", "released")
    first = bench.script(*release)[0]
    sem.acquire(timeout=0, holder="a")
    assert bench.script(*release)[0] == first == (Code.RELEASED if held else Code.NOT_HELD)
    assert bench.holders() == {"a": 1}


def test_a_forced_release_frees_and_the_holder_learns_it(bench: Bench) -> None:
    sem = bench.semaphore(2)
    lease = sem.acquire(permits=2, timeout=0, holder="a")
    assert sem.force_release("a") is Released.RELEASED
    assert sem.status().available == 2
    with pytest.raises(LeaseLost):
        lease.renew()
    assert "force-released" in bench.event_types()


def test_a_lease_says_whose_pod_holds_it(bench: Bench) -> None:
    bench.semaphore(1)
    bench.ask("a", pod="worker-0").attempt()
    (holder,) = bench.k.semaphore("x").status().holders
    assert (holder.pod, holder.uid) == ("worker-0", "3f1c2f9e-0000-4000-8000-000000000001")


def put_leases(bench: Bench, count: int) -> None:
    """Write leases of 20 s past the scripts, which would take a while, as they write them."""
    keys = bench.keys()
    ends = bench.clock.now_ms() + 20_000
    bench.client.zadd(keys.permit[1], {f"h{n:05}": ends for n in range(count)})
    with bench.client.pipeline(transaction=False) as pipe:
        for n in range(count):
            pipe.hset(f"{keys.meta}:lease:h{n:05}", mapping={"token": n + 1, "permits": 1})
            pipe.pexpireat(f"{keys.meta}:lease:h{n:05}", ends)
        pipe.execute()


def test_thousands_of_leases_that_end_together_are_freed_by_few_calls(bench: Bench) -> None:
    sem = bench.semaphore(6_000)
    put_leases(bench, 5_200)
    assert sem.status().in_use == 5_200
    bench.clock.advance(30_000)
    assert sem.status().in_use == 200, "one call ends 5,000 at most; the rest still counts as in use"
    status = sem.status()
    assert (status.in_use, status.counters["expiries"]) == (0, 5_200)


def test_an_ended_lease_that_is_not_cleared_away_yet_is_not_renewed(real: Bench) -> None:
    sem = real.semaphore(6_000)
    put_leases(real, 5_002)
    real.clock.advance(30_000)
    with pytest.raises(LeaseLost):
        sem.renew("h05001")
    assert real.holders() == {}


def test_an_ended_lease_that_is_not_cleared_away_yet_is_granted_anew(real: Bench) -> None:
    sem = real.semaphore(6_000)
    put_leases(real, 5_002)
    real.clock.advance(30_000)
    again = real.ask("h05001", 3).attempt()
    assert again.granted
    assert again.token > 5_002
    assert sem.status().in_use == 3


def test_a_lease_whose_twin_is_gone_is_granted_anew(bench: Bench) -> None:
    sem = bench.semaphore(5)
    old = bench.ask("a", 3).attempt().token
    bench.client.delete(f"{bench.keys().meta}:lease:a")  # evicted, or expired before the clock went back
    again = bench.ask("a", 3).attempt()
    assert again.granted
    assert again.token > old
    assert sem.status().in_use == 3
    assert sem.release("a") is Released.RELEASED
    assert sem.status().in_use == 0
