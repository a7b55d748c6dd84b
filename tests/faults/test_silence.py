"""Nothing is heard: a user without the channels, connections that are open and dead, clocks that jump."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.judge import Trial, say
from tests.faults.objects import NAMESPACE, PERMITS, SEMAPHORE
from tests.proxy import Proxy
from tests.servers import until

if TYPE_CHECKING:
    from tests.conftest import FreshServer
    from tests.faults.conftest import Trials
    from tests.races.conftest import Lag
    from tests.races.crew import Worker
    from tests.servers import Server

UNHEARD_MS = 5_500
"""Who may not listen looks every 5 s."""
LOOK_MS = 25_000
"""A waiter looks so often; it learns that its connections are dead one socket timeout (2 s here) later."""
BLOCKED_MS = 30_000
"""So long after it was sent a block without an answer shows that its own connection is dead."""


def asleep(trial: Trial) -> tuple[Worker, Worker]:
    """Return one who waits for permits, which `first` holds, and one who waits for the barrier."""
    waiter, listener = trial.crew.start("serve"), trial.crew.start("serve")
    waiter.tell("acquire", name=SEMAPHORE, permits=PERMITS, holder="second", ttl="20s")
    waiter.hear_text("position")
    listener.tell("wait", name="round", cycle=1)
    listener.hear_text("arrived")
    return waiter, listener


def open_barrier(trial: Trial) -> float:
    """Open it; return the monotonic moment just before."""
    start = time.monotonic()
    for number in range(5):
        trial.k.barrier("round").arrive(holder=f"id-{number}")
    return start


def test_without_the_channels_everything_works_only_later(fresh_server: FreshServer, trial: Trials, lag: Lag) -> None:
    server = fresh_server(tcp=True)
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "deaf", "on", ">pw", "+@all", f"~konductor:{{{NAMESPACE}}}:*")
        assert client.acl_getuser("deaf")["channels"] in ([], "", [b""])
    this = trial(server, url=f"redis://deaf:pw@127.0.0.1:{server.port}/0")
    lease = this.k.semaphore(SEMAPHORE).acquire(permits=PERMITS, ttl=60, holder="first")
    waiter, listener = asleep(this)
    start = time.monotonic()
    lease.release()
    woken = waiter.hear("held")["t"] - start
    waiter.ask("release", "released")
    start = open_barrier(this)
    opened = listener.hear("opened", timeout=10)["t"] - start
    say(f"without channels: queue {woken * 1000:.0f} ms, barrier {opened * 1000:.0f} ms")
    assert woken * 1000 < 500 + lag.worst_ms, "a queue needs no channel"
    assert opened * 1000 < UNHEARD_MS + lag.worst_ms
    this.begin(threads=3, tasks=3)
    this.await_progress(30)
    this.end(patience=60)
    assert this.violations(late_ms=UNHEARD_MS + lag.worst_ms, script_ms=5 + lag.worst_ms) == []


@pytest.mark.slow
def test_a_waiter_on_a_dead_connection_is_not_stuck(redis_server: Server, trial: Trials, lag: Lag) -> None:
    """All connections are open and dead, as behind a firewall that forgot them; the waiters look again.

    One has looked in vain when it is granted: it has another connection by then, but not to be woken on.
    """
    with Proxy(redis_server) as proxy:
        this = trial(redis_server, url=f"{proxy.tcp_url}?socket_timeout=2")
        lease = this.k.semaphore(SEMAPHORE).acquire(permits=PERMITS, ttl=100, holder="first")
        this.k.semaphore("other").define(permits=1)
        other = this.k.semaphore("other").acquire(ttl=100, holder="first")
        waiter, listener = asleep(this)
        unwoken = this.crew.start("serve")
        unwoken.tell("acquire", name="other", permits=1, holder="second", ttl="20s")
        unwoken.hear_text("position")
        proxy.strand()
        start = open_barrier(this)
        lease.release()
        held = waiter.hear("held", timeout=80)["t"] - start
        opened = listener.hear("opened", timeout=80)["t"] - start
        until(lambda: time.monotonic() > start + 28, "the third has looked", timeout=30)
        other.release()
        woken = unwoken.hear("held", timeout=80)["t"] - start
        say(f"on dead connections: queue {held:.1f} s, barrier {opened:.1f} s, one that had looked {woken:.1f} s")
        assert max(held, opened) * 1000 < LOOK_MS + 2_000 + 1_000 + lag.worst_ms
        assert 28_000 < woken * 1000 < BLOCKED_MS + 1_000 + lag.worst_ms


def test_steps_of_the_clients_wall_clock_change_nothing(redis_server: Server, trial: Trials, lag: Lag) -> None:
    """One process lives a day ahead, one a year behind, one's clock jumps: leases and turns are the server's."""
    this = trial(redis_server)
    this.begin(threads=1, tasks=2)
    for shift in ("ahead", "behind", "jumping"):
        this.crew.start(
            "tests.faults.load:out_of_time",
            shift=shift,
            base=shift,
            seed=this.chance.getrandbits(32),
            enough=str(this.enough),
            ttl=1.5,
            hold=0.02,
        )
    this.await_progress(60)
    this.end()
    say(this.summary())
    assert this.violations(late_ms=1_000 + lag.worst_ms, script_ms=5 + lag.worst_ms) == []
    assert not [line for line in this.lines() if line["op"] == "refused"]
    for shift in ("ahead", "behind", "jumping"):
        assert any(line["op"] == "held" and line["holder"].startswith(shift) for line in this.lines())
