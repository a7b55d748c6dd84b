"""Barriers: distinct arrivals, quorum, deadlines, changes of the spec, epochs, waiters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from konductor_core.codes import Code
from konductor_core.durations import WAITER_TTL
from konductor_core.errors import BarrierFailed, InvalidInput, NotFound, Owned
from konductor_core.identity import Kind
from konductor_core.models import BarrierSpec
from tests.scripts.audit import assert_only_passing_keys
from tests.scripts.bench import ODD_NAMES

if TYPE_CHECKING:
    from tests.scripts.bench import Bench

SECOND = 1_000


def arrive(bench: Bench, request: str, arrival: str) -> list[Any]:
    """Arrive past the library, with a request id of the test's own."""
    reply: list[Any] = bench.script("barrier_arrive", bench.keys("b", Kind.BARRIER).latch, request, arrival)
    return reply


def wait(bench: Bench, request: str, holder: str = "w", cycle: int = 0, epoch: str = "") -> list[Any]:
    """Wait past the library: one look."""
    keys = bench.keys("b", Kind.BARRIER).latch
    reply: list[Any] = bench.script("barrier_wait", keys, request, holder, cycle, epoch, "- w")
    return reply


# ------------------------------------------------------------ arriving


def test_a_barrier_opens_when_all_have_arrived(bench: Bench) -> None:
    barrier = bench.barrier(3)
    replies = [barrier.arrive(holder) for holder in "abc"]
    assert [reply.arrived for reply in replies] == [1, 2, 3]
    assert [reply.phase for reply in replies] == ["Waiting", "Waiting", "Open"]
    status = barrier.status()
    assert (status.phase, status.arrived) == ("Open", 3)
    assert [arrival.id for arrival in status.arrivals] == ["a", "b", "c"]
    assert status.opened_ms == pytest.approx(bench.clock.now_ms(), abs=5 * SECOND)


def test_an_id_counts_once(bench: Bench) -> None:
    barrier = bench.barrier(2)
    assert barrier.arrive("a").counted
    again = barrier.arrive("a")
    assert (again.counted, again.arrived, again.phase) == (False, 1, "Waiting")
    assert barrier.status().counters == {"repeats": 1}


def test_a_repeated_request_answers_as_the_first_time(bench: Bench) -> None:
    bench.barrier(2)
    first = arrive(bench, "r1", "a")
    bench.k.barrier("b").arrive("b")
    again = arrive(bench, "r1", "a")
    assert (first[0], first[4]) == (Code.ARRIVED, 1)
    assert (again[0], int(again[4]), again[7]) == (Code.ARRIVED, 1, "Waiting")
    assert bench.k.barrier("b").status().counters == {"repeats": 0}


def test_a_repeated_arrival_is_a_write_so_that_who_waits_for_replicas_waits_for_it(bench: Bench) -> None:
    bench.barrier(2)
    arrive(bench, "r1", "a")
    key = next(key for key in bench.client.scan_iter() if "did:r1" in str(key))
    bench.client.pexpire(key, SECOND)
    arrive(bench, "r1", "a")
    assert bench.client.pttl(key) > 30 * SECOND


def test_an_arrival_after_opening_succeeds_and_counts_no_more(bench: Bench) -> None:
    barrier = bench.barrier(1)
    barrier.arrive("a")
    late = barrier.arrive("late")
    assert (late.counted, late.phase, late.arrived) == (False, "Open", 1)


def test_a_quorum_opens_early_and_late_arrivals_still_count(bench: Bench) -> None:
    barrier = bench.barrier(3, quorum=2)
    barrier.arrive("a")
    opened = barrier.arrive("b")
    assert (opened.phase, opened.arrived) == ("Open", 2)
    assert barrier.arrive("c").counted
    status = barrier.status()
    assert (status.phase, status.arrived) == ("Open", 3)
    assert bench.k.barrier("b").events(100)[-1].type == "arrived"


def test_a_quorum_above_expected_or_with_cycles_is_refused_before_redis(bench: Bench) -> None:
    with pytest.raises(InvalidInput):
        bench.barrier(2, quorum=3)
    with pytest.raises(InvalidInput):
        bench.barrier(2, quorum=1, cyclic=True)
    assert bench.all_keys() == []


