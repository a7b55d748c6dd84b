"""Wait groups do what the model does, whatever is done to them in whatever order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from konductor_core.durations import WAITER_TTL
from konductor_core.identity import Kind
from tests.scripts.audit import assert_only_passing_keys
from tests.scripts.machine import ComparingMachine, profile, try_out
from tests.scripts.model_waitgroup import WaitGroupModel

if TYPE_CHECKING:
    from tests.servers import Server

MEMBERS = st.sampled_from(["", "", "", "a", "b", "c", "d e", "f:{}"])
REQUESTS = st.integers(0, 9)
COUNTS = st.sampled_from([1, 1, 1, 2, 3])
VERBS = st.sampled_from(["add", "done", "done"])
MOVES = st.sampled_from([5_000, 5_000, 20_000])


class WaitGroupMachine(ComparingMachine):
    """One wait group, five names, members without one, ten requests that wait, requests that are repeated."""

    def __init__(self, server: Server | None) -> None:
        super().__init__(server)
        self.model = WaitGroupModel()
        self.group = self.bench.k.waitgroup("g")
        self.keys = self.bench.keys("g", Kind.WAITGROUP).latch
        self.requests = 0
        self.epoch = ""
        self.ends = 0
        self.last_event = "0"

    @initialize()
    def begin(self) -> None:
        self.define()

    @rule()
    def define(self) -> None:
        self.compare(lambda: self.group.define().action, self.model.define)

    @rule()
    def reset(self) -> None:
        if self.model.life and self.in_time:
            self.model.reset()
            epoch = self.group.reset()
            assert epoch > self.epoch
            self.epoch = epoch

    @rule()
    def delete(self) -> None:
        self.look()
        self.compare(self.group.delete, self.model.delete)
        if self.in_time:
            assert_only_passing_keys(self.bench.client)

    @rule(verb=VERBS, member=MEMBERS, count=COUNTS, again=st.booleans())
    def count(self, verb: str, member: str, count: int, again: bool) -> None:  # noqa: FBT001 - drawn
        """Add or be done; `again` repeats the request before, with all it said."""
        self.requests += not again
        request = f"request-{self.requests}"
        amount = 1 if member else count
        self.compare(
            lambda: self._count(verb, request, member, amount),
            lambda: getattr(self.model, verb)(request, member, amount),
        )

    def _count(self, verb: str, request: str, member: str, count: int) -> tuple[str, int, int, str]:
        reply = self.bench.script(f"waitgroup_{verb}", self.keys, request, member, count)
        return (reply[0], int(reply[3]), int(reply[4]), reply[6])

    @rule(request=REQUESTS, cycle=st.sampled_from([0, 0, 0, 1, 2]), allow_idle=st.booleans())
    def wait(self, request: int, cycle: int, allow_idle: bool) -> None:  # noqa: FBT001 - drawn
        self.compare(
            lambda: self._wait(f"wait-{request}", cycle, int(allow_idle)),
            lambda: self.model.wait(f"wait-{request}", cycle, allow_idle=allow_idle),
        )

    def _wait(self, request: str, cycle: int, allow_idle: int) -> tuple[str, int]:
        reply = self.bench.script("waitgroup_wait", self.keys, request, cycle, allow_idle, f"- {request}")
        return (reply[0], int(reply[3]))

    @rule(request=REQUESTS)
    def leave(self, request: int) -> None:
        if self.in_time:
            self.model.leave(f"wait-{request}")
            self.bench.script("latch_leave", self.keys, f"wait-{request}")

    @rule(ms=MOVES)
    def time_passes(self, ms: int) -> None:
        self.model.now += self.move(ms)

    @rule()
    def waiters_may_die(self) -> None:
        self.model.now += self.move(WAITER_TTL)

    @rule()
    def look(self) -> None:
        """Compare all that a status shows with the model."""
        life = self.model.life
        if life is None or not self.in_time:
            return
        status = self.group.status()
        if self.too_late():
            return
        assert (status.phase, status.counter, status.round, status.added, status.anonymous, status.waiting) == (
            life.phase,
            life.counter,
            life.number,
            life.added,
            life.unnamed,
            self.model.waiting,
        )
        assert {member.id for member in status.members} == life.members
        assert status.finished_total == len(life.finished)
        assert status.epoch >= self.epoch
        self.epoch = status.epoch
        for event in self.group.events(1000, since_id=self.last_event):
            self.last_event = event.id
            self.ends += event.type == "done"
        assert self.ends == self.model.ends

    def teardown(self) -> None:
        self.look()
        self.delete()
        super().teardown()


def test_a_wait_group_on_fakeredis_does_what_the_model_does() -> None:
    try_out(lambda: WaitGroupMachine(None), profile(25, 1_000, 20))


def test_a_wait_group_on_a_real_server_does_what_the_model_does(server: Server) -> None:
    try_out(lambda: WaitGroupMachine(server), profile(40, 5_000, 20))
