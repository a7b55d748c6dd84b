"""What scripts leave for others: the history, the dirty set, the nudge, messages to broadcast waiters."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from konductor_core import keys as layout
from konductor_core.durations import DIRTY_TTL
from konductor_core.errors import WouldBlock
from konductor_core.identity import Kind
from tests.scripts.bench import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scripts.bench import Bench

DIRTY = layout.dirty(NAMESPACE)


class Channel:
    """A subscription, and what it has heard."""

    def __init__(self, bench: Bench, name: str) -> None:
        self._pubsub: Any = bench.client.pubsub()  # type: ignore[no-untyped-call]
        self._pubsub.subscribe(name)
        assert self._read()["type"] == "subscribe"

    def _read(self) -> Any:
        return self._pubsub.get_message(timeout=0.2)

    def heard(self) -> list[str]:
        found = []
        while message := self._read():
            found.append(message["data"])
        return found


def setup(bench: Bench) -> None:
    bench.semaphore(2).acquire(timeout=0, holder="held")
    bench.barrier(3, name="x").arrive("first")


MUTATIONS: dict[str, tuple[str, Callable[[Bench], object]]] = {
    "define": ("semaphore/x", lambda bench: bench.k.semaphore("x").define(9)),
    "acquire": ("semaphore/x", lambda bench: bench.k.semaphore("x").acquire(timeout=0, holder="a")),
    "queue": ("semaphore/x", lambda bench: bench.ask("a", 2).wait()),
    "renew": ("semaphore/x", lambda bench: bench.k.semaphore("x").renew("held")),
    "release": ("semaphore/x", lambda bench: bench.k.semaphore("x").release("held")),
    "force-release": ("semaphore/x", lambda bench: bench.k.semaphore("x").force_release("held")),
    "reset": ("semaphore/x", lambda bench: bench.k.semaphore("x").reset()),
    "delete": ("semaphore/x", lambda bench: bench.k.semaphore("x").delete()),
    "define barrier": ("barrier/x", lambda bench: bench.k.barrier("x").define(4)),
    "arrive": ("barrier/x", lambda bench: bench.k.barrier("x").arrive("second")),
    "reset barrier": ("barrier/x", lambda bench: bench.k.barrier("x").reset()),
    "delete barrier": ("barrier/x", lambda bench: bench.k.barrier("x").delete()),
}

QUIET: dict[str, Callable[[Bench], object]] = {
    "equal define": lambda bench: bench.k.semaphore("x").define(2),
    "status": lambda bench: bench.k.semaphore("x").status(),
    "release of nothing": lambda bench: bench.k.semaphore("x").release("nobody"),
    "equal define of a barrier": lambda bench: bench.k.barrier("x").define(3),
    "status of a barrier": lambda bench: bench.k.barrier("x").status(),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_mutation_marks_the_object_dirty_and_nudges(bench: Bench, mutation: str) -> None:
    name, act = MUTATIONS[mutation]
    setup(bench)
    bench.client.delete(DIRTY)
    nudges = Channel(bench, layout.nudge(NAMESPACE))
    act(bench)
    assert nudges.heard() == [name]
    assert bench.client.zrange(DIRTY, 0, -1) == [name]
    assert 0 < bench.client.pttl(DIRTY) <= DIRTY_TTL


@pytest.mark.parametrize("call", QUIET)
def test_what_changes_nothing_nudges_nobody(bench: Bench, call: str) -> None:
    setup(bench)
    bench.client.delete(DIRTY)
    nudges = Channel(bench, layout.nudge(NAMESPACE))
    QUIET[call](bench)
    assert nudges.heard() == []
    assert not bench.client.exists(DIRTY)


def test_an_expiry_that_a_read_discovers_is_a_mutation(bench: Bench) -> None:
    bench.semaphore(2).acquire(timeout=0, ttl="10s", holder="held")
    bench.clock.advance(11_000)
    bench.client.delete(DIRTY)
    bench.k.semaphore("x").status()
    assert bench.client.exists(DIRTY)


def test_the_dirty_set_is_capped_and_drops_the_oldest(bench: Bench) -> None:
    bench.client.zadd(DIRTY, {f"semaphore/old-{n}": n for n in range(10_000)})
    bench.semaphore(1)
    assert bench.client.zcard(DIRTY) == 10_000
    assert bench.client.zscore(DIRTY, "semaphore/old-0") is None
    assert bench.client.zscore(DIRTY, "semaphore/x") is not None


def test_the_history_tells_a_lease_from_its_request_to_its_end(bench: Bench) -> None:
    sem = bench.semaphore(1, ttl="10s")
    first = sem.acquire(timeout=0, holder="a")
    (request,) = bench.queue("b")
    sem.release("a")
    token = request.wait().token
    bench.clock.advance(11_000)
    sem.status()
    told = [(event.type, event.holder, event.token) for event in sem.events()]
    assert told == [
        ("created", None, None),
        ("granted", "a", first.token),
        ("queued", "b", None),
        ("released", "a", first.token),
        ("granted", "b", token),
        ("expired", "b", None),
    ]


def test_the_history_is_bounded(real: Bench) -> None:
    sem = real.semaphore(1)
    for n in range(400):
        real.ask(f"h{n}").attempt()
        sem.release(f"h{n}")
    assert 500 <= real.client.xlen(real.keys().events) <= 700


def test_the_history_can_be_read_on_from_an_event(bench: Bench) -> None:
    sem = bench.semaphore(9)
    for n in range(5):
        sem.acquire(timeout=0, holder=f"h{n}")
    everything = sem.events()
    assert sem.events(2) == everything[-2:]
    assert sem.events(2, since_id=everything[1].id) == everything[2:4]
    assert sem.events(since_id=everything[-1].id) == []


def test_counters_count(bench: Bench) -> None:
    sem = bench.semaphore(1, ttl="10s")
    sem.acquire(timeout=0, holder="a")
    with pytest.raises(WouldBlock):
        sem.acquire(timeout=0, holder="b")
    sem.renew("a")
    bench.queue("c")[0].cancel("timeout")
    bench.clock.advance(11_000)
    counters = sem.status().counters
    assert {name: counters[name] for name in ("grants", "refusals", "expiries", "timeouts", "renewals")} == {
        "grants": 1,
        "refusals": 1,
        "expiries": 1,
        "timeouts": 1,
        "renewals": 1,
    }


def test_broadcast_waiters_hear_of_progress_opening_reset_and_delete(bench: Bench) -> None:
    barrier = bench.barrier(2, name="x")
    first = barrier.status().epoch
    channel = Channel(bench, bench.keys("x", Kind.BARRIER).state)
    barrier.arrive("a")
    barrier.arrive("b")
    second = barrier.reset()
    barrier.delete()
    third = barrier.define(1).epoch
    assert channel.heard() == [
        f"progress {first} 1 1 2",
        f"open {first} 1 2 2",
        f"reset {second}",
        f"deleted {second}",
        f"defined {third}",
    ]


def test_progress_is_told_at_most_once_a_second(fake: Bench) -> None:
    barrier = fake.barrier(1000, name="x")
    channel = Channel(fake, fake.keys("x", Kind.BARRIER).state)
    for n in range(100):
        barrier.arrive(f"h{n}")
        fake.clock.advance(25)
    counts = [message.split()[3] for message in channel.heard()]
    assert counts == ["1", "41", "81"]


def look(bench: Bench, request: str) -> None:
    bench.script("barrier_wait", bench.keys("x", Kind.BARRIER).latch, request, "w", 0, "", "- w")


def test_the_waiter_that_progress_names_makes_heard_what_was_held_back(bench: Bench) -> None:
    barrier = bench.barrier(9, name="x")
    look(bench, "waiter-1")
    channel = Channel(bench, bench.keys("x", Kind.BARRIER).state)
    for arrival in "abc":
        barrier.arrive(arrival)
    epoch = barrier.status().epoch
    assert channel.heard() == [f"progress {epoch} 1 1 9 waiter-1"]
    bench.clock.advance(1_050)
    look(bench, "waiter-1")
    look(bench, "waiter-1")
    assert channel.heard() == [f"progress {epoch} 1 3 9 waiter-1"], "once, and nothing when there is no news"


def test_progress_starts_anew_with_every_cycle(bench: Bench) -> None:
    barrier = bench.barrier(2, name="x", cyclic=True)
    channel = Channel(bench, bench.keys("x", Kind.BARRIER).state)
    barrier.arrive("a")
    bench.clock.advance(1_050)
    barrier.arrive("b")
    barrier.arrive("a")
    words = [message.split()[0] + message.split()[2] for message in channel.heard()]
    assert words == ["progress1", "open1", "progress2"]


def test_broadcast_waiters_hear_why_a_barrier_failed(bench: Bench) -> None:
    barrier = bench.barrier(3, name="x", timeout="10s")
    barrier.arrive("a")
    epoch = barrier.status().epoch
    channel = Channel(bench, bench.keys("x", Kind.BARRIER).state)
    bench.clock.advance(11_000)
    barrier.status()
    assert channel.heard() == [f"failed {epoch} 1 1 3 timeout with 1/3 arrived"]


def test_the_patched_clock_is_what_fakeredis_goes_by(fake: Bench) -> None:
    before = fake.client.time()
    time_before = time.monotonic()
    fake.clock.advance(5_000)
    assert fake.client.time()[0] - before[0] == 5
    assert time.monotonic() - time_before < 2
