"""Who is woken by what happens to others: each message costs its waiter a turn on the processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.scripts.bench import Bench


def test_a_new_head_that_will_look_too_late_is_told_when_to_look(bench: Bench) -> None:
    """It planned to look when the lease of a minute ends, but the grant before it lapses in five seconds."""
    sem = bench.semaphore(1, ttl="1m")
    bench.ask("a").wait()
    _, second = bench.queue("b", "c")
    sem.release("a")
    assert second.messages() == ["arm 5000"]


def test_a_new_head_that_will_look_in_time_is_left_asleep(bench: Bench) -> None:
    """It queued while a grant was about to lapse, so it looks by itself before the next grant can lapse."""
    sem = bench.semaphore(1, ttl="1m")
    bench.ask("a").wait()
    (first,) = bench.queue("b")
    sem.release("a")
    second, third = bench.queue("c", "d")
    bench.clock.advance(200)
    assert first.wait().granted
    sem.release("b")
    assert [message.split()[0] for message in second.messages()] == ["granted"]
    assert third.messages() == []
    bench.clock.advance(4900)
    assert 0 < third.wait().next_change_ms <= 100


def test_a_head_that_is_told_to_look_sooner_is_not_told_again(bench: Bench) -> None:
    bench.semaphore(2, ttl="1m")
    bench.ask("a").wait()
    bench.ask("b").wait()
    (head,) = bench.queue("c")
    bench.k.semaphore("x").renew("a", ttl="10s")
    assert head.messages() == ["arm 10000"]
    bench.k.semaphore("x").renew("b", ttl="20s")
    assert head.messages() == []


def test_telling_a_forgotten_waiter_leaves_no_key_behind(bench: Bench) -> None:
    sem = bench.semaphore(1, ttl="5m")
    bench.ask("a").wait()
    bench.queue("b", "c")
    bench.clock.advance(61_000)
    sem.release("a")
    assert not [key for key in bench.all_keys() if ":request:" in key]
