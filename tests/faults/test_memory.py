"""The server's memory is full under load: refusals are clean, and what is held goes on, ends and is handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core.client import Konductor
from konductor_core.errors import Unavailable
from tests.checker import check_permits
from tests.faults.objects import NAMESPACE, PERMITS, SEMAPHORE

if TYPE_CHECKING:
    import redis

    from tests.conftest import FreshServer
    from tests.faults.conftest import Trials
    from tests.servers import Kind


def fill(client: redis.Redis) -> None:
    """Leave no byte: from here on every command that may need memory is refused."""
    client.config_set("maxmemory", 1)


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_at_maxmemory_the_waiting_get_what_is_freed_and_the_new_are_refused(
    fresh_server: FreshServer, trial: Trials, kind: Kind
) -> None:
    server = fresh_server(kind, options={"maxmemory-policy": "noeviction"})
    this = trial(server)
    semaphore = this.k.semaphore(SEMAPHORE)
    first = semaphore.acquire(permits=PERMITS, ttl=60, holder="first")
    waiters = [this.crew.start("serve") for _ in range(3)]
    for number, waiter in enumerate(waiters):
        waiter.tell("acquire", name=SEMAPHORE, permits=PERMITS, holder=f"waiter-{number}", ttl="30s")
        waiter.hear_text("position")
    fill(this.client)
    with Konductor(server.url, namespace=NAMESPACE) as late, pytest.raises(Unavailable, match="out of memory"):
        late.semaphore(SEMAPHORE).acquire(holder="late", timeout=0)
    with pytest.raises(Unavailable, match="out of memory"):
        this.k.barrier("round").arrive(holder="late")
    assert first.renew().expires_in > 50
    assert str(first.release()) == "released"
    tokens = [first.token]
    for waiter in waiters:
        tokens.append(int(waiter.hear("held")["token"]))
        waiter.ask("renew", "renewed")
        assert waiter.ask("release", "released")["what"] == "released"
    assert tokens == sorted(tokens)
    status = semaphore.status()
    assert (status.in_use, status.waiting) == (0, 0)
    assert this.k.barrier("round").status().arrived == 0
    this.client.config_set("maxmemory", 0)
    semaphore.acquire(holder="late", timeout=0).release()
    assert check_permits(this.history()) == []
