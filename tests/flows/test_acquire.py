"""The protocol of acquire, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from konductor_core.errors import (
    AlreadyWaiting,
    Denied,
    Impossible,
    KonductorError,
    NotFound,
    Unavailable,
    WaitTimeout,
    WouldBlock,
)
from konductor_core.flows.permits import Ask, Grant, acquire
from konductor_core.flows.steps import Block, Call, Pause
from konductor_core.identity import Kind, Owner
from konductor_core.keys import ObjectKeys
from tests.flows.stage import Stage

AWAY = Unavailable("Redis at x cannot be reached", passing=True)
SECOND = 1_000


def an_ask(*, replicas: int = 0, names: tuple[str, ...] = ("x",)) -> Ask:
    objects = tuple(ObjectKeys("ns", Kind.SEMAPHORE, name) for name in names)
    return Ask(objects, (1,) * len(objects), "a", owner=Owner(), replicas=replicas)


def granted(stage: Stage, token: int = 7, left: int = 30 * SECOND, *, after: float = 0.0, acks: int = 0) -> None:
    stage.reply("granted", -1, "semaphore/x", 1, 0, 1, 1, str(token), left, after=after, acks=acks)


def queued(stage: Stage, *, look: int = -1, position: int = 1, code: str = "queued", permits: int = 3) -> None:
    stage.reply(code, look, "semaphore/x", position, 2, 3, permits)


def waiting(timeout_ms: int | None = None, ask: Ask | None = None, *, look: int = -1) -> Stage:
    """Return a flow that has queued and blocks."""
    stage = Stage(acquire(ask or an_ask(), timeout_ms))
    queued(stage, look=look)
    stage.at(Block)
    return stage


def cancelled(stage: Stage, reason: str) -> None:
    """Assert that the flow cancels its request now, and let it."""
    call = stage.at(Call)
    assert (call.script.name, call.args[2]) == ("permit_cancel", reason)
    stage.reply("cancelled", -1)


# ------------------------------------------------------------------- tries


def test_a_try_that_is_granted_is_one_call() -> None:
    ask = an_ask()
    stage = Stage(acquire(ask, 0))
    call = stage.at(Call)
    assert (call.script.name, call.args[:3]) == ("permit_acquire", (ask.request, "a", "try"))
    granted(stage)
    assert stage.result.tokens == (7,)


def test_a_try_that_would_block_is_refused_and_cancels_nothing() -> None:
    stage = Stage(acquire(an_ask(), 0))
    stage.reply("refused", -1, "semaphore/x", 1, 2, 3, 3)
    assert isinstance(stage.error, WouldBlock)
    assert "3/3 permits in use, 2 waiting" in str(stage.error)


def test_a_try_whose_reply_is_lost_cancels_what_it_may_have_got() -> None:
    stage = Stage(acquire(an_ask(), 0))
    stage.fail(AWAY)
    cancelled(stage, "cancelled")
    assert stage.error is AWAY


# ------------------------------------------------------------------ waiting


def test_a_waiter_blocks_on_its_list_and_confirms_by_the_same_call() -> None:
    ask = an_ask()
    stage = Stage(acquire(ask, None))
    first = stage.at(Call)
    queued(stage)
    assert stage.at(Block).key == ask.wake
    stage.answer("granted 7", after=3)
    assert stage.at(Call).args == first.args
    granted(stage)
    assert (stage.result.holder, stage.result.tokens, stage.result.ttls_ms) == ("a", (7,), (30 * SECOND,))


def test_no_call_of_a_wait_takes_much_longer_than_the_deadline() -> None:
    stage = Stage(acquire(an_ask(), 5 * SECOND))
    assert stage.at(Call).seconds == pytest.approx(5)
    stage.fail(AWAY, after=4.5)
    stage.answer(after=0.1)
    assert stage.at(Call).seconds == 1, "a slow network may still bring the answer"
    stage.fail(AWAY, after=1)
    assert stage.at(Call).seconds == 2
    cancelled(stage, "cancelled")
    assert stage.error is AWAY


def test_a_wait_whose_grants_all_come_too_late_ends_at_its_deadline() -> None:
    stage = Stage(acquire(an_ask(), 5 * SECOND))
    granted(stage, left=100, after=3)
    granted(stage, left=100, after=3)
    cancelled(stage, "timeout")
    assert isinstance(stage.error, WaitTimeout)


def test_a_lease_is_counted_from_before_its_request_was_sent() -> None:
    stage = Stage(acquire(an_ask(), 0), now=1000.0)
    granted(stage, left=30 * SECOND, after=2.0)
    assert stage.result.deadlines == (pytest.approx(1030.0),)


def test_a_lease_without_an_end_has_no_deadline() -> None:
    stage = Stage(acquire(an_ask(), 0))
    granted(stage, left=-1)
    assert (stage.result.deadlines, stage.result.ttls_ms) == ((float("inf"),), (0,))


def test_each_of_several_leases_has_an_end_of_its_own() -> None:
    stage = Stage(acquire(an_ask(names=("x", "y", "z")), 0), now=0.0)
    stage.reply("granted", -1, "semaphore/x", 1, 0, 1, 1, "7", 30_000, "8", 10_000, "9", -1)
    result: Grant = stage.result
    assert (result.tokens, result.ttls_ms) == ((7, 8, 9), (30_000, 10_000, 0))
    assert result.deadlines == (30.0, 10.0, float("inf"))


def test_a_waiter_that_lapsed_queues_again() -> None:
    stage = waiting()
    stage.answer("granted 7")
    queued(stage, position=2)
    stage.at(Block)
    assert stage.said[-1] == "position 2 in the queue, 3/3 permits in use"


def test_a_grant_that_came_later_than_its_ttl_is_asked_for_again() -> None:
    stage = Stage(acquire(an_ask(), None))
    granted(stage, left=5 * SECOND, after=6.0)
    assert stage.at(Call).script.name == "permit_acquire"
    granted(stage, token=8, left=5 * SECOND, after=1.0)
    assert stage.result.tokens == (8,)


def test_a_waiter_sleeps_until_the_moment_it_was_told() -> None:
    stage = waiting(look=2_500)
    assert stage.at(Block).seconds == pytest.approx(2.5)
    stage.answer(None, after=2.5)
    stage.at(Call)


def test_a_waiter_shows_that_it_lives_every_25_seconds() -> None:
    stage = waiting()
    assert stage.at(Block).seconds == pytest.approx(25)
    stage.answer(None, after=25)
    stage.at(Call)


def test_a_wake_up_before_the_time_goes_on_blocking() -> None:
    stage = waiting()
    stage.answer(None, after=10)
    assert stage.at(Block).seconds == pytest.approx(15)


def test_a_new_head_is_told_when_to_look_without_asking() -> None:
    stage = waiting()
    stage.answer("arm 4000", after=1)
    assert stage.at(Block).seconds == pytest.approx(4)
    assert stage.said[-1].startswith("position 1 in the queue")


def test_a_watcher_is_told_when_to_look_and_keeps_its_position() -> None:
    stage = Stage(acquire(an_ask(), None))
    queued(stage, position=3)
    stage.answer("watch 4000", after=1)
    assert stage.at(Block).seconds == pytest.approx(4)
    assert stage.said == ["position 3 in the queue, 3/3 permits in use"]


@pytest.mark.parametrize("word", ["arm", "watch"])
def test_a_look_that_is_due_is_not_put_off(word: str) -> None:
    """The scripts have noted it, and take a waiter that never looks for dead."""
    stage = waiting(look=2_000)
    stage.answer(f"{word} 9000", after=1.9)
    assert stage.at(Call).script.name == "permit_acquire"


def test_a_moment_that_moved_away_for_ever_leaves_the_heartbeat() -> None:
    stage = waiting(look=2_000)
    stage.answer("arm -1", after=1)
    assert stage.at(Block).seconds == pytest.approx(24)


@pytest.mark.parametrize("message", ["look", "probe", "deleted"])
def test_any_other_message_makes_it_ask(message: str) -> None:
    stage = waiting()
    stage.answer(message)
    assert stage.at(Call).script.name == "permit_acquire"


def test_a_deleted_object_is_said_and_waited_for() -> None:
    stage = waiting()
    stage.answer("deleted")
    queued(stage, code="absent", permits=0)
    assert stage.said[-2:] == ["semaphore/x was deleted, waiting for a new one", "semaphore/x does not exist yet"]
    stage.at(Block)


def test_an_absent_object_is_waited_for_unless_it_must_exist() -> None:
    stage = Stage(acquire(an_ask(), None))
    queued(stage, code="absent")
    stage.at(Block)
    stage = Stage(acquire(an_ask(), None, must_exist=True))
    assert stage.at(Call).args[2] == "must-exist"
    queued(stage, code="absent")
    assert isinstance(stage.error, NotFound)


def test_progress_is_said_when_something_changes_and_with_the_time_left() -> None:
    stage = Stage(acquire(an_ask(), 60 * SECOND))
    for position in (2, 2, 1):
        queued(stage, position=position)
        stage.answer(None, after=25)
    assert stage.said == [f"position {n} in the queue, 3/3 permits in use" for n in (2, 1)]
    assert stage.deadlines == [60.0, 10.0]


def test_a_pause_is_named() -> None:
    stage = Stage(acquire(an_ask(), None))
    queued(stage, permits=0)
    assert stage.said == ["semaphore/x is paused (0 permits), position 1 in the queue"]


# -------------------------------------------------------------- how it ends


def test_a_timeout_cancels_with_its_reason_and_says_the_last_state() -> None:
    stage = waiting(10 * SECOND)
    assert stage.at(Block).seconds == pytest.approx(10)
    stage.answer(None, after=10)
    cancelled(stage, "timeout")
    assert isinstance(stage.error, WaitTimeout)
    assert "timed out after 10s waiting for semaphore/x: position 1 in the queue" in str(stage.error)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interruption_while_blocked_cancels_and_goes_on(interruption: BaseException) -> None:
    stage = waiting()
    stage.fail(interruption)
    cancelled(stage, "cancelled")
    assert stage.error is interruption


def test_an_interruption_of_the_call_cancels_what_it_may_have_got() -> None:
    stage = waiting()
    stage.answer("granted 7")
    stage.fail(KeyboardInterrupt())
    cancelled(stage, "cancelled")
    assert isinstance(stage.error, KeyboardInterrupt)


def test_a_cancel_that_fails_hides_nothing() -> None:
    stage = waiting()
    stage.fail(KeyboardInterrupt())
    stage.fail(AWAY)
    assert isinstance(stage.error, KeyboardInterrupt)


def test_a_flow_that_is_closed_ends_without_another_step() -> None:
    flow: Any = acquire(an_ask(), None)
    stage = Stage(flow)
    queued(stage)
    flow.close()
    assert flow.gi_frame is None


@pytest.mark.parametrize(
    "code, error, words",
    [
        ("impossible", Impossible, "has 3 permits: 1 can never be granted"),
        ("refused", WouldBlock, "would block"),
        ("duplicate", AlreadyWaiting, "already waiting"),
        ("fixed", Denied, "in another way"),
        ("cancelled", Denied, "was cancelled"),
    ],
)
def test_a_refusal_ends_the_wait_with_the_reason(code: str, error: type[Exception], words: str) -> None:
    stage = waiting()
    stage.answer("look")
    queued(stage, code=code)
    assert isinstance(stage.error, error)
    assert words in str(stage.error)


def test_a_second_waiter_pauses_for_the_probe_and_is_told_of_the_first() -> None:
    stage = Stage(acquire(an_ask(), None))
    queued(stage, code="probing", look=1_000)
    assert stage.at(Pause).seconds == pytest.approx(1)
    stage.answer(False, after=1)  # noqa: FBT003 - nobody told it to stop
    queued(stage, code="duplicate")
    assert isinstance(stage.error, AlreadyWaiting)


# ------------------------------------------------------------- Redis is away


def test_an_outage_is_sat_out_with_growing_pauses() -> None:
    stage = Stage(acquire(an_ask(), None))
    pauses = []
    for _ in range(10):
        stage.fail(AWAY)
        pauses.append(stage.at(Pause).seconds)
        stage.answer(False, after=pauses[-1])  # noqa: FBT003
    assert pauses[0] <= 0.05
    assert 1.0 <= pauses[-1] <= 2.0
    assert stage.said == ["Redis at x cannot be reached, trying again"]
    granted(stage)
    assert stage.result


def test_an_outage_ends_with_the_deadline_and_its_own_error() -> None:
    stage = Stage(acquire(an_ask(), 3 * SECOND))
    stage.fail(AWAY, after=2)
    assert stage.at(Pause).seconds <= 1
    stage.answer(False, after=1)  # noqa: FBT003
    stage.fail(AWAY)
    cancelled(stage, "cancelled")
    assert stage.error is AWAY


def test_what_does_not_pass_is_not_sat_out() -> None:
    wrong = Unavailable("Redis at x refused the password")
    stage = Stage(acquire(an_ask(), None))
    stage.fail(wrong)
    cancelled(stage, "cancelled")
    assert stage.error is wrong


def test_a_user_that_is_refused_after_it_was_let_in_is_known_again_in_a_moment() -> None:
    forgotten = Unavailable("Redis at x refused the user name or password", forgotten=True)
    stage = waiting()
    stage.fail(forgotten)
    stage.at(Pause)
    stage = Stage(acquire(an_ask(), None))
    stage.fail(forgotten)
    cancelled(stage, "cancelled")
    assert stage.error is forgotten


def test_an_outage_while_blocked_is_sat_out_before_it_asks() -> None:
    stage = waiting()
    stage.fail(AWAY)
    stage.at(Pause)
    stage.answer(False, after=0.05)  # noqa: FBT003
    stage.at(Call)


def test_a_list_that_may_not_be_blocked_on_ends_the_wait() -> None:
    forbidden = Unavailable("Redis at x does not allow this user to do that")
    stage = waiting()
    stage.fail(forbidden)
    cancelled(stage, "cancelled")
    assert stage.error is forbidden


def test_another_error_of_redis_ends_the_wait() -> None:
    stage = waiting()
    stage.answer("look")
    stage.fail(KonductorError("Redis at x holds something else"))
    cancelled(stage, "cancelled")
    assert isinstance(stage.error, KonductorError)


# ----------------------------------------------------------------- replicas


def test_a_grant_that_enough_replicas_have_is_kept() -> None:
    stage = Stage(acquire(an_ask(replicas=2), 0))
    assert stage.at(Call).replicas == 2
    granted(stage, acks=2)
    assert stage.result.tokens == (7,)


@pytest.mark.parametrize("timeout_ms", [0, None])
def test_a_grant_that_too_few_replicas_have_is_given_back(timeout_ms: int | None) -> None:
    stage = Stage(acquire(an_ask(replicas=2), timeout_ms))
    granted(stage, acks=1)
    cancelled(stage, "cancelled")
    assert isinstance(stage.error, Unavailable)
    assert "1 of 2 replicas acknowledged" in str(stage.error)
