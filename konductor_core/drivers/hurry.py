"""For callers with less patience than connections have: to connect, or to ask who is the master, may take long."""

from __future__ import annotations

import threading
from math import inf
from typing import TYPE_CHECKING, TypeVar

from redis.exceptions import TimeoutError  # noqa: A004 - redis-py's own

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_time"]

T = TypeVar("T")


def in_time(work: Callable[[], T], seconds: float, *, late: Callable[[T], object] | None = None) -> T:
    """Return what `work` returns, or raise what it raises; work that takes longer is left behind in its thread.

    Raises redis-py's `TimeoutError` then; `late` gets what the work returns in the end all the same.
    """
    if seconds == inf:
        return work()
    if seconds <= 0:
        raise TimeoutError("no answer in time")
    results: list[T] = []
    errors: list[BaseException] = []
    done, decided = threading.Event(), threading.Lock()  # whoever takes the lock first decides for whom the result is

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised by the caller
            errors.append(error)
        if decided.acquire(blocking=False):
            done.set()
        elif results and late is not None:
            late(results[0])

    try:
        _start_and_wait(run, done, seconds)
    finally:
        left_behind = decided.acquire(blocking=False)
    if left_behind:
        raise TimeoutError("no answer in time")
    done.wait()
    if errors:
        raise errors[0]
    return results[0]


def _start_and_wait(run: Callable[[], None], done: threading.Event, seconds: float) -> None:
    try:
        threading.Thread(target=run, name="konductor-call", daemon=True).start()
        done.wait(seconds)
    except RuntimeError as error:  # Python's, when it is interrupted while it takes back the lock of an Event
        if error.__context__ is not None and not isinstance(error.__context__, Exception):
            raise error.__context__ from None
        raise
