"""A cluster changes under load: a replica takes over, the slot moves to another master."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from konductor_core.client import Konductor
from konductor_core.config import Settings
from konductor_core.errors import Unavailable
from tests.checker_clients import backwards
from tests.clusters import ClusterSet, slot_of
from tests.faults.judge import BACK_MS, GHOSTS_MS, say, wait_until
from tests.faults.objects import NAMESPACE
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from konductor_core.lease import Lease
    from tests.faults.conftest import Trials
    from tests.faults.judge import Trial
    from tests.races.conftest import Lag
    from tests.servers import Server

pytestmark = pytest.mark.slow

SLOT = slot_of(NAMESPACE)


@pytest.fixture(scope="module", params=["redis", "valkey"])
def cluster(request: pytest.FixtureRequest) -> Iterator[ClusterSet]:
    with ClusterSet(request.param, Path(tempfile.mkdtemp(prefix="konductor-")), replicas=1) as servers:
        yield servers


@pytest.fixture(autouse=True)
def empty(cluster: ClusterSet) -> None:
    until(cluster.is_whole, "the cluster is whole", timeout=30)
    with cluster.client() as client:
        client.flushall(target_nodes="primaries")


def ask(node: Server, *command: str | int) -> Any:
    with node.client(decode_responses=True) as client:
        return client.execute_command(*command)


def begin_move(cluster: ClusterSet, source: Server, target: Server) -> None:
    ask(target, "CLUSTER", "SETSLOT", SLOT, "IMPORTING", cluster.identity(source))
    ask(source, "CLUSTER", "SETSLOT", SLOT, "MIGRATING", cluster.identity(target))


def move_keys(source: Server, target: Server, at_once: int = 10) -> None:
    """Move all keys of the slot, a few at a time, as redis-cli --cluster reshard does."""
    with source.client() as client:
        while keys := client.execute_command("CLUSTER", "GETKEYSINSLOT", SLOT, at_once):
            client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "REPLACE", "KEYS", *keys)


def end_move(cluster: ClusterSet, target: Server) -> None:
    """Tell the new owner first, then all others."""
    nodes = sorted(cluster.nodes, key=lambda node: node is not target)
    identity = cluster.identity(target)
    for node in nodes:
        if "role:master" in ask_text(node):
            ask(node, "CLUSTER", "SETSLOT", SLOT, "NODE", identity)


def ask_text(node: Server) -> str:
    with node.client(decode_responses=True) as client:
        return f"role:{client.execute_command('ROLE')[0]}"


def other_master(cluster: ClusterSet, source: Server) -> Server:
    return next(node for node in cluster.nodes if node is not source and ask_text(node) == "role:master")


def test_every_promise_is_kept_while_the_slot_moves_there_and_back(
    cluster: ClusterSet, trial: Trials, lag: Lag
) -> None:
    this = trial(cluster)
    this.begin()
    longest = 0.0
    for _ in range(2):
        this.await_progress(30)
        source = cluster.owner(NAMESPACE)
        target = other_master(cluster, source)
        start = time.monotonic()
        begin_move(cluster, source, target)
        wait_until(time.monotonic() + this.chance.uniform(0, 0.2))
        move_keys(source, target, this.chance.choice((1, 5, 20)))
        wait_until(time.monotonic() + this.chance.uniform(0, 0.2))
        end_move(cluster, target)
        longest = max(longest, time.monotonic() - start)
    this.await_progress(30)
    this.end(patience=60)
    say(f"the slot was on its way for {longest:.2f} s; {this.summary()}")
    late = BACK_MS + int(longest * 1000) + lag.worst_ms
    assert this.violations(late_ms=late, script_ms=5 + lag.worst_ms) == []
    status = this.k.semaphore("dock").status()
    assert (status.in_use, status.waiting) == (0, 0)


def test_clients_follow_a_failover_of_their_master(cluster: ClusterSet, trial: Trials, lag: Lag) -> None:
    """A failover that the replica asks for: the master waits until it has everything, so nothing is lost."""
    this = trial(cluster)
    this.begin()
    this.await_progress(30)
    before = cluster.owner(NAMESPACE)
    replica = replica_of(cluster, before)
    start = time.monotonic()
    ask(replica, "CLUSTER", "FAILOVER")
    until(lambda: ask_text(replica) == "role:master", "the replica took over", timeout=20)
    away = time.monotonic() - start
    this.await_progress(30)
    this.end(patience=60)
    say(f"failover within {away:.2f} s; {this.summary()}")
    late = BACK_MS + int(away * 1000) + lag.worst_ms
    assert this.violations(late_ms=late, script_ms=5 + lag.worst_ms) == []


def test_clients_follow_the_promotion_when_their_master_is_killed(cluster: ClusterSet, trial: Trials, lag: Lag) -> None:
    """Nobody asks: the other masters notice after two seconds, and elect the replica. It may lack the last writes."""
    this = trial(cluster)
    this.begin()
    this.await_progress(30)
    before = cluster.owner(NAMESPACE)
    replica = replica_of(cluster, before)
    wait_until(time.monotonic() + this.chance.uniform(0, 0.3))
    gone = time.monotonic()
    before.kill()
    until(lambda: ask_text(replica) == "role:master", "the replica took over", timeout=30)
    promoted = time.monotonic()
    again = this.first_lease_after(promoted)
    before.start()
    until(lambda: ask_text(before) == "role:slave", "the former master follows", timeout=30)
    this.await_progress(30, lossy=True)
    this.end(patience=60)
    say(f"away {promoted - gone:.2f} s, a lease {again - promoted:.2f} s later; {this.summary()}")
    assert (again - promoted) * 1000 < BACK_MS + GHOSTS_MS + lag.worst_ms
    assert backwards(this.lines()) == []
    with Konductor(cluster.url, namespace=NAMESPACE) as fresh:
        assert this.still_waited_for(fresh) == []


def replica_of(cluster: ClusterSet, master: Server) -> Server:
    return next(
        node for node in cluster.nodes if ask_text(node) == "role:slave" and ask(node, "ROLE")[2] == master.port
    )


def test_a_waiter_and_a_subscriber_hold_on_while_their_slot_moves(cluster: ClusterSet, trial: Trials, lag: Lag) -> None:
    """They were blocked and subscribed at the old owner before anything moved."""
    this = trial(cluster)
    lease = this.k.semaphore("dock").acquire(permits=3, ttl=60, holder="first")
    waiter, listener = this.crew.start("serve"), this.crew.start("serve")
    waiter.tell("acquire", name="dock", permits=3, holder="second", ttl="20s")
    waiter.hear_text("position")
    listener.tell("wait", name="round", cycle=1)
    listener.hear_text("arrived")
    source = cluster.owner(NAMESPACE)
    target = other_master(cluster, source)
    begin_move(cluster, source, target)
    move_keys(source, target)
    end_move(cluster, target)
    start = time.monotonic()
    lease.release()
    for number in range(5):
        this.k.barrier("round").arrive(holder=f"id-{number}")
    held = waiter.hear("held", timeout=30)
    opened = listener.hear("opened", timeout=30)
    worst = (max(held["t"], opened["t"]) - start) * 1000
    say(f"the waiter after {held['t'] - start:.2f} s, the listener after {opened['t'] - start:.2f} s")
    assert worst < BACK_MS + lag.worst_ms


def all_keys_exist(trial: Trial) -> Lease:
    """Make every key that scripts on the semaphore declare, so that a server lets them begin in a slot on the move."""
    lease = trial.k.semaphore("dock").acquire(permits=2, ttl=60, holder="first")
    waiter = trial.crew.start("serve")
    waiter.tell("acquire", name="dock", permits=3, holder="second", ttl="20s")
    waiter.hear_text("position")
    return lease


@pytest.fixture
def impatient(cluster: ClusterSet) -> Iterator[Konductor]:
    with Konductor(settings=Settings.load({"redis_url": cluster.url, "namespace": NAMESPACE, "retries": 0})) as k:
        yield k


def test_a_script_in_a_slot_on_the_move_does_all_or_nothing(
    cluster: ClusterSet, trial: Trials, impatient: Konductor
) -> None:
    """Half of a release, cut off at a key that is not there yet, would leave its permits in use for ever."""
    this = trial(cluster)
    lease = all_keys_exist(this)
    source = cluster.owner(NAMESPACE)
    target = other_master(cluster, source)
    begin_move(cluster, source, target)
    with pytest.raises(Unavailable, match="moving this namespace"):
        impatient.semaphore("dock").release(holder="first", token=lease.token)
    for node in (source, target):
        ask(node, "CLUSTER", "SETSLOT", SLOT, "STABLE")
    assert impatient.semaphore("dock").status().in_use == 2
    assert str(lease.release()) == "released"
    assert this.crew.workers[0].hear("held", timeout=30)["permits"] == 3


def test_a_lease_survives_a_move_during_which_half_of_its_keys_are_elsewhere(
    cluster: ClusterSet, trial: Trials, impatient: Konductor
) -> None:
    this = trial(cluster)
    lease = all_keys_exist(this)
    source = cluster.owner(NAMESPACE)
    target = other_master(cluster, source)
    begin_move(cluster, source, target)
    declared = [key for key in lease._hold.keys.permits if ask(source, "EXISTS", key)]
    ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *declared)
    with pytest.raises(Unavailable, match="moving this namespace"):
        impatient.semaphore("dock").renew(holder="first", token=lease.token)
    move_keys(source, target)
    end_move(cluster, target)
    assert lease.renew().expires_in > 50
    assert str(lease.release()) == "released"
    assert this.crew.workers[0].hear("held", timeout=30)["permits"] == 3