def test_an_arrival_at_an_absent_barrier_is_not_found_after_its_patience(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.k.barrier("b").arrive("a", patience=0)
    assert bench.all_keys() == []


@pytest.mark.parametrize("arrival", ODD_NAMES)
def test_any_printable_text_is_an_arrival_id(bench: Bench, arrival: str) -> None:
    barrier = bench.barrier(2)
    assert barrier.arrive(arrival).counted
    assert not barrier.arrive(arrival).counted
    assert [each.id for each in barrier.status().arrivals] == [arrival]


def test_thousands_of_arrivals_are_listed_up_to_a_bound(real: Bench) -> None:
    barrier = real.barrier(10_001)
    arrivals = {f"pod-{n:05}": real.clock.now_ms() for n in range(5_999)}
    real.client.zadd(real.keys("b", Kind.BARRIER).meta + ":arrivals", arrivals)
    barrier.arrive("last")
    status = barrier.status()
    assert (status.arrived, status.arrivals_total, len(status.arrivals)) == (6_000, 6_000, 5_000)


# ----------------------------------------------------------- deadlines


def test_a_barrier_fails_at_its_deadline_for_waiters_and_later_arrivals(bench: Bench) -> None:
    barrier = bench.barrier(3, timeout="30s")
    barrier.arrive("a")
    created = barrier.status().created_ms
    assert barrier.status().deadline_ms == created + 30 * SECOND
    bench.clock.advance(31 * SECOND)
    with pytest.raises(BarrierFailed, match="timeout with 1/3 arrived"):
        barrier.arrive("b")
    with pytest.raises(BarrierFailed, match="timeout with 1/3 arrived"):
        barrier.wait(timeout=0)
    status = barrier.status()
    assert (status.phase, status.arrived, status.reason) == ("Failed", 1, "timeout with 1/3 arrived")
    assert status.failed_ms == status.deadline_ms


def test_a_deadline_is_exact(fake: Bench) -> None:
    barrier = fake.barrier(2, timeout="30s")
    fake.clock.advance(29_999)
    assert barrier.arrive("a").phase == "Waiting"
    assert wait(fake, "r")[1] == 1
    fake.clock.advance(1)
    assert barrier.status().phase == "Failed"


def test_an_open_barrier_does_not_fail_at_its_deadline(bench: Bench) -> None:
    barrier = bench.barrier(1, timeout="30s")
    barrier.arrive("a")
    bench.clock.advance(31 * SECOND)
    assert barrier.status().phase == "Open"
    assert barrier.wait(timeout=0).arrived == 1


def test_a_failed_barrier_stays_failed_until_reset(bench: Bench) -> None:
    barrier = bench.barrier(2, timeout="30s")
    barrier.arrive("a")
    bench.clock.advance(31 * SECOND)
    barrier.define(1, timeout="2h")
    assert barrier.status().phase == "Failed"
    barrier.reset()
    status = barrier.status()
    assert (status.phase, status.arrived, status.reason, status.failed_ms) == ("Waiting", 0, None, None)
    assert barrier.arrive("a").phase == "Open"


def test_a_repeated_request_of_a_counted_arrival_succeeds_after_the_failure(bench: Bench) -> None:
    bench.barrier(2, timeout="30s")
    arrive(bench, "r1", "a")
    bench.clock.advance(31 * SECOND)
    assert arrive(bench, "r1", "a")[0] == Code.ARRIVED
    assert arrive(bench, "r2", "a")[0] == Code.FAILED


# ------------------------------------------------------------- changes


def test_lowering_expected_to_what_has_arrived_opens(bench: Bench) -> None:
    barrier = bench.barrier(5)
    for holder in "abc":
        barrier.arrive(holder)
    barrier.define(4)
    assert barrier.status().phase == "Waiting"
    barrier.define(3)
    assert barrier.status().phase == "Open"


def test_lowering_expected_below_what_has_arrived_opens_too(bench: Bench) -> None:
    barrier = bench.barrier(5)
    for holder in "abc":
        barrier.arrive(holder)
    barrier.define(1)
    assert barrier.status().phase == "Open"


def test_raising_expected_after_opening_changes_nothing(bench: Bench) -> None:
    barrier = bench.barrier(1)
    barrier.arrive("a")
    assert barrier.define(5).action == "updated"
    status = barrier.status()
    assert (status.phase, status.spec.expected) == ("Open", 5)
    assert barrier.wait(timeout=0).arrived == 1


def test_a_new_timeout_counts_from_the_start_of_the_epoch(bench: Bench) -> None:
    barrier = bench.barrier(2)
    created = barrier.status().created_ms
    bench.clock.advance(20 * SECOND)
    barrier.define(2, timeout="30s")
    status = barrier.status()
    assert status.deadline_ms == status.created_ms + 30 * SECOND
    assert status.created_ms <= created
    barrier.define(2, timeout="10s")
    assert barrier.status().phase == "Failed"


def test_a_timeout_can_be_taken_away(bench: Bench) -> None:
    barrier = bench.barrier(2, timeout="10s")
    barrier.define(2)
    bench.clock.advance(60 * SECOND)
    assert (barrier.status().phase, barrier.status().deadline_ms) == ("Waiting", None)


def test_a_definition_after_an_unseen_deadline_does_not_save_the_barrier(bench: Bench) -> None:
    barrier = bench.barrier(2, timeout="10s")
    bench.clock.advance(11 * SECOND)
    barrier.define(2, timeout="1h")
    assert barrier.status().phase == "Failed"


def test_a_new_epoch_after_an_unseen_deadline_shows_no_trace_of_it(bench: Bench) -> None:
    barrier = bench.barrier(2, timeout="10s", owner="cr/1")
    bench.clock.advance(11 * SECOND)
    barrier.define(2, timeout="10s", owner="cr/2")
    status = barrier.status()
    assert (status.phase, status.reason, status.failed_ms) == ("Waiting", None, None)


# ------------------------------------------------ epochs, owners, deletion


def test_a_reset_starts_a_new_epoch_with_nothing_carried_over(bench: Bench) -> None:
    barrier = bench.barrier(2, timeout="30s")
    before = barrier.define(2, timeout="30s").epoch
    for holder in "ab":
        barrier.arrive(holder)
    bench.clock.advance(20 * SECOND)
    after = barrier.reset()
    status = barrier.status()
    assert after > before
    assert (status.epoch, status.phase, status.arrived, status.opened_ms) == (after, "Waiting", 0, None)
    assert status.deadline_ms == status.created_ms + 30 * SECOND
    assert status.deadline_ms == pytest.approx(bench.clock.now_ms() + 30 * SECOND, abs=SECOND)
    assert barrier.arrive("a").counted


def test_a_repeated_reset_spares_what_arrived_since(bench: Bench) -> None:
    barrier = bench.barrier(2)
    reset = ("barrier_reset", bench.keys("b", Kind.BARRIER).latch, "request-1")
    epoch = bench.script(*reset)[2]
    barrier.arrive("a")
    assert bench.script(*reset)[2] == epoch
    assert barrier.status().arrived == 1


def test_a_request_repeated_over_a_reset_does_not_count_in_the_new_epoch(bench: Bench) -> None:
    barrier = bench.barrier(2)
    arrive(bench, "r1", "a")
    barrier.reset()
    assert arrive(bench, "r1", "a")[0] == Code.ARRIVED
    assert barrier.status().arrived == 0


def test_reset_and_waits_with_must_exist_of_an_absent_barrier_are_not_found(bench: Bench) -> None:
    barrier = bench.k.barrier("b")
    for act in (barrier.reset, barrier.status, lambda: barrier.wait(timeout=0, must_exist=True)):
        with pytest.raises(NotFound):
            act()
    assert_only_passing_keys(bench.client)


def test_delete_leaves_no_key_without_a_ttl(bench: Bench) -> None:
    barrier = bench.barrier(3, cyclic=True)
    barrier.arrive("a")
    wait(bench, "r")
    assert barrier.delete() is True
    assert barrier.delete() is False
    assert_only_passing_keys(bench.client)
    bench.clock.advance(2 * WAITER_TTL + SECOND)
    assert [key for key in bench.all_keys() if not key.endswith(":dirty")] == []


def test_a_repeated_delete_spares_what_was_made_anew(bench: Bench) -> None:
    barrier = bench.barrier(3)
    delete = ("latch_delete", bench.keys("b", Kind.BARRIER).latch, "request-1", "cli")
    assert bench.script(*delete)[0] == Code.DELETED
    barrier.define(4)
    assert bench.script(*delete)[0] == Code.DELETED
    assert barrier.status().spec.expected == 4


def test_an_epoch_grows_over_delete_and_a_clock_that_is_behind(fake: Bench) -> None:
    barrier = fake.barrier(3)
    before = barrier.status().epoch
    fake.clock.advance(-10 * SECOND)
    barrier.delete()
    assert barrier.define(3).epoch > before
    assert barrier.reset() > before


def test_a_barrier_of_a_custom_resource_is_changed_only_by_it(bench: Bench) -> None:
    barrier = bench.barrier(3, owner="cr/1")
    assert barrier.define(3).action == "unchanged"
    with pytest.raises(Owned, match="belongs to a custom resource"):
        barrier.define(4)
    with pytest.raises(Owned):
        barrier.delete()
    barrier.arrive("a")
    epoch = barrier.status().epoch
    assert barrier.define(4, owner="cr/1").epoch == epoch
    replaced = barrier.define(4, owner="cr/2")
    assert (replaced.action, barrier.status().arrived) == ("created", 0)
    assert replaced.epoch > epoch


def test_a_custom_resource_adopts_a_barrier_with_its_arrivals(bench: Bench) -> None:
    barrier = bench.barrier(3)
    barrier.arrive("a")
    assert barrier.define(3, owner="cr/1").action == "updated"
    assert (barrier.status().arrived, barrier.status().owner) == (1, "cr/1")


def test_every_part_of_the_spec_of_a_barrier_is_kept(bench: Bench) -> None:
    barrier = bench.barrier(5, quorum=3, timeout="2h", labels={"team": "etl"})
    status = barrier.status()
    assert status.spec == BarrierSpec(5, 3, 7_200_000, cyclic=False)
    assert status.labels == {"team": "etl"}


# -------------------------------------------------------------- waiting


def test_a_wait_on_an_open_barrier_returns_at_once(bench: Bench) -> None:
    barrier = bench.barrier(2, quorum=1)
    barrier.arrive("a")
    opened = barrier.wait(timeout=0)
    assert (opened.arrived, opened.needed, opened.cycle) == (1, 1, 1)


def test_waiters_are_counted_while_they_show_that_they_live(bench: Bench) -> None:
    barrier = bench.barrier(2)
    for request in ("r1", "r2", "r3"):
        assert wait(bench, request)[0] == Code.WAITING
    assert barrier.status().waiting == 3
    bench.script("latch_leave", bench.keys("b", Kind.BARRIER).latch, "r1")
    assert barrier.status().waiting == 2
    bench.clock.advance(WAITER_TTL // 2)
    wait(bench, "r2")
    bench.clock.advance(WAITER_TTL // 2 + SECOND)
    assert barrier.status().waiting == 1


def test_dead_waiters_do_not_pile_up(bench: Bench) -> None:
    bench.barrier(2)
    for n in range(5):
        wait(bench, f"r{n}")
        bench.clock.advance(WAITER_TTL + SECOND)
        wait(bench, "alive")
    assert bench.client.zcard(bench.keys("b", Kind.BARRIER).meta + ":waiters") == 1


def test_nobody_waits_any_more_once_it_is_open(bench: Bench) -> None:
    barrier = bench.barrier(1)
    wait(bench, "r1")
    barrier.arrive("a")
    assert barrier.status().waiting == 0
    assert wait(bench, "r1")[0] == Code.OPEN


def test_a_few_waiters_look_at_the_deadline_and_the_others_a_little_later(fake: Bench) -> None:
    fake.barrier(2, timeout="10s")
    looks = [wait(fake, f"r{n:02}")[1] for n in range(20)]
    assert looks[:7] == [10_000 + 25 * n for n in range(7)]
    assert looks == sorted(looks)
    assert looks[-1] < 11_000


def test_a_wait_bound_to_an_epoch_learns_of_its_end(bench: Bench) -> None:
    barrier = bench.barrier(2)
    epoch = barrier.status().epoch
    assert wait(bench, "r1", epoch=epoch)[0] == Code.WAITING
    barrier.reset()
    assert wait(bench, "r1", epoch=epoch)[0] == Code.RESET
    assert barrier.status().waiting == 0


def test_waiters_go_on_waiting_over_a_reset(bench: Bench) -> None:
    barrier = bench.barrier(1)
    wait(bench, "r1")
    barrier.reset()
    assert wait(bench, "r1")[0] == Code.WAITING
    assert barrier.status().waiting == 1


def test_who_waits_with_an_arrival_that_was_lost_arrives_again(bench: Bench) -> None:
    barrier = bench.barrier(2)
    epoch = barrier.status().epoch
    barrier.arrive("a")
    lose(bench, "a")
    assert wait(bench, "r1", "a", 1, epoch)[0] == Code.WAITING
    assert wait(bench, "r1", "a", 1, epoch)[4] == 1
    barrier.arrive("b")
    assert wait(bench, "r1", "a", 1, epoch)[0] == Code.OPEN


def test_the_arrival_that_is_made_again_may_be_the_last(bench: Bench) -> None:
    barrier = bench.barrier(2)
    barrier.arrive("a")
    assert wait(bench, "r1", "b", 1, barrier.status().epoch)[0] == Code.OPEN
    assert barrier.status().phase == "Open"


def test_a_wait_without_an_arrival_of_its_own_makes_none(bench: Bench) -> None:
    barrier = bench.barrier(1)
    assert wait(bench, "r1", "a")[0] == Code.WAITING
    assert barrier.status().arrived == 0


def lose(bench: Bench, *arrivals: str) -> None:
    """Let arrivals be as if they had never been, as a failover may."""
    for part in ("arrivals", "cycles"):
        bench.client.zrem(getattr(bench.keys("b", Kind.BARRIER), part), *arrivals)
