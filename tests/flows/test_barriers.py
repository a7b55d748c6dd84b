"""The protocol of barriers, without a server."""

from __future__ import annotations

import pytest

from konductor_core.errors import BarrierFailed, NotFound, Replaced, Unavailable, WaitTimeout
from konductor_core.flows.barriers import arrive, arrive_and_wait, wait
from konductor_core.flows.steps import RESUBSCRIBED, Call, Listen, Pause, Subscribe
from konductor_core.identity import Kind
from konductor_core.keys import ObjectKeys
from tests.flows.stage import Stage

KEYS = ObjectKeys("ns", Kind.BARRIER, "b")
AWAY = Unavailable("Redis at x cannot be reached", passing=True)
SECOND = 1_000
NOW_EPOCH = "1800000000000005"
OLD_EPOCH = "1800000000000001"
NEW_EPOCH = "1800000000000009"


def looked(
    stage: Stage, code: str = "waiting", *, cycle: int = 1, epoch: str = NOW_EPOCH, look: int = -1, arrived: int = 2
) -> None:
    """Answer a look at the barrier."""
    assert stage.at(Call).script.name == "barrier_wait"
    if code == "absent":
        stage.reply("absent", -1, "", 0, 0, 0, -1, "")
    else:
        stage.reply(code, look, epoch, cycle, arrived, 5, -1, "timeout with 2/5 arrived" if code == "failed" else "")


def listening(timeout_ms: int | None = None, *, cycle: int = 1, look: int = -1, asked: int | None = None) -> Stage:
    """Return a wait that has subscribed, looked again, and listens."""
    stage = Stage(wait(KEYS, "a", timeout_ms, cycle=asked))
    looked(stage, cycle=cycle, look=look)
    assert stage.at(Subscribe).channel == KEYS.state
    stage.answer()
    looked(stage, cycle=cycle, look=look)
    stage.at(Listen)
    return stage


def left(stage: Stage) -> None:
    """Assert that the wait takes itself off the list now, and let it."""
    assert stage.at(Call).script.name == "latch_leave"
    stage.reply("left", -1)


# ------------------------------------------------------------------ waiting


def test_an_open_barrier_is_one_look() -> None:
    stage = Stage(wait(KEYS, "a", None))
    looked(stage, "open", arrived=5)
    assert (stage.result.arrived, stage.result.needed, stage.result.cycle) == (5, 5, 1)


def test_a_waiter_looks_again_after_it_has_subscribed() -> None:
    stage = Stage(wait(KEYS, "a", None))
    looked(stage)
    stage.at(Subscribe)
    stage.answer()
    looked(stage, "open", arrived=5)
    assert stage.result.arrived == 5


def test_a_message_that_it_opened_ends_the_wait_without_a_look() -> None:
    stage = listening()
    stage.answer(f"open {NOW_EPOCH} 1 5 5", after=7)
    assert (stage.result.arrived, stage.result.needed, stage.result.epoch) == (5, 5, NOW_EPOCH)


def test_a_message_that_it_failed_ends_the_wait_with_the_reason() -> None:
    stage = listening()
    stage.answer(f"failed {NOW_EPOCH} 1 2 5 timeout with 2/5 arrived")
    assert isinstance(stage.error, BarrierFailed)
    assert "barrier/b has failed: timeout with 2/5 arrived" in str(stage.error)


def test_a_failed_barrier_ends_the_wait_at_a_look_too() -> None:
    stage = Stage(wait(KEYS, "a", None))
    looked(stage, "failed")
    assert isinstance(stage.error, BarrierFailed)


def test_progress_is_said_from_looks_and_messages_once_each() -> None:
    stage = listening()
    stage.answer(f"progress {NOW_EPOCH} 1 2 5")
    stage.answer(f"progress {NOW_EPOCH} 1 4 5")
    stage.at(Listen)
    assert stage.said == ["2/5 arrived, waiting for 3 more", "4/5 arrived, waiting for 1 more"]


