"""Cyclic barriers: each cycle opens once, and everybody waits for the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core.codes import Code
from konductor_core.errors import BarrierFailed, WaitTimeout
from tests.scripts.test_barrier import arrive, wait

if TYPE_CHECKING:
    from tests.scripts.bench import Bench

SECOND = 1_000


def test_a_cyclic_barrier_starts_over_each_time_it_opens(bench: Bench) -> None:
    barrier = bench.barrier(2, cyclic=True)
    for cycle in (1, 2, 3):
        first, second = barrier.arrive("a"), barrier.arrive("b")
        assert (first.cycle, first.arrived, first.phase) == (cycle, 1, "Waiting")
        assert (second.cycle, second.arrived, second.phase) == (cycle, 2, "Open")
        status = barrier.status()
        assert (status.phase, status.cycle, status.last_opened_cycle, status.arrived) == (
            "Waiting",
            cycle + 1,
            cycle,
            0,
        )


def test_an_id_counts_once_a_cycle(bench: Bench) -> None:
    barrier = bench.barrier(2, cyclic=True)
    assert barrier.arrive("a").counted
    assert not barrier.arrive("a").counted
    barrier.arrive("b")
    assert barrier.arrive("a").cycle == 2


def test_a_request_repeated_in_the_next_cycle_does_not_count_there(bench: Bench) -> None:
    barrier = bench.barrier(2, cyclic=True)
    arrive(bench, "r1", "a")
    barrier.arrive("b")
    again = arrive(bench, "r1", "a")
    assert (again[0], int(again[3]), int(again[4])) == (Code.ARRIVED, 1, 1)
    assert barrier.status().arrived == 0


def test_a_wait_is_for_the_last_cycle_its_holder_arrived_in(bench: Bench) -> None:
    barrier = bench.barrier(2, cyclic=True)
    barrier.arrive("a")
    assert wait(bench, "r1", "a")[:1] + wait(bench, "r1", "a")[3:4] == [Code.WAITING, 1]
    barrier.arrive("b")
    assert barrier.wait(timeout=0, holder="a").cycle == 1
    barrier.arrive("b")
    with pytest.raises(WaitTimeout):
        barrier.wait(timeout=0, holder="b")
    assert barrier.wait(timeout=0, holder="a").cycle == 1


def test_a_wait_of_one_who_never_arrived_is_for_the_current_cycle(bench: Bench) -> None:
    barrier = bench.barrier(1, cyclic=True)
    barrier.arrive("a")
    assert wait(bench, "r1", "stranger")[3] == 2
    with pytest.raises(WaitTimeout):
        barrier.wait(timeout=0, holder="stranger")


def test_a_wait_can_name_its_cycle(bench: Bench) -> None:
    barrier = bench.barrier(1, cyclic=True)
    for _ in range(3):
        barrier.arrive("a")
    assert barrier.wait(timeout=0, cycle=2).cycle == 2
    with pytest.raises(WaitTimeout):
        barrier.wait(timeout=0, cycle=4)


def test_a_cycles_timeout_starts_at_its_first_arrival(bench: Bench) -> None:
    barrier = bench.barrier(2, timeout="30s", cyclic=True)
    assert barrier.status().deadline_ms is None
    bench.clock.advance(60 * SECOND)
    barrier.arrive("a")
    assert barrier.status().deadline_ms == pytest.approx(bench.clock.now_ms() + 30 * SECOND, abs=SECOND)
    barrier.arrive("b")
    assert barrier.status().deadline_ms is None
    barrier.arrive("a")
    bench.clock.advance(31 * SECOND)
    with pytest.raises(BarrierFailed, match="timeout with 1/2 arrived"):
        barrier.arrive("b")
    status = barrier.status()
    assert (status.phase, status.last_opened_cycle) == ("Failed", 1)
    assert barrier.wait(timeout=0, cycle=1).cycle == 1, "what has opened stays open"


def test_lowering_expected_opens_the_current_cycle_once(bench: Bench) -> None:
    barrier = bench.barrier(3, cyclic=True)
    barrier.arrive("a")
    barrier.arrive("b")
    barrier.define(2, cyclic=True)
    status = barrier.status()
    assert (status.cycle, status.last_opened_cycle, status.arrived) == (2, 1, 0)


def test_becoming_cyclic_or_not_starts_a_new_epoch(bench: Bench) -> None:
    barrier = bench.barrier(3)
    barrier.arrive("a")
    before = barrier.status().epoch
    barrier.define(3, cyclic=True)
    status = barrier.status()
    assert status.epoch > before
    assert (status.arrived, status.cycle) == (0, 1)


def test_a_reset_starts_again_with_the_first_cycle(bench: Bench) -> None:
    barrier = bench.barrier(1, cyclic=True)
    barrier.arrive("a")
    barrier.arrive("a")
    barrier.reset()
    status = barrier.status()
    assert (status.cycle, status.last_opened_cycle) == (1, 0)
    assert barrier.arrive("a").cycle == 1


def test_a_reset_forgets_in_which_cycle_a_holder_arrived_last(bench: Bench) -> None:
    barrier = bench.barrier(1, cyclic=True)
    for _ in range(3):
        barrier.arrive("a")
    barrier.reset()
    assert wait(bench, "r1", "a")[3] == 1


def test_only_the_last_ten_thousand_arrivals_cycles_are_remembered(real: Bench) -> None:
    barrier = real.barrier(10_002, cyclic=True)
    real.client.zadd("konductor:{team}:barrier:b:cycles", {f"old{n}": 0 for n in range(10_000)})
    barrier.arrive("new")
    assert real.client.zcard("konductor:{team}:barrier:b:cycles") == 10_000
    assert wait(real, "r", "new")[3] == 1


def test_who_waits_in_a_cycle_that_was_lost_arrives_in_the_one_before(bench: Bench) -> None:
    barrier = bench.barrier(2, cyclic=True)
    epoch = barrier.status().epoch
    reply = wait(bench, "r1", "a", 7, epoch)
    assert (reply[0], reply[3], reply[4]) == (Code.WAITING, 1, 1)
    barrier.arrive("b")
    assert wait(bench, "r1", "a", 1, epoch)[0] == Code.OPEN
    assert barrier.status().last_opened_cycle == 1


def test_who_waits_for_a_cycle_that_has_opened_does_not_arrive_in_the_next(bench: Bench) -> None:
    barrier = bench.barrier(1, cyclic=True)
    barrier.arrive("a")
    assert wait(bench, "r1", "a", 1, barrier.status().epoch)[0] == Code.OPEN
    assert barrier.status().arrived == 0
