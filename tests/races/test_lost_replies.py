"""A reply that is lost after its request was executed: the retry answers the same, and nothing counts twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core.client import Konductor
from konductor_core.errors import WaitTimeout
from konductor_core.flows.leases import Released
from konductor_core.scripts import SCRIPTS
from tests.checker import check_permits
from tests.checker_clients import check_barrier
from tests.history import Recorder, stream_of
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from tests.history import Event
    from tests.servers import Server


class Line:
    """A library behind a proxy that loses replies, and one that talks to the server directly."""

    def __init__(self, proxy: Proxy, client: redis.Redis, direct: Konductor, loss: str) -> None:
        self.proxy = proxy
        self.client = client
        self.direct = direct
        self.loss = loss
        self.k = Konductor(f"{proxy.url}?socket_timeout=0.3", namespace="races")

    def lose(self, script: str) -> None:
        """Lose the next reply of a script, once it was executed."""
        sha = SCRIPTS[script].sha
        self.client.script_load(SCRIPTS[script].source)  # or the reply would say that it is unknown
        self.proxy.lose_reply(sha) if self.loss == "cut" else self.proxy.swallow_reply(sha)

    def was_repeated(self, script: str) -> bool:
        """Tell whether the script was called again after the loss."""
        return self.proxy.seen(SCRIPTS[script].sha) > 1

    def events(self, kind: str, name: str) -> list[Event]:
        with Recorder(self.client, stream_of("races", kind, name)) as recorder:
            return recorder.complete()


@pytest.fixture(params=["cut-redis", "cut-valkey", "swallow-valkey"])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    loss, kind = request.param.split("-")
    server: Server = request.getfixturevalue(f"{kind}_server")
    with Proxy(server) as proxy, server.client() as client, Konductor(server.url, namespace="races") as direct:
        line = Line(proxy, client, direct, loss)
        direct.semaphore("one").define(permits=3)
        with line.k:
            yield line


@pytest.mark.parametrize("timeout", ["0", "20s", None])
def test_an_acquire_is_granted_once(line: Line, timeout: str | None) -> None:
    line.lose("permit_acquire")
    lease = line.k.semaphore("one").acquire(2, ttl="30s", timeout=timeout, holder="a")
    assert line.was_repeated("permit_acquire")
    status = line.direct.semaphore("one").status()
    assert (status.in_use, status.counters["grants"]) == (2, 1)
    assert (status.holders[0].token, status.holders[0].permits) == (lease.token, 2)
    assert check_permits(line.events("semaphore", "one")) == []


def test_a_place_in_the_queue_is_taken_once(line: Line) -> None:
    holder = line.direct.semaphore("one").acquire(3, ttl="30s", holder="other")
    line.lose("permit_acquire")
    with pytest.raises(WaitTimeout):
        line.k.semaphore("one").acquire(ttl="30s", timeout="500ms", holder="a")
    holder.release()
    assert [event.type for event in line.events("semaphore", "one") if event.holder == "a"] == ["queued", "timeout"]
    assert line.direct.semaphore("one").status().in_use == 0


def test_a_confirmation_keeps_the_grant(line: Line) -> None:
    holder = line.direct.semaphore("one").acquire(3, ttl="30s", holder="other")

    def hand_over(progress: object) -> None:
        line.lose("permit_acquire")
        holder.release()

    lease = line.k.semaphore("one").acquire(ttl="30s", timeout="20s", holder="a", on_progress=hand_over)
    assert line.was_repeated("permit_acquire")
    assert [event.type for event in line.events("semaphore", "one") if event.holder == "a"] == ["queued", "granted"]
    assert lease.expires_in > 25


def test_a_release_frees_once_and_says_so(line: Line) -> None:
    lease = line.k.semaphore("one").acquire(2, ttl="30s", holder="a")
    line.lose("permit_release")
    assert lease.release() is Released.RELEASED
    assert line.was_repeated("permit_release")
    assert check_permits(line.events("semaphore", "one")) == []
    assert [event.type for event in line.events("semaphore", "one") if event.holder == "a"] == ["granted", "released"]


def test_a_cancelled_wait_is_counted_once(line: Line) -> None:
    line.direct.semaphore("one").acquire(3, ttl="30s", holder="other")
    line.lose("permit_cancel")
    with pytest.raises(WaitTimeout):
        line.k.semaphore("one").acquire(ttl="30s", timeout="300ms", holder="a")
    assert line.was_repeated("permit_cancel")
    status = line.direct.semaphore("one").status()
    assert (status.waiting, status.counters["timeouts"]) == (0, 1)


def test_an_arrival_is_counted_once(line: Line) -> None:
    line.k.barrier("all").define(expected=2)
    line.lose("barrier_arrive")
    first = line.k.barrier("all").arrive("a")
    assert line.was_repeated("barrier_arrive")
    assert (first.counted, first.arrived, first.phase) == (True, 1, "Waiting")
    line.lose("barrier_arrive")
    last = line.k.barrier("all").arrive("b")
    assert (last.counted, last.arrived, last.phase) == (True, 2, "Open")
    assert not line.k.barrier("all").arrive("a").counted
    assert check_barrier(line.events("barrier", "all"), [], 2) == []


def test_the_last_arrival_of_a_cycle_is_not_the_first_of_the_next(line: Line) -> None:
    line.k.barrier("all").define(expected=2, cyclic=True)
    for cycle in (1, 2):
        assert line.k.barrier("all").arrive("a").cycle == cycle
        line.lose("barrier_arrive")
        last = line.k.barrier("all").arrive("b")
        assert (last.counted, last.cycle, last.arrived, last.phase) == (True, cycle, 2, "Open")
        status = line.direct.barrier("all").status()
        assert (status.cycle, status.last_opened_cycle, status.arrived) == (cycle + 1, cycle, 0)
    assert check_barrier(line.events("barrier", "all"), [], 2) == []


def test_members_are_added_and_done_once(line: Line) -> None:
    group = line.k.waitgroup("all")
    group.define()
    for member, count in (("a", 1), (None, 3)):
        line.lose("waitgroup_add")
        assert group.add(member, count=count).counted
        assert line.was_repeated("waitgroup_add")
    assert line.direct.waitgroup("all").status().counter == 4
    for member, count in (("a", 1), (None, 3)):
        line.lose("waitgroup_done")
        assert group.done(member, count=count).counted
    assert line.was_repeated("waitgroup_done")
    types = [event.type for event in line.events("waitgroup", "all")]
    assert types == ["created", "added", "added", "finished", "finished", "done"]


def test_it_is_completed_once_and_a_failure_fails_one_run(line: Line) -> None:
    schema = line.k.once("schema")
    schema.define(ttl="30s")
    run = schema.begin(timeout=0, holder="a")
    line.lose("once_fail")
    run.fail("no route")
    assert line.was_repeated("once_fail")
    run = schema.begin(timeout=0, holder="a")
    line.lose("once_complete")
    assert run.complete().counted
    assert line.was_repeated("once_complete")
    types = [event.type for event in line.events("once", "schema")]
    assert types == ["created", "granted", "failed", "granted", "completed"]


def test_a_definition_a_reset_and_a_deletion_happen_once(line: Line) -> None:
    semaphore = line.k.semaphore("one")
    for script, act in (("permit_define", lambda: semaphore.define(9)), ("permit_reset", semaphore.reset)):
        line.lose(script)
        act()
        assert line.was_repeated(script)
    types = [event.type for event in line.events("semaphore", "one")]
    assert types == ["created", "updated", "reset"]
    line.lose("permit_delete")
    assert semaphore.delete() is True
