"""Ctrl-C at any moment: nothing stays queued or held, and no reply answers another's question."""

from __future__ import annotations

import os
import random
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis.connection import UnixDomainSocketConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from konductor_core.client import Konductor
    from tests.races.conftest import Place


def test_a_reply_that_was_not_read_answers_no_later_question(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment between sending and reading is too short to hit with a signal; here it is hit for sure."""
    place.k.semaphore("one").define(permits=1)
    place.k.barrier("all").define(expected=2)
    place.k.semaphore("one").status()

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(UnixDomainSocketConnection, "read_response", interrupted)
        with pytest.raises(KeyboardInterrupt):
            place.k.semaphore("one").status()
    assert place.k.barrier("all").status().spec.expected == 2
    assert place.k.semaphore("one").status().spec.permits == 1


@contextmanager
def contended(k: Konductor) -> Iterator[None]:
    """Hold the permit now and then, so that a waiter waits, is granted or is refused at random moments."""
    chance, ending = random.Random(1), threading.Event()

    def contend() -> None:
        while not ending.wait(chance.uniform(0, 0.004)):
            with k.semaphore("one").acquire(holder="other"):
                ending.wait(chance.uniform(0, 0.004))

    thread = threading.Thread(target=contend)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def test_a_wait_that_is_interrupted_leaves_nothing_behind(place: Place) -> None:
    turns, chance = 150, random.Random(2)
    place.k.semaphore("one").define(permits=1)
    with contended(place.k):
        worker = place.crew.start("be_interrupted", turns=turns)
        for _ in range(turns):
            worker.hear("asks")
            threading.Event().wait(0.0003 * 100 ** chance.random())  # moments of every size
            os.kill(worker.pid, signal.SIGINT)
            worker.hear("interrupted", "held")
    status = place.k.semaphore("one").status()
    assert (status.holders, status.waiters) == ((), ())
    done = [line["op"] for line in worker.lines]
    assert done.count("interrupted") > turns / 10
    assert done.count("held") > turns / 10
