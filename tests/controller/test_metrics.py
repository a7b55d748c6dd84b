"""What Prometheus is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core import Konductor
from konductor_core.controller.calls import LIST_PODS
from konductor_core.controller.metrics import Metrics
from konductor_core.controller.view import Key
from konductor_core.identity import Kind
from konductor_core.models import SPECS

if TYPE_CHECKING:
    from tests.servers import Server


NEEDED = {Kind.SEMAPHORE: {"permits": 1}, Kind.BARRIER: {"expected": 1}}
"""What a spec of the kind cannot do without."""


def key(kind: Kind, name: str) -> Key:
    return Key(kind, "etl", name)


def test_an_object_is_shown_as_it_is_and_not_any_more_when_it_is_gone(any_server: Server) -> None:
    metrics = Metrics(10)
    with Konductor(any_server.url, namespace="etl", holder="tester") as konductor:
        semaphore, barrier, group = konductor.semaphore("s"), konductor.barrier("b"), konductor.waitgroup("w")
        semaphore.define(3)
        barrier.define(5, quorum=4)
        group.define()
        semaphore.acquire(2, ttl="1m")
        barrier.arrive("x")
        group.add(count=3)
        metrics.note(key(Kind.SEMAPHORE, "s"), semaphore.status())
        metrics.note(key(Kind.BARRIER, "b"), barrier.status())
        metrics.note(key(Kind.WAITGROUP, "w"), group.status())
    lines = metrics.text().decode().splitlines()
    for line in (
        'konductor_semaphore_permits{name="s",namespace="etl"} 3.0',
        'konductor_semaphore_in_use{name="s",namespace="etl"} 2.0',
        'konductor_semaphore_grants_total{name="s",namespace="etl"} 1.0',
        'konductor_barrier_expected{name="b",namespace="etl"} 5.0',
        'konductor_barrier_needed{name="b",namespace="etl"} 4.0',
        'konductor_barrier_arrived{name="b",namespace="etl"} 1.0',
        'konductor_waitgroup_counter{name="w",namespace="etl"} 3.0',
    ):
        assert line in lines
    metrics.note(key(Kind.SEMAPHORE, "s"), None)
    assert 'name="s"' not in metrics.text().decode()
    metrics.forget_objects()
    assert 'namespace="etl"' not in metrics.text().decode()


def test_labels_stay_bounded_however_many_objects_there_are(any_server: Server) -> None:
    metrics = Metrics(3)
    with Konductor(any_server.url, namespace="etl", holder="tester") as konductor:
        konductor.barrier("b").define(1)
        for number in range(10):
            metrics.note(key(Kind.BARRIER, f"b-{number}"), konductor.barrier("b").status())
    text = metrics.text().decode()
    assert text.count("konductor_barrier_expected{") == 3
    assert 'konductor_objects{kind="Barrier"} 10.0' in text
    assert 'konductor_objects_hidden{kind="Barrier"} 7.0' in text


@pytest.mark.parametrize("status, up", [(200, 1), (404, 1), (0, 0), (503, 0)])
def test_an_api_that_answers_is_up_whatever_it_says(status: int, up: int) -> None:
    metrics = Metrics(1)
    metrics.called(LIST_PODS, status)
    lines = metrics.text().decode().splitlines()
    assert f"konductor_api_up {up}.0" in lines
    assert f'konductor_api_requests_total{{code="{status}",resource="pods",verb="list"}} 1.0' in lines


def test_every_kind_is_shown(any_server: Server) -> None:
    """Whatever exists has metrics under its kind's name, and the page with all of them can be read."""
    metrics = Metrics(10)
    with Konductor(any_server.url, namespace="etl", holder="tester") as konductor:
        for kind, spec in SPECS.items():
            handle = getattr(konductor, kind.key)("x")
            handle.define_spec(spec.from_dict(NEEDED.get(kind, {})))
            metrics.note(key(kind, "x"), handle.status())
        konductor.once("x").begin(ttl="1m").fail("why")
        konductor.once("x").begin(ttl="1m")
        metrics.note(key(Kind.ONCE, "x"), konductor.once("x").status())
    lines = metrics.text().decode().splitlines()
    for kind in SPECS:
        assert any(line.startswith(f"konductor_{kind.key}_") and 'name="x"' in line for line in lines), kind
    assert 'konductor_once_failures_total{name="x",namespace="etl"} 1.0' in lines
    assert 'konductor_once_done{name="x",namespace="etl"} 0.0' in lines
    assert 'konductor_once_holders{name="x",namespace="etl"} 1.0' in lines
