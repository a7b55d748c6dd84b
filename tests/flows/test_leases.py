"""The protocol of renewing and releasing, without a server."""

from __future__ import annotations

import pytest

from konductor_core.errors import LeaseLost, NotFound, Unavailable
from konductor_core.flows.leases import RETRY, Hold, Released, keep_renewed, release, renew
from konductor_core.flows.steps import Call, Pause
from konductor_core.identity import Kind
from konductor_core.keys import ObjectKeys
from tests.flows.stage import Stage

KEYS = ObjectKeys("ns", Kind.SEMAPHORE, "x")
AWAY = Unavailable("Redis at x cannot be reached", passing=True)


def a_hold(ttl_ms: int = 30_000, now: float = 1000.0) -> Hold:
    return Hold(KEYS, "a", permits=1, token=7, ttl_ms=ttl_ms, deadline=now + ttl_ms / 1000)


def keeping(hold: Hold | None = None) -> Stage:
    return Stage(keep_renewed(hold or a_hold()))


def pause(stage: Stage, *, late: float = 0.0, stop: bool = False) -> float:
    seconds = stage.at(Pause).seconds
    stage.answer(stop, after=0.0 if stop else seconds + late)
    return seconds


def renewed(stage: Stage, left: int = 30_000, *, after: float = 0.0) -> None:
    stage.reply("renewed", -1, "7", left, 1, after=after)


def test_a_lease_is_renewed_at_a_third_of_its_ttl() -> None:
    stage = keeping()
    for _ in range(3):
        assert pause(stage) == pytest.approx(10)
        assert stage.at(Call).args == ("a", 7, 30_000)
        renewed(stage)


def test_a_renewal_counts_from_before_it_was_sent() -> None:
    hold = a_hold()
    stage = keeping(hold)
    pause(stage)
    renewed(stage, after=2.0)
    assert hold.deadline == pytest.approx(1000 + 10 + 30)


def test_it_ends_without_a_reason_when_it_is_told_to_stop() -> None:
    stage = keeping()
    pause(stage, stop=True)
    assert (stage.ended, stage.result) == (True, "")


def test_a_lease_that_redis_knows_no_more_is_lost_at_once() -> None:
    stage = keeping()
    pause(stage)
    stage.reply("lost", -1, "", 0, 0)
    assert "ended or was given to another" in stage.result


@pytest.mark.parametrize("absent", [False, True])
def test_an_outage_is_tried_again_until_the_leases_own_deadline(*, absent: bool) -> None:
    stage = keeping()
    pause(stage)
    pauses = []
    while not stage.ended:
        stage.at(Call)
        if absent:
            stage.reply("absent", -1, "", 0, 0)
        else:
            stage.fail(AWAY)
        pauses.append(pause(stage))
    assert stage.now == pytest.approx(1030)
    assert max(pauses) == RETRY
    assert "TTL passed before it could be renewed" in stage.result


def test_a_lease_that_could_be_renewed_after_an_outage_is_kept() -> None:
    hold = a_hold()
    stage = keeping(hold)
    pause(stage)
    stage.fail(AWAY, after=5)
    assert pause(stage) == 0, "the connection may have died silently, and another may work"
    stage.fail(AWAY, after=5)
    assert pause(stage) == RETRY
    renewed(stage)
    assert pause(stage) == pytest.approx(10)
    assert hold.deadline == pytest.approx(1000 + 10 + 5 + 5 + RETRY + 30)


def test_one_renewal_takes_a_third_of_the_ttl_at_most_and_never_longer_than_the_lease_lasts() -> None:
    stage = keeping(a_hold(ttl_ms=6_000))
    limits = []
    pause(stage)
    while not stage.ended:
        limits.append(stage.at(Call).seconds)
        stage.fail(AWAY, after=limits[-1])
        pause(stage)
    assert limits == [pytest.approx(2), pytest.approx(2)]
    assert stage.now == pytest.approx(1006)


def test_a_renewal_whose_reply_comes_after_its_own_ttl_is_noticed_at_once() -> None:
    stage = keeping()
    pause(stage)
    stage.reply("renewed", -1, "7", 30_000, 1, after=40)
    assert pause(stage) == 0
    assert "TTL passed" in stage.result


def test_a_process_that_was_stopped_over_its_ttl_does_not_believe_that_it_holds() -> None:
    stage = keeping()
    pause(stage, late=60)
    assert "TTL passed" in stage.result


def test_renew_returns_what_is_held_now() -> None:
    stage = Stage(renew(KEYS, "a", None, None))
    assert stage.at(Call).args == ("a", "", -1)
    stage.reply("renewed", -1, "9", 5_000, 3, after=1.0)
    hold = stage.result
    assert (hold.token, hold.permits, hold.ttl_ms, hold.deadline) == (9, 3, 5_000, 1005.0)


def test_renew_of_a_lease_without_an_end_has_no_deadline() -> None:
    stage = Stage(renew(KEYS, "a", 7, 0))
    stage.reply("renewed", -1, "7", -1, 1)
    assert (stage.result.ttl_ms, stage.result.deadline) == (0, float("inf"))


@pytest.mark.parametrize("code, error", [("lost", LeaseLost), ("absent", NotFound)])
def test_renew_says_what_is_wrong(code: str, error: type[Exception]) -> None:
    stage = Stage(renew(KEYS, "a", 7, None))
    stage.reply(code, -1, "", 0, 0)
    assert isinstance(stage.error, error)


@pytest.mark.parametrize(
    "code, released",
    [
        ("released", Released.RELEASED),
        ("expired", Released.EXPIRED),
        ("not-held", Released.NOT_HELD),
        ("absent", Released.NOT_HELD),
    ],
)
def test_release_says_which_it_was(code: str, released: Released) -> None:
    stage = Stage(release(KEYS, "a", 7))
    assert stage.at(Call).args[1:] == ("a", 7, "released")
    stage.reply(code, -1)
    assert stage.result is released


def test_every_release_has_a_request_id_of_its_own() -> None:
    first, second = (Stage(release(KEYS, "a")).at(Call).args[0] for _ in range(2))
    assert first != second


def test_a_lease_is_given_up_early_where_there_must_be_time_to_stop() -> None:
    hold = a_hold()
    stage = Stage(keep_renewed(hold, early=0.25))
    pause(stage)
    while not stage.ended:
        stage.fail(AWAY)
        pause(stage)
    assert stage.now == pytest.approx(1000 + 30 * 0.75)
    assert "could not be renewed in time" in stage.result
