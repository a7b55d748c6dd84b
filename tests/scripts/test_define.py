"""The life of a semaphore: define, resize, pause, owners, absent, reset, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core.codes import Code
from konductor_core.durations import WAITER_TTL
from konductor_core.errors import LeaseLost, NotFound, Owned
from konductor_core.models import SemaphoreSpec
from tests.scripts.audit import assert_only_passing_keys, keys_without_ttl

if TYPE_CHECKING:
    from tests.scripts.bench import Bench

SECOND = 1_000


def define(bench: Bench, permits: int, owner: str) -> str:
    return bench.k.semaphore("x").define(permits, owner=owner).action


# ------------------------------------------------------------------ define


def test_define_creates_then_changes_nothing_then_updates(bench: Bench) -> None:
    sem = bench.k.semaphore("x")
    created = sem.define(3, labels={"team": "etl"})
    assert (created.action, created.owner) == ("created", "cli")
    assert sem.define(3, labels={"team": "etl"}) == type(created)("unchanged", created.epoch, "cli")
    assert sem.define(4, labels={"team": "etl"}).action == "updated"
    assert sem.define(4).action == "updated", "labels count, too"
    assert sem.status().epoch == created.epoch


def test_every_part_of_the_spec_is_kept(bench: Bench) -> None:
    sem = bench.semaphore(7, ttl="90s", policy="Backfill", max_bypass="0s", labels={"a": "1", "b": "é"})
    status = sem.status()
    assert status.spec == SemaphoreSpec(7, 90_000, "Backfill", 0)
    assert status.labels == {"a": "1", "b": "é"}
    assert (status.namespace, status.name, status.owner) == ("team", "x", "cli")


def test_growing_grants_to_waiters_at_once(bench: Bench) -> None:
    bench.semaphore(1).acquire(timeout=0, holder="other")
    first, second, third = bench.queue("a", "b", "c")
    bench.k.semaphore("x").define(3)
    assert first.wait().granted
    assert second.wait().granted
    assert third.wait().code == Code.QUEUED


def test_shrinking_lets_the_excess_drain_and_revokes_nothing(bench: Bench) -> None:
    sem = bench.semaphore(3)
    for holder in "abc":
        sem.acquire(timeout=0, holder=holder)
    sem.define(1)
    status = sem.status()
    assert (status.in_use, status.available, status.phase) == (3, 0, "Full")
    (waiter,) = bench.queue("w")
    sem.release("a")
    sem.release("b")
    assert waiter.wait().code == Code.QUEUED
    sem.release("c")
    assert waiter.wait().granted


def test_a_waiter_that_became_impossible_is_ejected_and_told_why(bench: Bench) -> None:
    sem = bench.semaphore(3)
    sem.acquire(2, timeout=0, holder="other")
    (big,) = bench.queue("big", permits=3)
    (small,) = bench.queue("small", permits=1)
    sem.define(2)
    assert big.messages()[-1] == "look"
    assert big.wait().code == Code.IMPOSSIBLE
    assert bench.waiters() == ["small"]
    assert "ejected" in bench.event_types()
    sem.release("other")
    assert small.wait().granted


def test_no_permits_pause_new_requests_queue(bench: Bench) -> None:
    sem = bench.semaphore(0)
    (request,) = bench.queue("a", permits=5)
    assert sem.status().phase == "Paused"
    assert request.wait().permits == 0
    sem.define(5)
    assert request.wait().granted


def test_a_pause_keeps_leases_and_they_can_be_renewed(bench: Bench) -> None:
    sem = bench.semaphore(1)
    lease = sem.acquire(timeout=0, holder="a")
    sem.define(0)
    assert lease.renew().token == lease.token
    assert sem.release("a") == "released"


def test_a_change_of_policy_serves_who_may_go_now(bench: Bench) -> None:
    sem = bench.semaphore(3)
    sem.acquire(2, timeout=0, holder="other")
    bench.queue("big", permits=3)
    (small,) = bench.queue("small", permits=1)
    sem.define(3, policy="Backfill")
    assert small.wait().granted


# ------------------------------------------------------------------ absent


def test_waiters_queue_for_an_object_that_does_not_exist_yet(bench: Bench) -> None:
    first, second = bench.ask("a"), bench.ask("b")
    assert first.wait().code == second.wait().code == Code.ABSENT
    assert second.wait().position == 2
    bench.semaphore(1)
    assert first.messages()[0].startswith("granted ")
    assert first.wait().granted
    assert second.wait().code == Code.QUEUED


def test_waiters_for_an_absent_object_leave_no_key_without_a_ttl(bench: Bench) -> None:
    for holder in "ab":
        bench.ask(holder).wait()
    assert_only_passing_keys(bench.client)
    bench.clock.advance(WAITER_TTL + SECOND)
    assert not any(part in key for key in bench.all_keys() for part in ("queue", "ageing", "waiting", "events"))


def test_waiters_for_an_absent_object_keep_their_place_by_heartbeats(bench: Bench) -> None:
    first, second = bench.ask("a"), bench.ask("b")
    for request in (first, second):
        request.wait()
    for _ in range(5):
        bench.clock.advance(WAITER_TTL // 2)
        first.wait()
        second.wait()
    bench.semaphore(2)
    assert bench.holders() == {"a": 1, "b": 1}


def test_a_waiter_that_asked_too_much_of_an_absent_object_is_ejected_when_it_appears(bench: Bench) -> None:
    big, small = bench.ask("big", 5), bench.ask("small", 1)
    big.wait()
    small.wait()
    bench.semaphore(2)
    assert big.messages() == ["look"]
    assert big.wait().code == Code.IMPOSSIBLE
    assert small.wait().granted


def test_what_was_queued_for_an_absent_object_stays_when_it_exists(bench: Bench) -> None:
    bench.ask("a", 2).wait()
    bench.ask("b", 2).wait()
    bench.semaphore(2)
    assert bench.client.ttl(bench.keys().meta + ":queue") == -1
    assert bench.client.ttl(bench.keys().events) == -1


# ------------------------------------------------------------------- reset


def test_a_reset_ends_all_leases_and_serves_the_waiters(bench: Bench) -> None:
    sem = bench.semaphore(2)
    lease = sem.acquire(2, timeout=0, holder="a")
    sem.acquire(2, timeout=0, holder="a")
    (waiter,) = bench.queue("b", permits=2)
    before = sem.status()
    epoch = sem.reset()
    assert epoch > before.epoch
    assert waiter.wait().granted
    with pytest.raises(LeaseLost):
        lease.renew()
    status = sem.status()
    assert (status.epoch, status.counters["grants"], status.holders_total) == (epoch, 1, 1)


def test_a_reset_keeps_a_waiter_whose_grant_was_not_confirmed_yet(bench: Bench) -> None:
    sem = bench.semaphore(1)
    sem.acquire(timeout=0, holder="other")
    first, second = bench.queue("a", "b")
    sem.release("other")
    sem.reset()
    assert bench.holders() == {"b": 1}
    assert first.wait().code == Code.QUEUED
    assert second.wait().granted


def test_a_reset_of_an_absent_object_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.k.semaphore("x").reset()
    assert bench.all_keys() == []


def test_a_repeated_reset_answers_the_same_and_spares_what_was_granted_since(bench: Bench) -> None:
    sem = bench.semaphore(1)
    reset = ("permit_reset", bench.keys().permits, "request-1")
    epoch = bench.script(*reset)[2]
    sem.acquire(timeout=0, holder="a")
    assert bench.script(*reset)[2] == epoch
    assert bench.holders() == {"a": 1}


# ------------------------------------------------------------------ delete


def test_delete_says_whether_there_was_anything(bench: Bench) -> None:
    sem = bench.semaphore(1)
    assert sem.delete() is True
    assert sem.delete() is False
    with pytest.raises(NotFound):
        sem.status()


def test_delete_with_holders_and_waiters_leaves_no_key_without_a_ttl(bench: Bench) -> None:
    sem = bench.semaphore(3)
    sem.acquire(2, timeout=0, holder="a")
    bench.ask("forever", ttl_ms=0).attempt()
    bench.queue("b", "c", permits=2)
    sem.release("a")
    assert keys_without_ttl(bench.client), "an object that exists stays"
    sem.delete()
    assert_only_passing_keys(bench.client)
    bench.clock.advance(2 * WAITER_TTL + SECOND)
    assert [key for key in bench.all_keys() if not key.endswith(":dirty")] == []


def test_delete_tells_waiters_and_they_wait_for_a_new_one(bench: Bench) -> None:
    sem = bench.semaphore(1)
    lease = sem.acquire(timeout=0, holder="other")
    first, second = bench.queue("a", "b")
    sem.delete()
    assert first.messages() == second.messages() == ["deleted"]
    assert first.wait().code == second.wait().code == Code.ABSENT
    with pytest.raises(NotFound):
        lease.renew()
    sem.define(1)
    assert first.wait().granted, "it has kept its place"
    assert bench.waiters() == ["b"]


def test_waiters_that_are_late_after_a_delete_keep_their_order(bench: Bench) -> None:
    sem = bench.semaphore(1)
    sem.acquire(timeout=0, holder="other")
    first, second = bench.queue("a", "b")
    sem.delete()
    second.wait()
    first.wait()
    sem.define(1)
    assert bench.holders() == {"a": 1}


def test_a_repeated_delete_answers_the_same_and_spares_what_was_made_anew(bench: Bench) -> None:
    sem = bench.semaphore(1)
    delete = ("permit_delete", bench.keys().permits, "request-1", "cli")
    assert bench.script(*delete)[0] == Code.DELETED
    sem.define(2)
    assert bench.script(*delete)[0] == Code.DELETED
    assert sem.status().spec.permits == 2


def test_a_new_life_starts_with_nothing_carried_over(bench: Bench) -> None:
    sem = bench.semaphore(5, labels={"old": "yes"})
    sem.acquire(3, timeout=0, holder="a")
    before = sem.status()
    sem.delete()
    sem.define(5)
    status = sem.status()
    assert (status.in_use, status.holders_total, status.labels) == (0, 0, {})
    assert set(status.counters.values()) == {0}
    assert status.epoch > before.epoch
    assert sem.release("a") == "not-held"


# ------------------------------------------------------------------ owners


def test_the_library_may_not_change_what_a_custom_resource_owns(bench: Bench) -> None:
    assert define(bench, 3, "cr/uid-1") == "created"
    assert define(bench, 3, "cli") == "unchanged"
    before = bench.k.semaphore("x").status()
    with pytest.raises(Owned) as refused:
        define(bench, 4, "cli")
    assert "kubectl -n team edit semaphores.konductor.io x" in str(refused.value.hint)
    with pytest.raises(Owned, match="belongs to a custom resource"):
        bench.k.semaphore("x").delete()
    after = bench.k.semaphore("x").status()
    assert (after.spec, after.owner, after.epoch) == (before.spec, "cr/uid-1", before.epoch)


def test_a_custom_resource_adopts_what_the_library_made(bench: Bench) -> None:
    sem = bench.semaphore(3)
    lease = sem.acquire(2, timeout=0, holder="a")
    epoch = sem.status().epoch
    assert define(bench, 3, "cr/uid-1") == "updated"
    status = sem.status()
    assert (status.owner, status.epoch, status.in_use) == ("cr/uid-1", epoch, 2)
    assert lease.renew().token == lease.token


def test_a_new_uid_starts_a_new_epoch_even_if_the_spec_is_equal(bench: Bench) -> None:
    define(bench, 3, "cr/uid-1")
    sem = bench.k.semaphore("x")
    sem.acquire(timeout=0, holder="a")
    before = sem.status().epoch
    assert define(bench, 3, "cr/uid-2") == "created"
    status = sem.status()
    assert (status.owner, status.in_use) == ("cr/uid-2", 0)
    assert status.epoch > before


def test_an_owner_deletes_nothing_of_its_successor(bench: Bench) -> None:
    bench.k.semaphore("x").define(1, owner="cr/uid-2")
    for former in ("cr/uid-1", "cli"):
        with pytest.raises(Owned):
            bench.k.semaphore("x").delete(owner=former)
    assert bench.k.semaphore("x").status().owner == "cr/uid-2"


def test_the_owner_changes_and_deletes_what_it_owns(bench: Bench) -> None:
    define(bench, 3, "cr/uid-1")
    assert define(bench, 4, "cr/uid-1") == "updated"
    assert define(bench, 4, "cr/uid-1") == "unchanged"
    assert bench.k.semaphore("x").delete(owner="cr/uid-1") is True


# ---------------------------------------------------------------- snapshot


def test_a_snapshot_has_bounded_lists_and_unbounded_totals(bench: Bench) -> None:
    bench.semaphore(20)
    for n in range(20):
        bench.ask(f"h{n:02}", ttl_ms=60_000 + n).attempt()
    bench.queue(*[f"w{n}" for n in range(4)])
    reply = bench.script("permit_read", bench.keys().permits, 3, 2)
    code, _next, _now, in_use, holders_total, waiters_total, fields = reply[:7]
    assert (code, in_use, holders_total, waiters_total) == (Code.READ, 20, 20, 4)
    rest = reply[7 + 2 * fields :]
    assert rest[0] == 3
    assert rest[1 + 3 * 10] == 2
    assert len(rest) == 1 + 3 * 10 + 1 + 2 * 6 + 2
    assert bench.script("permit_read", bench.keys().permits, 0, 0)[-4:] == [0, 0, 0, 0]


def test_a_snapshot_frees_what_has_expired_first(bench: Bench) -> None:
    sem = bench.semaphore(1)
    sem.acquire(timeout=0, ttl="10s", holder="other")
    bench.queue("a")
    bench.clock.advance(11 * SECOND)
    (holder,) = sem.status().holders
    assert (holder.holder, holder.pending, sem.status().waiting) == ("a", True, 0)


def test_objects_are_listed_by_kind_and_name(bench: Bench) -> None:
    bench.semaphore(1, name="b")
    bench.semaphore(1, name="a.b-c")
    bench.barrier(2, name="z")
    assert [f"{kind.key}/{name}" for kind, name in bench.k.objects()] == ["barrier/z", "semaphore/a.b-c", "semaphore/b"]
    bench.k.semaphore("b").delete()
    assert len(bench.k.objects()) == 2
