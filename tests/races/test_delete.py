"""Deleting an object that is in full use leaves nothing that would stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.races.conftest import NAMESPACE
from tests.servers import until

if TYPE_CHECKING:
    import redis

    from tests.races.conftest import Place

MINUTE_MS = 60_000
DIRTY = f"konductor:{{{NAMESPACE}}}:dirty"


def ttls(client: redis.Redis) -> dict[str, int]:
    """Return all keys with the milliseconds they have left; -1 means for ever."""
    return {key.decode(): client.pttl(key) for key in client.scan_iter(count=1000)}


def test_no_key_stays_after_a_deletion_with_holders_and_waiters(place: Place) -> None:
    semaphore = place.k.semaphore("one")
    semaphore.define(permits=3, labels={"team": "a"})
    semaphore.acquire(2, ttl="10m", holder="holder")
    semaphore.acquire(1, ttl=0, force=True, holder="endless")
    waiters = [place.crew.start() for _ in range(4)]
    for number, waiter in enumerate(waiters):
        waiter.tell("acquire", name="one", permits=1 + number % 2, priority=number)
    until(lambda: semaphore.status().waiting == len(waiters), "all wait")
    barrier = place.k.barrier("all")
    barrier.define(expected=9, cyclic=True)
    barrier.arrive("a")
    listener = place.crew.start()
    listener.tell("wait", name="all")
    until(lambda: barrier.status().waiting == 1, "the barrier has a waiter")

    assert semaphore.delete()
    assert barrier.delete()
    for waiter in waiters:
        waiter.hear_text("was deleted")
    listener.hear_text("does not exist yet")
    # The waiters go on waiting for new objects, and keep no more than themselves.
    assert [key for key, left in ttls(place.client).items() if left < 0] == []
    for worker in (*waiters, listener):
        worker.kill()
    left = ttls(place.client)
    assert left.pop(DIRTY) > MINUTE_MS
    assert all(0 < ms <= MINUTE_MS for ms in left.values()), left


def test_waiters_of_a_deleted_object_get_their_turn_in_the_next_one(place: Place) -> None:
    semaphore = place.k.semaphore("one")
    semaphore.define(permits=1)
    semaphore.acquire(ttl="10m", holder="holder")
    waiters = [place.crew.start() for _ in range(3)]
    for number, waiter in enumerate(waiters):
        waiter.tell("acquire", name="one", holder=f"waiter-{number}")
        waiter.hear_text("position")
    assert semaphore.delete()
    for waiter in waiters:
        waiter.hear_text("does not exist yet")
    semaphore.define(permits=1)
    for waiter in waiters:
        waiter.hear("held")
        waiter.ask("release", "released")
