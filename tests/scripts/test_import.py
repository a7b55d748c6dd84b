"""Bringing back what a server has lost: as it was last seen, and only where nothing is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from konductor_core import AlreadyDone, LeaseLost
from konductor_core.codes import Code
from konductor_core.flows import imports
from konductor_core.flows.imports import BarrierRemains, GateRemains, LeaseRemains, PermitRemains, WaitGroupRemains
from konductor_core.identity import Kind
from konductor_core.models import BarrierSpec, BarrierStatus, GateStatus, SemaphoreSpec, SemaphoreStatus
from tests.looking import look
from tests.servers import until

if TYPE_CHECKING:
    from tests.scripts.bench import Bench

OWNER = "cr/uid-1"
SECOND = 1_000


def remains(status: SemaphoreStatus) -> PermitRemains:
    """Return what a status tells of a semaphore."""
    leases = tuple(
        LeaseRemains(each.holder, each.token, each.permits, each.since_ms, each.ttl_ms or 0, each.pod, each.uid)
        for each in status.holders
    )
    return PermitRemains(status.epoch, status.created_ms, leases)


def restore(bench: Bench, spec: SemaphoreSpec, what: PermitRemains) -> bool:
    return bench.k.driver.run(imports.restore(bench.keys(), spec, {"a": "b"}, OWNER, what))


def restore_barrier(bench: Bench, spec: BarrierSpec, what: BarrierRemains) -> bool:
    return bench.k.driver.run(imports.restore(bench.keys("b", Kind.BARRIER), spec, {}, OWNER, what))


def seen(status: BarrierStatus) -> BarrierRemains:
    """Return what a status tells of a barrier."""
    arrivals = tuple((each.id, each.at_ms) for each in status.arrivals)
    decided = status.opened_ms or status.failed_ms or 0
    return BarrierRemains(
        status.epoch, status.created_ms, status.phase, arrivals, decided, status.reason or "", status.cycle or 1
    )


# ------------------------------------------------------------------ permits


def test_holders_go_on_with_their_leases_under_the_same_tokens(bench: Bench) -> None:
    sem = bench.semaphore(5, ttl="30s")
    one = sem.acquire(2, timeout=0, ttl="20s", holder="one")
    two = sem.acquire(timeout=0, holder="two")
    before = sem.status()
    bench.client.flushall()
    assert restore(bench, before.spec, remains(before))
    status = sem.status()
    assert (status.epoch, status.created_ms, status.owner) == (before.epoch, before.created_ms, OWNER)
    assert (status.labels, status.in_use) == ({"a": "b"}, 3)
    assert [(each.holder, each.token, each.permits, each.since_ms) for each in status.holders] == [
        (each.holder, each.token, each.permits, each.since_ms) for each in before.holders
    ]
    assert one.renew().token == before.holders[0].token
    two.release()
    one.release()
    assert sem.status().in_use == 0


def test_a_lease_comes_back_for_one_whole_ttl_of_its_own(bench: Bench) -> None:
    sem = bench.semaphore(5, ttl="30s")
    sem.acquire(timeout=0, ttl="10s", holder="short")
    sem.acquire(timeout=0, holder="long")
    before = sem.status()
    bench.clock.advance(8 * SECOND)
    bench.client.flushall()
    restore(bench, before.spec, remains(before))
    left = {each.holder: (each.expires_ms or 0) - sem.status().now_ms for each in sem.status().holders}
    assert 9 * SECOND < left["short"] <= 10 * SECOND
    assert 29 * SECOND < left["long"] <= 30 * SECOND
    assert 29 * SECOND < bench.client.pttl(bench.keys().meta + ":lease:long") <= 30 * SECOND
    bench.clock.advance(11 * SECOND)
    assert bench.holders() == {"long": 1}


def test_a_lease_without_an_end_comes_back_without_one(bench: Bench) -> None:
    sem = bench.semaphore(1, ttl="0s")
    sem.acquire(timeout=0, ttl="0s", force=True, holder="for-ever")
    before = sem.status()
    bench.client.flushall()
    restore(bench, before.spec, remains(before))
    bench.clock.advance(86_400 * SECOND)
    (holder,) = sem.status().holders
    assert (holder.holder, holder.expires_ms) == ("for-ever", None)
    assert bench.client.pttl(bench.keys().meta + ":lease:for-ever") == -1


def test_the_pod_of_a_lease_is_known_again(bench: Bench) -> None:
    bench.semaphore(1)
    bench.ask("a", pod="pod-a").attempt()
    before = bench.k.semaphore("x").status()
    bench.client.flushall()
    restore(bench, before.spec, remains(before))
    (holder,) = bench.k.semaphore("x").status().holders
    assert (holder.pod, holder.uid) == (before.holders[0].pod, before.holders[0].uid)
    assert holder.uid


def test_what_was_released_meanwhile_stays_released(bench: Bench) -> None:
    sem = bench.semaphore(2)
    lease = sem.acquire(timeout=0, holder="gone")
    sem.acquire(timeout=0, holder="there")
    before = sem.status()
    bench.client.flushall()
    lease.release()
    restore(bench, before.spec, remains(before))
    assert bench.holders() == {"there": 1}


def test_a_release_of_an_earlier_lease_does_not_keep_a_later_one_away(bench: Bench) -> None:
    sem = bench.semaphore(2)
    sem.define(2)
    sem.release("a")  # it held nothing then
    released_ms = bench.clock.now_ms()
    bench.clock.advance(SECOND)
    until(lambda: bench.clock.now_ms() > released_ms, "the clock has gone on")
    sem.acquire(timeout=0, holder="a")
    before = sem.status()
    bench.client.delete(*[key for key in bench.all_keys() if ":did:" not in key])
    restore(bench, before.spec, remains(before))
    assert bench.holders() == {"a": 1}


def test_what_is_there_is_left_as_it_is(bench: Bench) -> None:
    sem = bench.semaphore(2)
    sem.acquire(timeout=0, holder="a")
    before = sem.status()
    sem.release("a")
    sem.acquire(timeout=0, holder="b")
    dump = bench.dump()
    assert not restore(bench, SemaphoreSpec(permits=7), remains(before))
    assert bench.dump() == dump


def test_an_object_that_was_deleted_a_moment_ago_does_not_come_back(bench: Bench) -> None:
    sem = bench.semaphore(2)
    before = sem.status()
    sem.delete()
    assert not restore(bench, before.spec, remains(before))
    assert bench.k.objects() == []


def test_bringing_back_twice_is_bringing_back_once(bench: Bench) -> None:
    sem = bench.semaphore(3)
    lease = sem.acquire(2, timeout=0, holder="a")
    before = sem.status()
    bench.client.flushall()
    assert restore(bench, before.spec, remains(before))
    lease.release()
    assert not restore(bench, before.spec, remains(before))
    assert sem.status().in_use == 0


def test_later_tokens_are_greater_than_those_that_came_back(bench: Bench) -> None:
    sem = bench.semaphore(2)
    sem.acquire(timeout=0, holder="a")
    before = sem.status()
    ahead = LeaseRemains("a", before.holders[0].token + 10**9, 1, before.created_ms, 60 * SECOND)
    bench.client.flushall()
    restore(bench, before.spec, PermitRemains(before.epoch, before.created_ms, (ahead,)))
    assert sem.acquire(timeout=0, holder="b").token > ahead.token


def test_waiters_that_came_meanwhile_get_what_is_free_and_no_more(bench: Bench) -> None:
    sem = bench.semaphore(2)
    sem.acquire(timeout=0, holder="a")
    before = sem.status()
    bench.client.flushall()
    first, second = bench.ask("b"), bench.ask("c")
    assert first.wait().code == second.wait().code == Code.ABSENT
    restore(bench, before.spec, remains(before))
    assert first.messages()[0].startswith("granted")
    assert first.wait().granted
    assert bench.holders() == {"a": 1, "b": 1}
    assert bench.waiters() == ["c"]


def test_a_holder_that_asks_again_meanwhile_goes_on_with_its_lease(bench: Bench) -> None:
    sem = bench.semaphore(1)
    token = sem.acquire(timeout=0, holder="a").token
    before = sem.status()
    bench.client.flushall()
    again, other = bench.ask("a"), bench.ask("b")
    assert again.wait().code == other.wait().code == Code.ABSENT
    restore(bench, before.spec, remains(before))
    assert again.messages() == ["look"]
    assert again.wait().token == token
    assert bench.waiters() == ["b"]


def test_a_lease_that_nobody_listed_is_lost_when_its_holder_renews(bench: Bench) -> None:
    sem = bench.semaphore(1)
    before = sem.status()
    lease = sem.acquire(timeout=0, holder="late")
    bench.client.flushall()
    restore(bench, before.spec, remains(before))
    with pytest.raises(LeaseLost):
        lease.renew()


def test_a_smaller_limit_in_the_spec_revokes_nothing(bench: Bench) -> None:
    sem = bench.semaphore(3)
    sem.acquire(3, timeout=0, holder="a")
    before = sem.status()
    bench.client.flushall()
    restore(bench, SemaphoreSpec(permits=1), remains(before))
    assert (sem.status().in_use, sem.status().available) == (3, 0)


def test_five_hundred_holders_come_back_at_once(bench: Bench) -> None:
    leases = tuple(LeaseRemains(f"h{n}", 10**15 + n, 1 + n % 3, 1, 60 * SECOND) for n in range(500))
    restore(bench, SemaphoreSpec(permits=2_000), PermitRemains("1", 1, leases))
    status = bench.k.semaphore("x").status()
    assert (status.holders_total, status.in_use) == (500, sum(each.permits for each in leases))


# ------------------------------------------------------------------ barriers


def test_a_barrier_has_its_arrivals_again_and_opens_with_the_rest(bench: Bench) -> None:
    barrier = bench.barrier(3, timeout="1h")
    barrier.arrive("a")
    barrier.arrive("b")
    before = barrier.status()
    bench.client.flushall()
    assert restore_barrier(bench, before.spec, seen(before))
    status = barrier.status()
    assert (status.epoch, status.created_ms, status.deadline_ms) == (
        before.epoch,
        before.created_ms,
        before.deadline_ms,
    )
    assert status.arrivals == before.arrivals
    assert not barrier.arrive("a").counted
    assert barrier.arrive("c").phase == "Open"


def test_an_open_barrier_is_open_again(bench: Bench) -> None:
    barrier = bench.barrier(1)
    barrier.arrive("a")
    before = barrier.status()
    bench.client.flushall()
    restore_barrier(bench, before.spec, seen(before))
    assert barrier.wait(timeout=0).epoch == before.epoch
    assert barrier.status().opened_ms == before.opened_ms


def test_a_failed_barrier_has_failed_again_for_the_same_reason(bench: Bench) -> None:
    barrier = bench.barrier(2, timeout="10s")
    barrier.arrive("a")
    bench.clock.advance(11 * SECOND)
    before = barrier.status()
    bench.client.flushall()
    restore_barrier(bench, before.spec, seen(before))
    status = barrier.status()
    assert (status.phase, status.reason, status.failed_ms) == ("Failed", before.reason, before.failed_ms)


def test_a_deadline_goes_on_while_the_barrier_is_lost(bench: Bench) -> None:
    barrier = bench.barrier(2, timeout="10s")
    before = barrier.status()
    bench.client.flushall()
    restore_barrier(bench, before.spec, replace(seen(before), created_ms=before.created_ms - 11 * SECOND))
    assert barrier.status().phase == "Failed"


def test_a_barrier_whose_spec_asks_for_fewer_by_now_opens(bench: Bench) -> None:
    barrier = bench.barrier(3)
    barrier.arrive("a")
    before = barrier.status()
    bench.client.flushall()
    restore_barrier(bench, BarrierSpec(expected=1), seen(before))
    assert barrier.status().phase == "Open"


def test_a_cyclic_barrier_goes_on_with_its_cycle(bench: Bench) -> None:
    barrier = bench.barrier(2, cyclic=True)
    for holder in ("a", "b", "a"):
        barrier.arrive(holder)
    before = barrier.status()
    bench.client.flushall()
    restore_barrier(bench, before.spec, seen(before))
    status = barrier.status()
    assert (status.cycle, status.last_opened_cycle, status.arrived) == (2, 1, 1)
    assert barrier.wait(timeout=0, cycle=1).cycle == 1
    arrived = barrier.arrive("b")
    assert (arrived.cycle, barrier.status().last_opened_cycle) == (2, 2)
    assert barrier.wait(timeout=0, holder="a").cycle == 2


def test_a_barrier_that_is_there_or_was_deleted_is_left(bench: Bench) -> None:
    barrier = bench.barrier(2)
    barrier.arrive("a")
    before = barrier.status()
    barrier.reset()
    assert not restore_barrier(bench, before.spec, seen(before))
    assert barrier.status().arrived == 0
    barrier.delete()
    assert not restore_barrier(bench, before.spec, seen(before))


def test_five_thousand_arrivals_come_back_at_once(bench: Bench) -> None:
    arrivals = tuple((f"job/{n}", n) for n in range(5_000))
    restore_barrier(bench, BarrierSpec(expected=6_000), BarrierRemains("1", 1, "Waiting", arrivals))
    assert bench.k.barrier("b").status().arrived == 5_000


# ----------------------------------------------------------- once, wait groups


def test_what_was_done_once_stays_done(bench: Bench) -> None:
    once = bench.k.once("o")
    once.define(ttl="30s")
    once.begin(timeout=0, holder="a").complete("version 7")
    before = once.status()
    bench.client.flushall()
    what = PermitRemains(before.epoch, before.created_ms, (), before.done_ms or 0, "a", "version 7")
    assert bench.k.driver.run(imports.restore(bench.keys("o", Kind.ONCE), before.spec, {}, OWNER, what))
    after = once.status()
    assert (after.phase, after.executor, after.result, after.done_ms) == ("Done", "a", "version 7", before.done_ms)
    with pytest.raises(AlreadyDone):
        once.begin(timeout=0, holder="b")


def test_a_runner_goes_on_and_completes(bench: Bench) -> None:
    once = bench.k.once("o")
    once.define(ttl="30s")
    run = once.begin(timeout=0, holder="a")
    before = once.status()
    bench.client.flushall()
    lease = LeaseRemains("a", run.token, 1, before.holders[0].since_ms, 30_000)
    what = PermitRemains(before.epoch, before.created_ms, (lease,))
    assert bench.k.driver.run(imports.restore(bench.keys("o", Kind.ONCE), before.spec, {}, OWNER, what))
    assert once.status().phase == "Running"
    assert run.complete().counted


@pytest.mark.parametrize("is_done", [False, True])
def test_a_wait_group_is_where_it_was(bench: Bench, is_done: bool) -> None:  # noqa: FBT001 - a case
    group = bench.k.waitgroup("g")
    group.define()
    group.add("a")
    group.add(count=2)
    group.done()
    if is_done:
        group.done()
        group.done("a")
    before = group.status()
    bench.client.flushall()
    members = tuple((each.id, each.at_ms) for each in before.members)
    what = WaitGroupRemains(
        before.epoch, before.created_ms, before.round, before.added, before.anonymous, before.done_ms or 0, members
    )
    keys = bench.keys("g", Kind.WAITGROUP)
    assert bench.k.driver.run(imports.restore(keys, before.spec, {}, OWNER, what))
    assert not bench.k.driver.run(imports.restore(keys, before.spec, {}, OWNER, what))
    after = group.status()
    assert (after.phase, after.counter, after.added, after.round) == (before.phase, before.counter, 3, 1)
    assert (after.members, after.epoch, after.done_ms) == (before.members, before.epoch, before.done_ms)
    if is_done:
        assert group.wait(timeout=0).added == 3
    else:
        assert group.done("a").counter == 1
        assert group.done().phase == "Done"


def test_a_wait_group_that_was_deleted_since_is_not_brought_back(bench: Bench) -> None:
    group = bench.k.waitgroup("g")
    group.define()
    before = group.status()
    group.delete()
    what = WaitGroupRemains(before.epoch, before.created_ms, 1, 0, 0)
    keys = bench.keys("g", Kind.WAITGROUP)
    assert not bench.k.driver.run(imports.restore(keys, before.spec, {}, OWNER, what))


# -------------------------------------------------------------------- gates


def restore_gate(bench: Bench, status: GateStatus) -> bool:
    """Bring a gate back as it was seen."""
    what = GateRemains(
        status.epoch,
        status.created_ms,
        status.verdict,
        status.opened_ms or status.failed_ms or 0,
        status.override or "",
        status.reason or "",
        status.met,
        status.checks,
    )
    return bench.k.driver.run(imports.restore(bench.keys("g", Kind.GATE), status.spec, {}, OWNER, what))


@pytest.mark.parametrize("state", ["Running", "Complete", "Failed"])
@pytest.mark.parametrize("act", ["open", "close", "auto"])
def test_a_gate_is_what_it_was_with_its_verdict_and_what_a_hand_had_done(bench: Bench, state: str, act: str) -> None:
    gate = bench.k.gate("g")
    gate.define(["job/migrate"], "1h", owner=OWNER)
    look(bench.k, "g", migrate=state)
    getattr(gate, act)()
    before = gate.status()
    bench.client.flushall()
    assert restore_gate(bench, before)
    after = gate.status()
    for field in ("epoch", "phase", "verdict", "override", "met", "checks", "deadline_ms", "opened_ms", "failed_ms"):
        assert getattr(after, field) == getattr(before, field), field
    assert (after.reason or "", after.spec) == (before.reason or "", before.spec)
    assert not restore_gate(bench, before)
    gate.auto()
    look(bench.k, "g", migrate="Complete")
    assert gate.status().phase == ("Failed" if state == "Failed" else "Open")


def test_a_gate_that_is_brought_back_after_its_deadline_has_failed(bench: Bench) -> None:
    gate = bench.k.gate("g")
    gate.define(["job/migrate"], "1m", owner=OWNER)
    before = gate.status()
    bench.client.flushall()
    assert restore_gate(bench, replace(before, created_ms=before.created_ms - 61 * SECOND))
    assert gate.status().phase == "Failed"


def test_a_gate_that_was_deleted_or_is_there_is_not_brought_back(bench: Bench) -> None:
    gate = bench.k.gate("g")
    gate.define(owner=OWNER)
    before = gate.status()
    assert not restore_gate(bench, before)
    gate.delete(owner=OWNER)
    assert not restore_gate(bench, before)
