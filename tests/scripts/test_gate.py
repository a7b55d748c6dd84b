"""Gates: conditions and their verdicts, what a hand does, deadlines, epochs, waiters, and who asks for a look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from konductor_core.codes import Code
from konductor_core.durations import UNATTENDED_AFTER, WAITER_TTL
from konductor_core.errors import GateFailed, InvalidInput, NotFound, Owned, WaitTimeout
from konductor_core.flows import gates as flows
from konductor_core.identity import Kind
from konductor_core.models import Condition, GateSpec
from tests.looking import look
from tests.scripts.audit import assert_only_passing_keys

if TYPE_CHECKING:
    from konductor_core.handles.latches import Gate
    from tests.scripts.bench import Bench

JOB = "job/migrate"
HOME = "team"


def gate(bench: Bench, *conditions: str, name: str = "g", timeout: str | None = None) -> Gate:
    """Return a gate that exists, with these conditions."""
    found = bench.k.gate(name)
    found.define(conditions, timeout)
    return found


def evaluate(bench: Bench, name: str = "g", **jobs: str) -> bool:
    return look(bench.k, name, **jobs)


def send(bench: Bench, verb: str, *args: str | int) -> list[Any]:
    """Run a script past the library."""
    reply: list[Any] = bench.script(f"gate_{verb}", bench.keys("g", Kind.GATE).latch, *args)
    return reply


def test_a_gate_opens_when_all_conditions_hold(bench: Bench) -> None:
    door = gate(bench, JOB, "job/load")
    assert (door.status().phase, door.status().met, door.status().total) == ("Waiting", 0, 2)
    assert evaluate(bench, migrate="Complete", load="Running")
    status = door.status()
    assert (status.phase, status.met, status.reason) == ("Waiting", 1, "job/load: Running")
    assert [(check.name, check.met, check.message) for check in status.checks] == [
        ("migrate", True, "Complete"),
        ("load", False, "Running"),
    ]
    assert evaluate(bench, migrate="Complete", load="Complete")
    status = door.status()
    assert (status.phase, status.verdict, status.met) == ("Open", "Open", 2)
    assert status.opened_ms == pytest.approx(bench.clock.now_ms(), abs=5_000)


def test_an_open_gate_stays_open_whatever_becomes_of_its_conditions(bench: Bench) -> None:
    door = gate(bench, JOB)
    evaluate(bench, migrate="Complete")
    assert not evaluate(bench)
    assert (door.status().phase, door.status().met) == ("Open", 1)


def test_a_condition_that_can_no_longer_come_true_fails_the_gate(bench: Bench) -> None:
    door = gate(bench, JOB, "job/load")
    assert evaluate(bench, migrate="Failed")
    status = door.status()
    assert (status.phase, status.reason) == ("Failed", "job/migrate: Failed")
    with pytest.raises(GateFailed, match="gate/g has failed: job/migrate: Failed"):
        door.wait(timeout=0)


def test_the_same_look_again_is_no_news_and_nudges_nobody(bench: Bench) -> None:
    door = gate(bench, JOB)
    evaluate(bench, migrate="Running")
    bench.client.delete(bench.keys("g", Kind.GATE).latch[0])
    assert not evaluate(bench, migrate="Running")
    assert not bench.client.exists(bench.keys("g", Kind.GATE).latch[0])
    assert door.status().evaluated_ms == pytest.approx(bench.clock.now_ms(), abs=5_000)


def test_a_look_at_a_former_life_or_at_former_conditions_decides_nothing(bench: Bench) -> None:
    door = gate(bench, JOB)
    former = door.status()
    conditions = str(bench.client.hget(bench.keys("g", Kind.GATE).meta, "conditions"))
    opening = ("Open", 1, "", "[]")
    epoch = door.reset()
    assert send(bench, "evaluate", former.epoch, conditions, *opening)[0] == Code.RESET
    door.define(["job/other"])
    assert send(bench, "evaluate", epoch, conditions, *opening)[0] == Code.RESET
    assert door.status().phase == "Waiting"


def test_other_conditions_are_looked_at_anew(bench: Bench) -> None:
    door = gate(bench, JOB, "job/load")
    evaluate(bench, migrate="Complete")
    assert door.define(["job/load"]).action == "updated"
    status = door.status()
    assert (status.met, status.total, status.checks, status.reason) == (0, 1, (), "")
    assert status.evaluated_ms is None


def test_other_conditions_do_not_close_a_gate_that_has_opened(bench: Bench) -> None:
    door = gate(bench, JOB)
    evaluate(bench, migrate="Complete")
    door.define([JOB, "job/load"])
    assert door.status().phase == "Open"


# -------------------------------------------------------------- by hand


def test_a_gate_without_conditions_is_opened_by_hand_only(bench: Bench) -> None:
    door = gate(bench)
    evaluate(bench)
    with pytest.raises(WaitTimeout, match="waiting to be opened by hand"):
        door.wait(timeout=0)
    assert door.open().changed
    assert door.wait(timeout=0).summary == "open: by hand"


def test_a_hand_goes_before_the_conditions_which_go_on_being_looked_at(bench: Bench) -> None:
    door = gate(bench, JOB)
    assert (door.close().phase, door.close().changed) == ("Closed", False)
    evaluate(bench, migrate="Complete")
    status = door.status()
    assert (status.phase, status.verdict, status.override) == ("Closed", "Open", "Closed")
    with pytest.raises(WaitTimeout, match="closed by hand"):
        door.wait(timeout=0)
    assert door.auto().phase == "Open"
    assert door.status().override is None
    assert door.wait(timeout=0).summary == "open: 1/1 met"


def test_a_failed_gate_is_opened_by_hand_and_fails_again_without_it(bench: Bench) -> None:
    door = gate(bench, JOB)
    evaluate(bench, migrate="Failed")
    assert door.open().phase == "Open"
    assert door.wait(timeout=0).summary == "open: by hand"
    assert door.auto().phase == "Failed"


def test_a_retry_of_an_opening_does_not_undo_a_closing_after_it(bench: Bench) -> None:
    door = gate(bench, JOB)
    first = send(bench, "override", "r1", "Open")
    door.close()
    assert [str(word) for word in send(bench, "override", "r1", "Open")] == [str(word) for word in first]
    assert door.status().phase == "Closed"


def test_an_absent_gate_is_not_found(bench: Bench) -> None:
    door = bench.k.gate("g")
    for act in (door.open, door.close, door.auto, door.reset, door.status):
        with pytest.raises(NotFound):
            act()
    assert send(bench, "evaluate", "1", "[]", "Open", 0, "", "[]")[0] == Code.ABSENT
    assert bench.all_keys() == []
    with pytest.raises(NotFound):
        door.wait(timeout=0, must_exist=True)
    assert_only_passing_keys(bench.client)


# ------------------------------------------------------------- deadlines


def test_a_gate_fails_at_its_deadline_and_says_what_was_missing(bench: Bench) -> None:
    door = gate(bench, JOB, "job/load", timeout="1m")
    evaluate(bench, migrate="Complete", load="Running")
    bench.clock.advance(61_000)
    status = door.status()
    assert (status.phase, status.reason) == ("Failed", "timeout with 1/2 met (job/load: Running)")
    assert status.failed_ms == status.deadline_ms
    assert not evaluate(bench, migrate="Complete", load="Complete")


def test_an_opening_by_hand_does_not_stop_the_deadline_beneath(bench: Bench) -> None:
    door = gate(bench, JOB, timeout="1m")
    door.open()
    bench.clock.advance(61_000)
    status = door.status()
    assert (status.phase, status.verdict) == ("Open", "Failed")
    assert door.auto().phase == "Failed"


def test_a_longer_timeout_counts_from_the_beginning_and_a_reset_begins_anew(bench: Bench) -> None:
    door = gate(bench, JOB, timeout="1m")
    bench.clock.advance(50_000)
    door.define([JOB], "2m")
    bench.clock.advance(50_000)
    assert door.status().phase == "Waiting"
    door.reset()
    bench.clock.advance(100_000)
    assert door.status().phase == "Waiting"
    bench.clock.advance(21_000)
    assert door.status().phase == "Failed"


# -------------------------------------------------------------- waiting


def test_a_wait_says_how_far_it_is_and_what_is_missing(bench: Bench) -> None:
    door = gate(bench, JOB, "job/load")
    evaluate(bench, migrate="Complete")
    with pytest.raises(WaitTimeout, match="1/2 met, job/load: does not exist"):
        door.wait(timeout=0)
    assert door.status().waiting == 0


def test_a_waiter_is_counted_while_it_waits(bench: Bench) -> None:
    door = gate(bench, JOB)
    assert send(bench, "wait", "r1", "- r1")[0] == Code.WAITING
    assert send(bench, "wait", "r2", "- r2")[0] == Code.WAITING
    assert door.status().waiting == 2
    bench.clock.advance(WAITER_TTL + 1_000)
    assert door.status().waiting == 0


def test_a_wait_asks_for_a_look_once_until_somebody_has_looked(bench: Bench) -> None:
    door = gate(bench, JOB)
    send(bench, "wait", "r1", "- r1")
    asked = door.status().asked_ms
    assert asked == pytest.approx(bench.clock.now_ms(), abs=5_000)
    bench.clock.advance(5_000)
    send(bench, "wait", "r2", "- r2")
    assert door.status().asked_ms == pytest.approx(bench.clock.now_ms() - 5_000, abs=5_000)
    evaluate(bench)
    assert door.status().asked_ms is None
    send(bench, "wait", "r1", "- r1")
    assert door.status().asked_ms is None  # there was a look just now
    bench.clock.advance(5_000)
    send(bench, "wait", "r1", "- r1")
    assert door.status().asked_ms is not None


def test_a_wait_says_after_a_while_that_nobody_looks(bench: Bench) -> None:
    door = gate(bench, JOB)
    reply = send(bench, "wait", "r1", "- r1")
    assert reply[1] == pytest.approx(UNATTENDED_AFTER, abs=1_000)
    bench.clock.advance(UNATTENDED_AFTER + 1_000)
    assert door.status().unattended
    with pytest.raises(WaitTimeout, match=r"nobody has looked at its conditions for 15s: .* koncli gate open g"):
        door.wait(timeout=0)
    evaluate(bench)
    assert not door.status().unattended
    with pytest.raises(WaitTimeout, match="0/1 met, job/migrate: does not exist"):
        door.wait(timeout=0)


def test_nobody_is_asked_to_look_at_a_gate_without_conditions_or_one_that_is_decided(bench: Bench) -> None:
    by_hand = gate(bench)
    send(bench, "wait", "r1", "- r1")
    assert by_hand.status().asked_ms is None
    by_hand.define([JOB])
    evaluate(bench, migrate="Complete")
    by_hand.close()
    bench.clock.advance(5_000)
    send(bench, "wait", "r1", "- r1")
    assert by_hand.status().asked_ms is None


def test_every_change_of_the_phase_is_told_and_stands_in_the_history(bench: Bench) -> None:
    door = gate(bench, JOB)
    with bench.client.pubsub() as channel:  # type: ignore[no-untyped-call,unused-ignore]
        channel.subscribe(bench.keys("g", Kind.GATE).state)
        channel.get_message(timeout=5)
        door.close()
        evaluate(bench, migrate="Complete")
        door.auto()
        door.open()
        door.reset()
        found = [channel.get_message(timeout=5)["data"].split(" ")[0] for _ in range(3)]
    assert found == ["look", "open", "reset"]
    assert [(event.type, event.detail) for event in door.events()] == [
        ("created", "by cli"),
        ("closed", "by hand"),
        ("decided", "Open, but Closed by hand"),
        ("opened", "by its conditions again"),
        ("reset", None),
    ]


def test_progress_is_told_with_what_is_missing(bench: Bench) -> None:
    gate(bench, JOB, "job/load")
    send(bench, "wait", "r1", "- r1")
    bench.clock.advance(2_000)
    with bench.client.pubsub() as channel:  # type: ignore[no-untyped-call,unused-ignore]
        channel.subscribe(bench.keys("g", Kind.GATE).state)
        channel.get_message(timeout=5)
        evaluate(bench, migrate="Complete")
        message = channel.get_message(timeout=5)["data"]
    assert message.split(" ", 2)[2] == "1 1 2 r1 job/load: does not exist"


# -------------------------------------------------------------- epochs


def test_a_reset_carries_nothing_over(bench: Bench) -> None:
    door = gate(bench, JOB)
    evaluate(bench, migrate="Failed")
    door.open()
    epoch = door.status().epoch
    assert door.reset() > epoch
    status = door.status()
    assert (status.phase, status.verdict, status.override, status.met) == ("Waiting", "Waiting", None, 0)
    assert (status.reason, status.failed_ms, status.checks) == (None, None, ())


def test_defining_again_changes_nothing(bench: Bench) -> None:
    door = gate(bench, JOB, timeout="1h")
    assert door.define([JOB], "1h").action == "unchanged"
    assert door.define([{"type": "Job", "name": "migrate"}], "1h").action == "unchanged"
    assert door.define([JOB], "1h", labels={"a": "b"}).action == "updated"


def test_a_gate_of_a_custom_resource_is_changed_only_by_it_and_opened_by_anybody(bench: Bench) -> None:
    door = gate(bench, JOB)
    assert door.define([JOB], owner="cr/1").action == "updated"
    with pytest.raises(Owned):
        door.define([])
    with pytest.raises(Owned):
        door.delete()
    assert door.open().phase == "Open"
    assert door.define([JOB], owner="cr/2").action == "created"
    assert door.status().phase == "Waiting"


def test_after_a_deletion_nothing_stays(bench: Bench) -> None:
    door = gate(bench, JOB)
    send(bench, "wait", "r1", "- r1")
    evaluate(bench, migrate="Running")
    assert door.delete()
    assert not door.delete()
    assert_only_passing_keys(bench.client)


# --------------------------------------------------------------- rings


def test_a_gate_that_would_wait_for_itself_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match="gate/a would never open: gate/a waits for gate/a"):
        gate(bench, "gate/a", name="a")
    gate(bench, "gate/b", JOB, name="a")
    gate(bench, "gate/c", name="b")
    with pytest.raises(InvalidInput, match="gate/c waits for gate/a, which waits for gate/b, which waits for gate/c"):
        gate(bench, JOB, "gate/a=Closed", name="c")
    assert gate(bench, JOB, name="c").status().total == 1


def test_a_ring_through_another_namespace_is_refused(bench: Bench) -> None:
    gate(bench, "other/gate/b", name="a")
    keys = bench.keys("b", Kind.GATE)
    other = type(keys)("other", Kind.GATE, "b")
    spec = GateSpec((Condition("Gate", "a", HOME),))
    with pytest.raises(InvalidInput, match="gate/b waits for team/gate/a, which waits for gate/b"):
        bench.k.driver.run(flows.define(other, spec, {}, "cli"))


@pytest.mark.parametrize(
    "conditions, says",
    [
        (["job"], "write \\[NAMESPACE/\\]TYPE/NAME"),
        (["job/x=complete"], "did you mean Complete"),
        (["jobs/x"], "did you mean Job"),
        (["job/X"], "'X' is not valid"),
        (["mutex/x:2"], "nothing of a Mutex is counted"),
        (["job/x=Failed:2"], "leave one of them out"),
        (["job/x:0"], "from 1 to"),
        ([{"type": "Job"}], "condition.name is missing"),
        ("job/x", "put it into a list"),
        ([f"job/x-{number}" for number in range(65)], "use at most 64"),
    ],
)
def test_what_cannot_be_a_condition_is_refused_before_redis(bench: Bench, conditions: Any, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        bench.k.gate("g").define(conditions)
    assert bench.all_keys() == []