def test_the_waiter_that_progress_names_looks_again_a_second_later() -> None:
    stage = Stage(wait(KEYS, "a", None))
    request = stage.at(Call).args[0]
    looked(stage)
    stage.answer()
    looked(stage)
    stage.answer(f"progress {NOW_EPOCH} 1 2 5 somebody-else")
    assert stage.at(Listen).seconds == pytest.approx(25)
    stage.answer(f"progress {NOW_EPOCH} 1 3 5 {request}")
    assert stage.at(Listen).seconds == pytest.approx(1.05)


def test_a_missed_message_is_made_up_for_at_the_heartbeat() -> None:
    stage = listening()
    assert stage.at(Listen).seconds == pytest.approx(25)
    stage.answer(None, after=25)
    looked(stage, "open")
    assert stage.result


def test_a_waiter_looks_at_the_deadline_of_the_barrier() -> None:
    stage = listening(look=3_000)
    assert stage.at(Listen).seconds == pytest.approx(3)
    stage.answer(None, after=3)
    looked(stage, "failed")
    assert isinstance(stage.error, BarrierFailed)


def test_after_a_reconnection_it_looks_at_once() -> None:
    stage = listening()
    stage.answer(RESUBSCRIBED)
    looked(stage, "open")
    assert stage.result


def test_after_a_lost_subscription_it_subscribes_again_and_then_looks() -> None:
    stage = listening()
    stage.fail(AWAY)
    stage.answer(False, after=stage.at(Pause).seconds)  # noqa: FBT003
    looked(stage)
    stage.at(Subscribe)
    stage.answer()
    looked(stage)
    stage.at(Listen)


def test_an_outage_is_sat_out_until_the_deadline() -> None:
    stage = Stage(wait(KEYS, "a", 3 * SECOND))
    stage.fail(AWAY, after=3)
    left(stage)
    assert stage.error is AWAY


def test_what_does_not_pass_is_not_sat_out() -> None:
    wrong = Unavailable("Redis at x refused the password")
    stage = Stage(wait(KEYS, "a", None))
    stage.fail(wrong)
    left(stage)
    assert stage.error is wrong


def test_a_timeout_leaves_and_says_how_far_it_was() -> None:
    stage = listening(10 * SECOND)
    assert stage.at(Listen).seconds == pytest.approx(10)
    stage.answer(None, after=10)
    looked(stage)
    left(stage)
    assert isinstance(stage.error, WaitTimeout)
    assert "timed out after 10s waiting for barrier/b: 2/5 arrived, waiting for 3 more" in str(stage.error)


def test_a_timeout_of_zero_looks_once() -> None:
    stage = Stage(wait(KEYS, "a", 0))
    looked(stage)
    left(stage)
    assert isinstance(stage.error, WaitTimeout)


def test_an_interruption_leaves() -> None:
    stage = listening()
    stage.fail(KeyboardInterrupt())
    left(stage)
    assert isinstance(stage.error, KeyboardInterrupt)


def test_an_interruption_is_not_hidden_by_a_failing_leave() -> None:
    stage = listening()
    stage.fail(KeyboardInterrupt())
    stage.fail(AWAY)
    assert isinstance(stage.error, KeyboardInterrupt)


# ------------------------------------------------- absent, reset and deleted


def test_an_absent_barrier_is_waited_for_unless_it_must_exist() -> None:
    stage = Stage(wait(KEYS, "a", None))
    looked(stage, "absent")
    assert stage.said == ["barrier/b does not exist yet"]
    stage.at(Subscribe)
    stage = Stage(wait(KEYS, "a", None, must_exist=True))
    looked(stage, "absent")
    left(stage)
    assert isinstance(stage.error, NotFound)


def test_a_wait_goes_on_over_a_reset_and_says_so() -> None:
    stage = listening()
    stage.answer(f"reset {NEW_EPOCH}")
    looked(stage, epoch=NEW_EPOCH, arrived=0)
    looked(stage, epoch=NEW_EPOCH, arrived=0)
    assert stage.said[-2:] == ["barrier/b was reset, waiting for the new one", "0/5 arrived, waiting for 5 more"]
    stage.at(Listen)


