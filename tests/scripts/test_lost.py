"""What a holder reports of a lost lease goes into the history, and changes nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core.errors import NotFound

if TYPE_CHECKING:
    from tests.scripts.bench import Bench


def test_a_loss_is_noted_with_holder_token_and_reason(bench: Bench) -> None:
    semaphore = bench.semaphore(permits=1)
    token = semaphore.acquire(holder="a").token
    semaphore.force_release("a")
    semaphore.report_lost("a", token, "the node slept")
    event = bench.events()[-1]
    assert (event.type, event.holder, event.token, event.detail) == ("lost", "a", token, "the node slept")


def test_a_report_touches_neither_leases_nor_waiters(bench: Bench) -> None:
    semaphore = bench.semaphore(permits=1)
    semaphore.acquire(holder="b")
    (waiting,) = bench.queue("c")
    semaphore.report_lost("a", 1)
    assert (bench.holders(), bench.waiters()) == ({"b": 1}, ["c"])
    assert waiting.messages() == []


def test_the_same_report_again_is_noted_once(bench: Bench) -> None:
    bench.semaphore()
    for _ in range(2):
        assert bench.script("permit_lost", bench.keys().permits, "r1", "a", 7, "why")[:2] == ["lost", -1]
    assert bench.event_types().count("lost") == 1


def test_an_absent_object_has_no_history(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.k.semaphore("x").report_lost("a", 1)
    assert bench.all_keys() == []
