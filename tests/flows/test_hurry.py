"""Work with a deadline: what becomes of the work that misses it."""

from __future__ import annotations

import threading
from math import inf

import pytest
from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004 - redis-py's own

from konductor_core.drivers.hurry import in_time
from tests.servers import until


def test_work_that_is_done_in_time_is_returned_or_raised() -> None:
    def broken() -> None:
        raise ConnectionError("cut")

    assert in_time(lambda: 7, 5) == 7
    with pytest.raises(ConnectionError, match="cut"):
        in_time(broken, 5)


def test_without_a_deadline_nothing_is_started() -> None:
    assert in_time(threading.current_thread, inf) is threading.current_thread()


def test_what_comes_too_late_goes_to_whoever_clears_it_away() -> None:
    done, late = threading.Event(), list[str]()

    def slow() -> str:
        done.wait(10)
        return "a connection"

    with pytest.raises(TimeoutError):
        in_time(slow, 0.01, late=late.append)
    assert late == []
    done.set()
    until(lambda: late == ["a connection"], "the late result was handed over")


def test_a_moment_that_has_passed_starts_nothing() -> None:
    with pytest.raises(TimeoutError):
        in_time(lambda: pytest.fail("started"), 0)