def test_a_wait_goes_on_over_a_deletion_until_it_is_made_anew() -> None:
    stage = listening()
    stage.answer(f"deleted {NOW_EPOCH}")
    looked(stage, "absent")
    looked(stage, "absent")
    stage.answer(f"defined {NEW_EPOCH}")
    looked(stage, "open", epoch=NEW_EPOCH)
    assert stage.result.epoch == NEW_EPOCH
    assert "barrier/b was deleted, waiting for the new one" in stage.said


def test_a_message_of_an_epoch_that_has_ended_is_ignored() -> None:
    stage = listening()
    stage.answer(f"open {OLD_EPOCH} 1 5 5")
    stage.answer(f"failed {OLD_EPOCH} 1 1 5 timeout")
    stage.at(Listen)


# ------------------------------------------------------------------- cycles


def test_a_wait_stays_with_the_cycle_it_was_first_for() -> None:
    stage = Stage(wait(KEYS, "a", None))
    assert stage.at(Call).args[2] == 0
    looked(stage, cycle=3)
    stage.at(Subscribe)
    stage.answer()
    assert stage.at(Call).args[2] == 3
    looked(stage, "open", cycle=3, arrived=5)
    assert stage.result.cycle == 3


def test_only_the_opening_of_its_cycle_or_a_later_one_ends_a_wait() -> None:
    stage = listening(cycle=3)
    stage.answer(f"open {NOW_EPOCH} 2 5 5")
    stage.answer(f"open {NOW_EPOCH} 3 5 5")
    assert stage.result.cycle == 3


def test_progress_of_another_cycle_is_not_said() -> None:
    stage = listening(cycle=3)
    stage.answer(f"progress {NOW_EPOCH} 4 4 5")
    stage.at(Listen)
    assert stage.said == ["2/5 arrived, waiting for 3 more"]


def test_a_reset_lets_the_script_decide_the_cycle_anew() -> None:
    stage = listening(cycle=3)
    stage.answer(f"reset {NEW_EPOCH}")
    assert stage.at(Call).args[2] == 3
    looked(stage, cycle=3, epoch=NEW_EPOCH)
    assert stage.at(Call).args[2] == 0
    looked(stage, cycle=1, epoch=NEW_EPOCH)
    stage.answer(f"open {NEW_EPOCH} 1 5 5")
    assert stage.result.cycle == 1


def test_a_cycle_that_was_named_is_waited_for_over_a_reset() -> None:
    stage = listening(asked=4, cycle=4)
    stage.answer(f"reset {NEW_EPOCH}")
    looked(stage, cycle=4, epoch=NEW_EPOCH)
    assert stage.at(Call).args[2] == 4


# ----------------------------------------------------------------- arriving


def arrived(stage: Stage, code: str = "arrived", *, cycle: str = "1", phase: str = "Waiting", acks: int = 0) -> None:
    assert stage.at(Call).script.name == "barrier_arrive"
    if code == "absent":
        stage.reply("absent", -1, "", "0", 0, 0, 0, "", "")
    else:
        reason = "timeout with 2/5 arrived" if code == "failed" else ""
        stage.reply(code, -1, NOW_EPOCH, cycle, 2, 5, 5, phase, reason, acks=acks)


@pytest.mark.parametrize("code, counted", [("arrived", True), ("already", False), ("open", False)])
def test_an_arrival_is_one_call_and_says_whether_it_counted(code: str, *, counted: bool) -> None:
    stage = Stage(arrive(KEYS, "a", 60 * SECOND))
    arrived(stage, code)
    assert (stage.result.counted, stage.result.arrived, stage.result.expected) == (counted, 2, 5)


def test_an_arrival_at_a_failed_barrier_is_an_error() -> None:
    stage = Stage(arrive(KEYS, "a", 60 * SECOND))
    arrived(stage, "failed")
    assert isinstance(stage.error, BarrierFailed)
    assert "timeout with 2/5 arrived" in str(stage.error)


