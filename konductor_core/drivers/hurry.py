"""For callers with less patience than connections have: to connect, or to ask who is the master, may take long."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from redis.exceptions import TimeoutError  # noqa: A004 - redis-py's own

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_time"]

T = TypeVar("T")


def in_time(work: Callable[[], T], seconds: float) -> T:
    """Return what `work` returns, or raise what it raises; work that takes longer is left behind in its thread.

    Raises redis-py's `TimeoutError` then.
    """
    if seconds <= 0:
        raise TimeoutError("no answer in time")
    results: list[T] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised by the caller
            errors.append(error)
        done.set()

    threading.Thread(target=run, name="konductor-call", daemon=True).start()
    if not done.wait(seconds):
        raise TimeoutError("no answer in time")
    if errors:
        raise errors[0]
    return results[0]
