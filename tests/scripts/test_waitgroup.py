"""Wait groups: members with and without names, rounds, refusals, epochs, waiters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from konductor_core.codes import Code
from konductor_core.durations import WAITER_TTL
from konductor_core.errors import BelowZero, InvalidInput, NotFound, Owned, WaitTimeout
from konductor_core.identity import Kind
from konductor_core.models import WaitGroupSpec
from tests.scripts.audit import assert_only_passing_keys
from tests.scripts.bench import ODD_NAMES

if TYPE_CHECKING:
    from konductor_core.handles.latches import WaitGroup
    from tests.scripts.bench import Bench


def group(bench: Bench) -> WaitGroup:
    """Return the wait group `g`, which exists."""
    found = bench.k.waitgroup("g")
    found.define()
    return found


def send(bench: Bench, verb: str, *args: str | int) -> list[Any]:
    """Run a script past the library."""
    reply: list[Any] = bench.script(f"waitgroup_{verb}", bench.keys("g", Kind.WAITGROUP).latch, *args)
    return reply


def wait(bench: Bench, request: str, cycle: int = 0, allow_idle: int = 0) -> list[Any]:
    return send(bench, "wait", request, cycle, allow_idle, f"- {request}")


def test_a_group_is_idle_then_waiting_then_done(bench: Bench) -> None:
    workers = group(bench)
    assert (workers.status().phase, workers.status().counter) == ("Idle", 0)
    assert (workers.add(count=2).phase, workers.status().counter) == ("Waiting", 2)
    assert workers.done().counter == 1
    assert workers.done().phase == "Done"
    status = workers.status()
    assert (status.phase, status.counter, status.added) == ("Done", 0, 2)
    assert status.done_ms == pytest.approx(bench.clock.now_ms(), abs=5_000)


def test_a_name_counts_once_however_often_it_is_added_or_done(bench: Bench) -> None:
    workers = group(bench)
    assert workers.add("a").counted
    assert not workers.add("a").counted
    workers.add("b")
    assert (workers.done("a").counted, workers.done("a").counted) == (True, False)
    status = workers.status()
    assert (status.counter, status.added, status.finished_total) == (1, 2, 1)
    assert [member.id for member in status.members] == ["b"]
    assert status.counters == {"repeats": 2}


def test_a_name_that_is_done_is_not_added_again(bench: Bench) -> None:
    workers = group(bench)
    workers.add("a")
    workers.done("a")
    again = workers.add("a")
    assert (again.counted, again.phase) == (False, "Done")


def test_a_name_that_nobody_added_stands_for_a_member_without_one(bench: Bench) -> None:
    workers = group(bench)
    workers.add(count=2)
    assert workers.done("pod-1").counter == 1
    assert workers.done("pod-1").counter == 1
    assert workers.done("pod-2").phase == "Done"


@pytest.mark.parametrize("member, count", [(None, 1), (None, 3), ("who", 1)])
def test_no_more_are_done_than_were_added(bench: Bench, member: str | None, count: int) -> None:
    workers = group(bench)
    workers.add("named")
    if count == 3:
        workers.add(count=2)
    before = workers.status().counter
    with pytest.raises(BelowZero):
        workers.done(member, count=count)
    assert workers.status().counter == before


def test_a_refusal_is_not_remembered_for_a_retry(bench: Bench) -> None:
    workers = group(bench)
    assert send(bench, "done", "r1", "", 1)[0] == Code.BELOW
    workers.add(count=2)
    assert send(bench, "done", "r1", "", 1)[0] == Code.FINISHED


def test_a_repeated_request_is_a_write_so_that_who_waits_for_replicas_waits_for_it(bench: Bench) -> None:
    bench.k.waitgroup("g").define()
    keys = bench.keys("g", Kind.WAITGROUP).latch
    bench.script("waitgroup_add", keys, "r1", "a", 1)
    key = next(key for key in bench.client.scan_iter() if "did:r1" in str(key))
    bench.client.pexpire(key, 1_000)
    bench.script("waitgroup_add", keys, "r1", "a", 1)
    assert bench.client.pttl(key) > 30_000


def test_a_repeated_request_answers_as_the_first_time_and_counts_once(bench: Bench) -> None:
    workers = group(bench)
    first = send(bench, "add", "r1", "", 3)
    workers.done()
    assert [str(word) for word in send(bench, "add", "r1", "", 3)] == [str(word) for word in first]
    assert workers.status().counter == 2
    first = send(bench, "done", "r2", "", 2)
    assert [str(word) for word in send(bench, "done", "r2", "", 2)] == [str(word) for word in first]
    assert workers.status().phase == "Done"


@pytest.mark.parametrize("member", ODD_NAMES)
def test_any_printable_text_is_a_member(bench: Bench, member: str) -> None:
    workers = group(bench)
    assert workers.add(member).counted
    assert [each.id for each in workers.status().members] == [member]
    assert workers.done(member).phase == "Done"


@pytest.mark.parametrize(
    "member, count", [("", 1), ("a\nb", 1), ("x" * 254, 1), (None, 0), (None, -1), (None, 1_000_001), ("a", 2)]
)
def test_what_cannot_be_counted_is_refused_before_redis(bench: Bench, member: str | None, count: int) -> None:
    for act in (bench.k.waitgroup("g").add, bench.k.waitgroup("g").done):
        with pytest.raises(InvalidInput):
            act(member, count=count)
    assert bench.all_keys() == []


def test_an_absent_group_is_not_found_after_the_patience(bench: Bench) -> None:
    for act in (bench.k.waitgroup("g").add, bench.k.waitgroup("g").done):
        with pytest.raises(NotFound):
            act(patience=0)
    assert bench.all_keys() == []
    with pytest.raises(NotFound):
        bench.k.waitgroup("g").wait(timeout=0, must_exist=True)
    assert_only_passing_keys(bench.client)


# ------------------------------------------------------------- waiting


def test_a_wait_for_an_idle_group_goes_on_unless_idle_is_allowed(bench: Bench) -> None:
    workers = group(bench)
    with pytest.raises(WaitTimeout, match="idle, waiting for the first member"):
        workers.wait(timeout=0)
    assert workers.wait(timeout=0, allow_idle=True).added == 0
    workers.add("a")
    with pytest.raises(WaitTimeout, match="0/1 done, waiting for 1 more"):
        workers.wait(timeout=0, allow_idle=True)
    assert workers.status().waiting == 0


def test_a_waiter_is_counted_while_it_waits(bench: Bench) -> None:
    workers = group(bench)
    workers.add("a")
    assert wait(bench, "r1")[0] == Code.WAITING
    assert wait(bench, "r2")[0] == Code.WAITING
    assert workers.status().waiting == 2
    bench.clock.advance(WAITER_TTL + 1_000)
    assert workers.status().waiting == 0


def test_a_waiter_is_let_go_by_the_round_it_waited_for_also_when_the_next_has_begun(bench: Bench) -> None:
    workers = group(bench)
    workers.add("a")
    awaited = wait(bench, "r1")[3]
    workers.done("a")
    assert workers.add("b").round == 2
    assert wait(bench, "r1", awaited)[0] == Code.OPEN
    assert wait(bench, "new")[0] == Code.WAITING


def test_a_round_ends_once_in_the_history(bench: Bench) -> None:
    workers = group(bench)
    for member in ("a", "b"):
        workers.add(member)
        workers.done(member)
        workers.done(member)
    events = [event.type for event in workers.events()]
    assert events.count("done") == 2
    assert events == ["created", "added", "finished", "done", "added", "finished", "done"]


# -------------------------------------------------------------- epochs


def test_a_reset_carries_nothing_over_but_the_answers_to_retries(bench: Bench) -> None:
    workers = group(bench)
    workers.add("a")
    workers.add(count=3)
    send(bench, "add", "r1", "", 1)
    epoch = workers.status().epoch
    assert workers.reset() > epoch
    status = workers.status()
    assert (status.phase, status.counter, status.added, status.members) == ("Idle", 0, 0, ())
    assert send(bench, "add", "r1", "", 1)[2] == epoch
    assert workers.add("a").counted


def test_defining_again_changes_nothing_but_labels(bench: Bench) -> None:
    workers = group(bench)
    workers.add("a")
    assert workers.define().action == "unchanged"
    assert workers.define(labels={"stage": "load"}).action == "updated"
    assert (workers.status().counter, workers.status().labels) == (1, {"stage": "load"})


def test_a_group_of_a_custom_resource_is_changed_only_by_it_and_starts_anew_under_a_new_one(bench: Bench) -> None:
    workers = group(bench)
    workers.add("a")
    assert workers.define(owner="cr/1").action == "updated"
    assert workers.status().counter == 1
    with pytest.raises(Owned):
        workers.define(labels={"a": "b"})
    with pytest.raises(Owned):
        workers.delete()
    assert workers.define_spec(WaitGroupSpec(), owner="cr/2").action == "created"
    assert workers.status().phase == "Idle"


def test_after_a_deletion_nothing_stays(bench: Bench) -> None:
    workers = group(bench)
    workers.add("a")
    workers.add("b")
    workers.done("a")
    wait(bench, "r1")
    assert workers.delete()
    assert not workers.delete()
    assert_only_passing_keys(bench.client)
