"""Why something waits: scenes of snapshots, and the sentences and ways out that they come to."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from konductor_core.errors import NotFound
from konductor_core.flows.scenes import Awaited
from konductor_core.identity import Kind
from konductor_core.models import BarrierSpec, Holder, SemaphoreSpec
from tests.scenes import (
    MINUTE,
    NOW,
    barrier,
    commands,
    group,
    lease,
    lines,
    listener,
    mutex,
    permits,
    told,
    waiter,
)

# -------------------------------------------------------------------------- sentences


def test_a_wait_names_what_is_wanted_who_is_in_the_way_and_until_when() -> None:
    gpu = permits(
        Kind.SEMAPHORE,
        "gpu",
        (lease("a", 2, age=30 * MINUTE), lease("b", ends_in=None, pod="b-pod", uid="u")),
        (waiter("c", permits=3, priority=5),),
        spec=SemaphoreSpec(permits=4),
    )
    endless = "the lease has no end: it lasts until it is released"
    assert lines(told("c", gpu)) == [
        "c has waited for semaphore/gpu for 3s: it wants 3 permits, 1 of 4 is free; it is next, with priority 5",
        "  a has held 2 permits of semaphore/gpu for 30m; the lease expires in 4m, and was renewed so far",
        f"  b (pod b-pod) has held 1 permit of semaphore/gpu for 1m; {endless}, or pod b-pod is gone",
    ]


def test_a_waiter_behind_another_is_told_who_that_is_and_what_it_wants() -> None:
    queue = (waiter("big", permits=2), waiter("small", 2))
    found = told("small", permits(Kind.SEMAPHORE, "s", (lease("a"),), queue))
    assert lines(found)[:2] == [
        "small has waited for semaphore/s for 3s: it wants 1 permit, 1 of 2 is free; it is number 2 of 2 in the queue",
        "  big has stood before it for 3s and wants 2 permits; turns are taken in order, so nobody may pass it",
    ]


def test_with_backfill_only_a_head_that_is_old_is_in_the_way() -> None:
    spec = SemaphoreSpec(permits=2, policy="Backfill", max_bypass_ms=MINUTE)
    for age, shown in ((MINUTE // 2, False), (2 * MINUTE, True)):
        queue = (waiter("big", permits=2, age=age), waiter("small", 2))
        found = told("small", permits(Kind.SEMAPHORE, "s", (lease("a", 2),), queue, spec=spec))
        assert any("longer than 1m, so nobody may pass it any more" in line for line in lines(found)) is shown


def test_a_reader_waits_behind_a_queued_writer() -> None:
    queue = (waiter("w", permits=1_000_000, mode="write"), waiter("r2", 2, mode="read"))
    found = told("r2", permits(Kind.RWMUTEX, "x", (lease("r1", mode="read"),), queue))
    assert lines(found) == [
        "r2 has waited for rwmutex/x for 3s: it wants to read; it is number 2 of 2 in the queue",
        "  w has stood before it for 3s and wants to write; turns are taken in order, so nobody may pass it",
        "  r1 has held rwmutex/x to read for 1m; the lease expires in 4m, unless it is renewed",
    ]


def test_a_paused_semaphore_says_so_and_how_to_go_on_with_its_terms_and_labels() -> None:
    spec = SemaphoreSpec(permits=0, ttl_ms=30 * MINUTE)
    paused = permits(Kind.SEMAPHORE, "s", (), (waiter("a"),), spec=spec, labels={"stage": "load"})
    found = told("a", paused)
    assert "the semaphore is paused, so it gives none" in lines(found)[0]
    assert commands(found) == [
        "koncli semaphore create s --permits N --ttl 30m --policy Strict --max-bypass 1m -l stage=load"
    ]


def test_what_belongs_to_a_custom_resource_is_changed_there() -> None:
    paused = permits(Kind.SEMAPHORE, "s", (), (waiter("a"),), spec=SemaphoreSpec(permits=0))
    found = told("a", dataclasses.replace(paused, owner="cr/1"))
    assert commands(found) == ["kubectl -n etl edit semaphores.konductor.io s"]


def test_a_grant_that_is_not_confirmed_yet_is_called_that() -> None:
    found = told("b", permits(Kind.MUTEX, "m", (lease("a", pending=True, ends_in=4_000),), (waiter("b"),)))
    assert lines(found)[1] == "  a was granted mutex/m, and has yet to confirm: else the next one gets it in 4s"


def test_a_request_for_several_stands_in_each_queue_and_is_told_of_each() -> None:
    both = (waiter("x", request="r"),)
    found = told(
        "x", mutex("a", "p"), permits(Kind.MUTEX, "b", (lease("q"),), both), permits(Kind.MUTEX, "c", (), both)
    )
    assert lines(found) == [
        "x asks for 2 objects at once, and gets all or none: mutex/b and mutex/c",
        "  x has waited for mutex/b for 3s: it is next",
        "    q has held mutex/b for 1m; the lease expires in 4m, unless it is renewed",
        "  x has waited for mutex/c for 3s: it is next",
    ]


def test_the_chain_goes_on_with_what_a_holder_itself_waits_for() -> None:
    found = told("c", mutex("m", "b", "c"), mutex("n", "a", "b"))
    assert lines(found) == [
        "c has waited for mutex/m for 3s: it is next",
        "  b has held mutex/m for 1m; the lease expires in 4m, unless it is renewed",
        "    b has waited for mutex/n for 3s: it is next",
        "      a has held mutex/n for 1m; the lease expires in 4m, unless it is renewed",
    ]
    assert found.deadlock is None
    assert commands(found) == ["koncli mutex force-release m b", "koncli mutex force-release n a"]


def test_a_barrier_says_who_has_arrived_how_many_are_missing_and_who_may_be() -> None:
    b = barrier("b", 5, ("x", "y"), ("x",), deadline_ms=NOW + 60 * MINUTE)
    found = told("x", b, mutex("m", "z", "w"))
    assert lines(found)[:3] == [
        "x has waited for barrier/b for 2s: 2 of 5 have arrived (x and y), 3 are missing; it fails in 1h",
        "  not among the arrivals, though known here: w (waits for mutex/m) and z (holds mutex/m)",
        "    w has waited for mutex/m for 3s: it is next",
    ]
    assert commands(found)[0] == "koncli barrier arrive b ID"


@pytest.mark.parametrize(
    "made,sentence",
    [
        (barrier("b", 9, tuple("abcdefg")), "7 of 9 have arrived (a, b, c, d, e and 2 more), 2 are missing"),
        (
            barrier("b", 2, ("a",), phase="Failed", reason="timeout with 1/2 arrived"),
            "it has failed: timeout with 1/2 arrived",
        ),
        (barrier("b", 1, ("a",), phase="Open"), "it is open: 1 of 1 needed have arrived"),
        (
            barrier("b", 3, ("a",), spec=BarrierSpec(3, cyclic=True), cycle=4, last_opened_cycle=3),
            "1 of 3 have arrived in cycle 4 (a), 2 are missing",
        ),
        (barrier("b", 3, (), spec=BarrierSpec(3, quorum=1)), "0 of 1 have arrived, 1 is missing"),
    ],
    ids=["long", "failed", "open", "cyclic", "quorum"],
)
def test_how_a_barrier_stands(made: Any, sentence: str) -> None:
    assert lines(told("barrier/b", made)) == [f"barrier/b: {sentence}", "  nobody waits for barrier/b"]


def test_a_wait_group_says_who_is_not_done_and_what_those_wait_for() -> None:
    found = told("w", group(("m1",), 2, ("w",)), mutex("m", "h", "m1"))
    assert lines(found)[:2] == [
        "w has waited for waitgroup/g for 2s: 3 of 4 members are not done: m1 and 2 without a name",
        "  m1 has waited for mutex/m for 3s: it is next",
    ]
    assert lines(told("w", group((), 0, ("w",)))) == [
        "w has waited for waitgroup/g for 2s: it is idle: no member was added yet"
    ]


def test_what_is_done_once_names_its_runner_or_that_there_is_none() -> None:
    def once(*holders: Holder, **more: Any) -> Any:
        return permits(Kind.ONCE, "o", holders, listeners=(listener("w"),), listening=1, **more)

    running = told("w", once(lease("r")))
    assert lines(running) == [
        "w has waited for once/o for 2s: r runs it",
        "  r has run once/o for 1m; the lease expires in 4m, unless it is renewed",
    ]
    assert commands(running) == ["koncli once fail o --holder r"]
    pending = told("w", once(failures=2, failed_by="r", reason="no disk"))
    assert lines(pending) == ["w has waited for once/o for 2s: nobody runs it; 2 runs failed, the last by r: no disk"]
    assert commands(pending) == ["koncli once run o -- COMMAND"]


def test_what_does_not_exist_yet_is_said_to_and_how_to_make_it() -> None:
    awaited = Awaited(
        NOW, {(Kind.SEMAPHORE, "s"): (waiter("a"),)}, {(Kind.BARRIER, "b"): (listener("a"), listener("c"))}
    )
    found = told("a", awaited=awaited)
    assert lines(found) == [
        "a has waited for semaphore/s for 3s: it does not exist, nobody has made it yet",
        "a has waited for barrier/b for 2s: it does not exist, nobody has made it yet",
    ]
    assert commands(found) == ["koncli semaphore create s --permits N", "koncli barrier create b --expected N"]
    assert lines(told("barrier/b", awaited=awaited))[0] == "barrier/b: it does not exist, nobody has made it yet"


def test_an_object_shows_who_holds_it_and_a_few_of_those_who_wait() -> None:
    found = told("mutex/m", mutex("m", "h", *[f"w{n}" for n in range(7)]))
    shown = lines(found)
    assert shown[0] == "mutex/m: it is locked"
    assert [line.split()[0] for line in shown if "has waited" in line] == ["w0", "w1", "w2", "w3", "w4"]
    assert shown[-1] == "  2 more wait for mutex/m"
    assert lines(told("mutex/m", mutex("m"))) == ["mutex/m: it is unlocked", "  nobody waits for mutex/m"]


def test_a_long_chain_is_cut_and_says_so() -> None:
    ring = [mutex(f"m{n}", f"h{n}", f"h{n - 1}") for n in range(1, 60)]
    found = told("h0", *ring)
    assert len(found.chain) == 61
    assert found.chain[-1].text.startswith("there is more than is shown here")


# ------------------------------------------------------------------------------ names


def test_a_pod_is_known_by_its_name_whatever_it_holds_under() -> None:
    objects = (
        permits(Kind.MUTEX, "m", (lease("job-1/0123456789", pod="job-1"),), (waiter("leader", pod="job-2"),)),
        barrier("b", 2, (), ("job-3",)),
    )
    assert lines(told("job-1", *objects))[0] == "job-1/0123456789 waits for nothing"
    assert lines(told("job-2", *objects))[0].startswith("leader has waited for mutex/m")
    assert lines(told("job-3", *objects))[0].startswith("job-3 has waited for barrier/b")


@pytest.mark.parametrize(
    "what,message,hint",
    [
        (
            "loader-2",
            "nobody holds, waits or has arrived under the name 'loader-2' in namespace etl",
            "did you mean loader-1?",
        ),
        (
            "mutex/indx",
            "mutex/indx does not exist in namespace etl, and nobody waits for it",
            "did you mean mutex/index?",
        ),
        (
            "index",
            "nobody holds, waits or has arrived under the name 'index' in namespace etl",
            "did you mean mutex/index?",
        ),
        ("zzz", "nobody holds, waits or has arrived under the name 'zzz' in namespace etl", "kubectl describe pod"),
        (
            "mutx/index",
            "nobody holds, waits or has arrived under the name 'mutx/index' in namespace etl",
            "mutex/index?",
        ),
    ],
)
def test_a_name_that_nobody_has_is_refused_with_the_nearest(what: str, message: str, hint: str) -> None:
    with pytest.raises(NotFound) as refused:
        told(what, mutex("index", "loader-1"))
    assert refused.value.message == message
    assert hint in (refused.value.hint or "")


def test_one_that_has_arrived_and_wants_nothing_more_is_known() -> None:
    found = told("x", barrier("b", 2, ("x",)))
    assert lines(found) == ["x waits for nothing and holds nothing; it has arrived at barrier/b"]
    assert (found.waiting, found.deadlock, found.remedies) == (False, None, ())