def test_an_arrival_repeats_the_same_request_until_the_barrier_exists() -> None:
    stage = Stage(arrive(KEYS, "a", 60 * SECOND))
    first = stage.at(Call).args
    arrived(stage, "absent")
    stage.at(Subscribe)
    stage.answer()
    arrived(stage, "absent")
    assert stage.at(Listen).seconds == pytest.approx(25)
    stage.answer(f"defined {NOW_EPOCH}")
    assert stage.at(Call).args == first
    arrived(stage)
    assert stage.result.counted
    assert stage.said == ["barrier/b does not exist yet"]


def test_an_arrival_gives_up_when_its_patience_ends() -> None:
    stage = Stage(arrive(KEYS, "a", 10 * SECOND))
    arrived(stage, "absent")
    stage.answer()
    arrived(stage, "absent")
    stage.answer(None, after=stage.at(Listen).seconds)
    arrived(stage, "absent")
    assert isinstance(stage.error, NotFound)
    assert stage.now == pytest.approx(1010)


def test_an_arrival_without_patience_is_not_found_at_once() -> None:
    stage = Stage(arrive(KEYS, "a", 0))
    arrived(stage, "absent")
    assert isinstance(stage.error, NotFound)


def test_an_outage_while_an_arrival_waits_for_its_barrier_is_sat_out() -> None:
    stage = Stage(arrive(KEYS, "a", 60 * SECOND))
    arrived(stage, "absent")
    stage.fail(AWAY)
    stage.answer(False, after=stage.at(Pause).seconds)  # noqa: FBT003
    stage.at(Subscribe)
    stage.answer()
    arrived(stage)
    assert stage.result.counted


def test_arrive_and_wait_waits_for_the_cycle_and_the_epoch_of_the_arrival() -> None:
    stage = Stage(arrive_and_wait(KEYS, "a", None, 0, who="pod-a a"))
    arrived(stage, cycle="3")
    assert stage.at(Call).args[1:] == ("a", 3, NOW_EPOCH, "pod-a a")
    looked(stage, "open", cycle=3)
    assert stage.result.cycle == 3


def test_arrive_and_wait_ends_when_the_barrier_is_replaced_under_it() -> None:
    for message in (f"reset {NEW_EPOCH}", f"deleted {NOW_EPOCH}", f"open {NEW_EPOCH} 1 5 5"):
        stage = Stage(arrive_and_wait(KEYS, "a", None, 0))
        arrived(stage)
        looked(stage)
        stage.answer()
        looked(stage)
        stage.answer(message)
        assert isinstance(stage.error, Replaced)


@pytest.mark.parametrize("code", ["reset", "absent"])
def test_arrive_and_wait_learns_of_a_replacement_at_a_look_too(code: str) -> None:
    stage = Stage(arrive_and_wait(KEYS, "a", None, 0))
    arrived(stage)
    looked(stage, code, epoch=NEW_EPOCH)
    assert isinstance(stage.error, Replaced)


# ----------------------------------------------------------------- replicas


def test_an_arrival_that_enough_replicas_have_is_counted() -> None:
    stage = Stage(arrive(KEYS, "a", 0, replicas=1))
    assert stage.at(Call).replicas == 1
    arrived(stage, acks=1)
    assert stage.result.counted


@pytest.mark.parametrize("waits", [False, True])
def test_an_arrival_that_too_few_replicas_have_is_not_called_one(waits: bool) -> None:  # noqa: FBT001
    """It may be counted, or not after a failover: to arrive again under the same id is right in both cases."""
    flow = arrive_and_wait(KEYS, "a", None, 0, replicas=2) if waits else arrive(KEYS, "a", 0, replicas=2)
    stage = Stage(flow)
    arrived(stage, acks=1)
    assert isinstance(stage.error, Unavailable)
    assert "1 of 2 replicas acknowledged the arrival at barrier/b" in str(stage.error)
    assert "same id" in str(stage.error.hint)
