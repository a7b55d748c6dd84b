"""What is done once: one runner at a time, one completion, whatever dies in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from konductor_core.codes import Code
from konductor_core.errors import AlreadyDone, InvalidInput, LeaseLost, NotFound, NotHolder, WaitTimeout, WouldBlock
from konductor_core.flows.permits import Ask
from konductor_core.identity import Kind, Owner
from tests.scripts.audit import assert_only_passing_keys
from tests.scripts.bench import ODD_NAMES, Request

if TYPE_CHECKING:
    from konductor_core.handles.once import Once
    from tests.scripts.bench import Bench

TTL = 60_000


def once(bench: Bench) -> Once:
    """Return the once `o`, which exists."""
    found = bench.k.once("o")
    found.define(ttl="1m")
    return found


def request(bench: Bench, holder: str) -> Request:
    """Return a request to run, moved by hand."""
    return Request(bench, Ask((bench.keys("o", Kind.ONCE),), (1,), holder, owner=Owner()))


def complete(bench: Bench, request_id: str, holder: str, token: str = "") -> list[Any]:
    """Complete past the library."""
    keys = bench.keys("o", Kind.ONCE).permits
    reply: list[Any] = bench.script("once_complete", keys, request_id, holder, token, "")
    return reply


def test_it_is_pending_then_running_then_done(bench: Bench) -> None:
    schema = once(bench)
    assert (schema.status().phase, schema.status().executor) == ("Pending", "")
    run = schema.begin(timeout=0, holder="a")
    assert (schema.status().phase, schema.status().executor) == ("Running", "a")
    assert run.complete("42 tables").counted
    status = schema.status()
    assert (status.phase, status.executor, status.result) == ("Done", "a", "42 tables")
    assert status.done_ms == pytest.approx(bench.clock.now_ms(), abs=5_000)
    assert status.holders == ()


def test_only_one_runs_at_a_time_and_nobody_after_it_is_done(bench: Bench) -> None:
    schema = once(bench)
    run = schema.begin(timeout=0, holder="a")
    with pytest.raises(WouldBlock, match="somebody runs it"):
        schema.begin(timeout=0, holder="b")
    run.complete()
    for holder in ("a", "b"):
        with pytest.raises(AlreadyDone):
            schema.begin(timeout=0, holder=holder)
    with pytest.raises(AlreadyDone):
        schema.begin(holder="b")


def test_a_failed_run_lets_the_next_one_run(bench: Bench) -> None:
    schema = once(bench)
    first, second = request(bench, "a"), request(bench, "b")
    assert first.wait().granted
    assert second.wait().code == Code.QUEUED
    schema.fail("a", reason="no connection")
    assert second.messages()[0].startswith("granted")
    assert second.wait().granted
    status = schema.status()
    assert (status.phase, status.executor, status.failures) == ("Running", "b", 1)
    assert (status.failed_by, status.reason) == ("a", "no connection")


def test_a_runner_that_dies_loses_its_lease_and_another_runs(bench: Bench) -> None:
    schema = once(bench)
    run = schema.begin(timeout=0, holder="a")
    bench.clock.advance(TTL + 1_000)
    assert schema.status().phase == "Pending"
    second = schema.begin(timeout=0, holder="b")
    with pytest.raises(LeaseLost):
        run.complete()
    with pytest.raises(LeaseLost):
        run.fail()
    second.complete()
    with pytest.raises(AlreadyDone):
        run.complete()
    assert schema.status().executor == "b"


def test_who_waits_to_run_is_woken_by_a_completion_and_told(bench: Bench) -> None:
    schema = once(bench)
    run = schema.begin(timeout=0, holder="a")
    waiters = [request(bench, holder) for holder in ("b", "c", "d")]
    for waiter in waiters:
        assert waiter.wait().code == Code.QUEUED
    run.complete()
    for waiter in waiters:
        assert "look" in waiter.messages()
        assert waiter.wait().code == Code.DONE
    assert schema.status().waiting == 0


def test_the_same_runner_may_say_again_that_it_is_done_and_nobody_else(bench: Bench) -> None:
    schema = once(bench)
    run = schema.begin(timeout=0, holder="a")
    assert run.complete("first").counted
    assert not run.complete("second").counted
    assert not schema.complete("a").counted
    with pytest.raises(AlreadyDone):
        schema.complete("b")
    with pytest.raises(AlreadyDone):
        schema.complete("a", run.token + 1)
    with pytest.raises(AlreadyDone):
        schema.fail("a")
    assert schema.status().result == "first"
    assert [event.type for event in schema.events()].count("completed") == 1


def test_a_repeated_request_completes_once(bench: Bench) -> None:
    schema = once(bench)
    schema.begin(timeout=0, holder="a")
    assert complete(bench, "r1", "a")[0] == Code.COMPLETED
    assert complete(bench, "r1", "a")[0] == Code.COMPLETED
    schema.reset()
    schema.begin(timeout=0, holder="a")
    assert complete(bench, "r1", "a")[0] == Code.COMPLETED
    assert schema.status().phase == "Running"


def test_a_repeated_failure_does_not_end_the_next_run(bench: Bench) -> None:
    schema = once(bench)
    keys = bench.keys("o", Kind.ONCE).permits
    schema.begin(timeout=0, holder="a")
    assert bench.script("once_fail", keys, "r1", "a", "", "")[0] == Code.FAILED
    schema.begin(timeout=0, holder="a")
    assert bench.script("once_fail", keys, "r1", "a", "", "")[0] == Code.FAILED
    assert (schema.status().phase, schema.status().failures) == ("Running", 1)


def test_who_does_not_run_it_cannot_end_it(bench: Bench) -> None:
    schema = once(bench)
    with pytest.raises(NotHolder):
        schema.complete("a")
    run = schema.begin(timeout=0, holder="a")
    for act in (schema.complete, schema.fail):
        with pytest.raises(NotHolder):
            act("b")
        with pytest.raises(LeaseLost):
            act("a", run.token + 1)
    assert schema.status().phase == "Running"


def test_a_grant_that_is_not_confirmed_yet_cannot_complete(bench: Bench) -> None:
    schema = once(bench)
    run = schema.begin(timeout=0, holder="a")
    waiter = request(bench, "b")
    assert waiter.wait().code == Code.QUEUED
    run.fail()
    assert schema.status().phase == "Pending"
    with pytest.raises(NotHolder):
        schema.complete("b")
    assert waiter.wait().granted
    assert schema.complete("b").counted


def test_a_wait_ends_when_it_is_done_and_never_begins_it(bench: Bench) -> None:
    schema = once(bench)
    with pytest.raises(WaitTimeout, match="nobody runs it yet"):
        schema.wait(timeout=0)
    run = schema.begin(timeout=0, holder="a")
    with pytest.raises(WaitTimeout, match="a runs it"):
        schema.wait(timeout=0)
    run.complete()
    assert schema.wait(timeout=0).executor == "a"


def test_a_block_completes_and_an_error_in_it_fails(bench: Bench) -> None:
    schema = once(bench)
    with pytest.raises(ZeroDivisionError), schema.begin(timeout=0, holder="a"):
        1 / 0  # noqa: B018
    assert (schema.status().phase, schema.status().reason) == ("Pending", "division by zero")
    with schema.begin(timeout=0, holder="a") as run:
        run.complete("inside")
    assert (schema.status().phase, schema.status().result) == ("Done", "inside")


def test_a_function_is_called_once(bench: Bench) -> None:
    schema = once(bench)
    calls: list[str] = []

    def migrate() -> str:
        calls.append("called")
        if len(calls) == 1:
            raise OSError("no route")
        return "version 7"

    with pytest.raises(OSError, match="no route"):
        schema.run(migrate)
    assert schema.run(migrate) == "version 7"
    assert schema.run(migrate) is None
    assert (len(calls), schema.status().result, schema.status().failures) == (2, "version 7", 1)


def test_a_reset_lets_it_be_done_again(bench: Bench) -> None:
    schema = once(bench)
    schema.begin(timeout=0, holder="a").complete("old")
    schema.reset()
    status = schema.status()
    assert (status.phase, status.executor, status.result, status.failures) == ("Pending", "", None, 0)
    assert schema.begin(timeout=0, holder="b").complete().counted


def test_a_change_of_the_ttl_leaves_done_what_is_done(bench: Bench) -> None:
    schema = once(bench)
    schema.begin(timeout=0, holder="a").complete()
    assert schema.define(ttl="2m").action == "updated"
    assert schema.status().phase == "Done"
    assert schema.define(ttl="2m", owner="cr/1").action == "updated"
    assert schema.status().phase == "Done"
    assert schema.define(ttl="2m", owner="cr/2").action == "created"
    assert schema.status().phase == "Pending"


@pytest.mark.parametrize("holder", ODD_NAMES)
def test_any_printable_text_is_a_runner(bench: Bench, holder: str) -> None:
    schema = once(bench)
    schema.begin(timeout=0, holder=holder)
    assert schema.complete(holder).executor == holder
    assert schema.wait(timeout=0).executor == holder


def test_a_result_that_is_too_long_is_refused_before_redis(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match="result"):
        bench.k.once("o").complete("a", result="x" * 1_001)
    with pytest.raises(NotFound):
        bench.k.once("o").complete("a", result="x" * 1_000)
    assert bench.all_keys() == []


def test_after_a_deletion_nothing_stays(bench: Bench) -> None:
    schema = once(bench)
    run = schema.begin(timeout=0, holder="a")
    request(bench, "b").wait()
    run.fail("x")
    schema.delete()
    assert_only_passing_keys(bench.client)
    schema.define()
    schema.begin(timeout=0, holder="a").complete()
    schema.delete()
    assert_only_passing_keys(bench.client)
