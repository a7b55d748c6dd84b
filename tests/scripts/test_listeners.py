"""Who waits: the names of those who listen until something opens, and waits for what does not exist."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from konductor_core import Konductor
from konductor_core.durations import WAITER_TTL
from konductor_core.errors import NotFound, WaitTimeout
from konductor_core.flows.listeners import who
from konductor_core.flows.scenes import Awaited, read_awaited
from konductor_core.identity import Kind
from tests.scripts.audit import assert_only_passing_keys
from tests.scripts.bench import NAMESPACE

if TYPE_CHECKING:
    from tests.scripts.bench import Bench

LISTENING = (
    (Kind.BARRIER, "barrier_wait", ("w", 0, "")),
    (Kind.WAITGROUP, "waitgroup_wait", (0, 0)),
    (Kind.ONCE, "once_wait", ()),
)


def listen(bench: Bench, kind: Kind, request: str, holder: str, pod: str = "") -> list[Any]:
    """Ask as a wait does, and stay counted."""
    script, args = next((script, args) for each, script, args in LISTENING if each is kind)
    keys = bench.keys("o", kind)
    reply: list[Any] = bench.script(
        script, keys.permits if kind is Kind.ONCE else keys.latch, request, *args, who(holder, pod)
    )
    return reply


def make(bench: Bench, kind: Kind) -> Any:
    """Return the handle of the object `o`, which exists and is not open."""
    handle = getattr(bench.k, kind.key)("o")
    handle.define(**({"expected": 2} if kind is Kind.BARRIER else {}))
    return handle


def awaited(bench: Bench) -> Awaited:
    return bench.k.driver.run(read_awaited(NAMESPACE))


def listed(handle: Any) -> list[tuple[str, str]]:
    status = handle.status()
    return [(each.holder, each.pod) for each in getattr(status, "listeners", None) or status.waiters]


@pytest.mark.parametrize("kind", [kind for kind, *_ in LISTENING])
def test_a_status_names_who_waits_the_longest_first(bench: Bench, kind: Kind) -> None:
    handle = make(bench, kind)
    listen(bench, kind, "r1", "loader 1", "pod-1")
    bench.clock.advance(5)
    listen(bench, kind, "r2", "loader 2")
    listen(bench, kind, "r1", "loader 1", "pod-1")  # its heartbeat changes nothing
    assert listed(handle) == [("loader 1", "pod-1"), ("loader 2", "")]


@pytest.mark.parametrize("kind", [kind for kind, *_ in LISTENING])
def test_who_gives_up_or_dies_is_not_named_any_more(bench: Bench, kind: Kind) -> None:
    handle = make(bench, kind)
    listen(bench, kind, "r1", "gave-up")
    bench.script("latch_leave", bench.keys("o", kind).latch, "r1")
    listen(bench, kind, "r2", "dead")
    assert listed(handle) == [("dead", "")]
    bench.clock.advance(WAITER_TTL + 1)
    assert listed(handle) == []
    listen(bench, kind, "r3", "alive")
    assert list(bench.client.hgetall(bench.keys("o", kind).meta + ":names")) == ["r3"]


def test_nobody_is_named_once_it_has_opened(bench: Bench) -> None:
    barrier, once, group = (make(bench, kind) for kind, *_ in LISTENING[:1] + LISTENING[2:] + LISTENING[1:2])
    group.add()
    for kind, *_ in LISTENING:
        listen(bench, kind, f"r-{kind}", "w")
    barrier.arrive("a")
    barrier.arrive("b")
    once.begin(holder="runner").complete()
    group.done()
    for kind, *_ in LISTENING:
        assert bench.client.keys(bench.keys("o", kind).meta + ":names") == []
        assert listed(getattr(bench.k, kind.key)("o")) == []


def test_names_outlive_a_reset_as_waits_do(bench: Bench) -> None:
    barrier = make(bench, Kind.BARRIER)
    listen(bench, Kind.BARRIER, "r1", "w")
    barrier.reset()
    assert listed(barrier) == [("w", "")]
    barrier.delete()
    assert_only_passing_keys(bench.client)


def test_the_library_says_who_waits_and_in_which_pod(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = make(bench, Kind.BARRIER)
    seen: list[Any] = []
    monkeypatch.setitem(os.environ, "POD_NAME", "loader-x7k2p")

    def look(_: object) -> None:
        seen.extend(listed(handle))

    k = Konductor(bench.k.settings.redis.display, namespace=bench.k.namespace, holder="loader")
    k.driver.servers = bench.k.driver.servers
    with pytest.raises(WaitTimeout):
        k.barrier("o").wait(timeout=0, on_progress=look)
    assert seen == [("loader", "loader-x7k2p")]
    assert listed(handle) == []


@pytest.mark.parametrize("kind", [kind for kind, *_ in LISTENING])
def test_a_wait_for_what_does_not_exist_is_noted_until_it_ends(bench: Bench, kind: Kind) -> None:
    listen(bench, kind, "r1", "early", "pod-1")
    listeners = awaited(bench).listeners
    assert [(kind, name, [each.holder for each in found]) for (kind, name), found in listeners.items()] == [
        (kind, "o", ["early"])
    ]
    assert_only_passing_keys(bench.client)
    assert listed(make(bench, kind)) == [("early", "pod-1")]
    assert awaited(bench).listeners == {}


def test_a_queue_for_what_does_not_exist_is_noted_with_all_that_is_asked_for(bench: Bench) -> None:
    bench.ask("h", permits=3, priority=7).wait()
    bench.ask("i").wait()
    (found,) = awaited(bench).waiters.items()
    assert found[0] == (Kind.SEMAPHORE, "x")
    assert [(each.holder, each.permits, each.priority, each.position) for each in found[1]] == [
        ("h", 3, 7, 1),
        ("i", 1, 0, 2),
    ]
    bench.clock.advance(WAITER_TTL + 1)
    assert awaited(bench).waiters == {}


def test_a_wait_that_must_not_wait_leaves_nobody_waiting(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.k.barrier("o").wait(must_exist=True)
    assert awaited(bench).listeners == {}
