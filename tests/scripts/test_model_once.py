"""What is done once does what the model does, whatever is done to it in whatever order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from konductor_core.durations import MEMORY_TTL
from konductor_core.flows.permits import Ask
from konductor_core.identity import Kind, Owner
from tests.scripts.audit import assert_only_passing_keys
from tests.scripts.bench import Request
from tests.scripts.machine import ComparingMachine, profile, try_out
from tests.scripts.model_once import OnceModel

if TYPE_CHECKING:
    from tests.servers import Server

HOLDERS = st.sampled_from(["a", "b", "c", "d e"])
TTLS = st.sampled_from([10_000, 30_000])
MOVE = 2_000


class OnceMachine(ComparingMachine):
    """One once, four who run it or wait to run it, and die at any moment. Waits end within the memory of requests."""

    def __init__(self, server: Server | None) -> None:
        super().__init__(server)
        self.model = OnceModel()
        self.once = self.bench.k.once("o")
        self.keys = self.bench.keys("o", Kind.ONCE)
        self.requests = 0
        self.waits: dict[str, Request] = {}
        self.moved = 0
        self.completions = 0
        self.last_event = "0"

    @initialize(ttl=TTLS)
    def begin(self, ttl: int) -> None:
        self.define(ttl)

    @rule(ttl=TTLS)
    def define(self, ttl: int) -> None:
        self.compare(lambda: self.once.define(ttl=ttl / 1000).action, lambda: self.model.define(ttl))

    @rule(holder=HOLDERS)
    def ask(self, holder: str) -> None:
        """Wait to run it, keep the place, or confirm: always the same request while it waits."""
        if holder not in self.waits:
            self.waits[holder] = Request(self.bench, Ask((self.keys,), (1,), holder, owner=Owner()))
        code = self.compare(lambda: str(self.waits[holder].wait().code), lambda: self.model.begin(holder, wait=True))
        if code in {"granted", "done"}:
            del self.waits[holder]

    @rule(holder=HOLDERS)
    def attempt(self, holder: str) -> None:
        if holder in self.waits:
            return
        request = Request(self.bench, Ask((self.keys,), (1,), holder, owner=Owner()))
        self.compare(lambda: str(request.attempt().code), lambda: self.model.begin(holder, wait=False))

    @rule(holder=HOLDERS, verb=st.sampled_from(["complete", "complete", "fail", "fail", "fail"]))
    def end(self, holder: str, verb: str) -> None:
        self.requests += 1
        self.compare(
            lambda: self.bench.script(f"once_{verb}", self.keys.permits, f"r{self.requests}", holder, "", "")[0],
            lambda: getattr(self.model, verb)(holder),
        )

    @rule()
    def reset(self) -> None:
        if self.in_time:
            self.model.reset()
            self.once.reset()

    @rule(times=st.sampled_from([1, 1, 6]))
    def time_passes(self, times: int) -> None:
        """Let runners lose their leases; whoever waits shows that it lives. Never so long that a loss is forgotten."""
        for _ in range(times):
            if self.moved < MEMORY_TTL - 20_000 and self.in_time:
                self.moved += MOVE
                self.model.now += self.move(MOVE)
                for holder in sorted(self.waits):
                    self.ask(holder)

    @rule()
    def look(self) -> None:
        """Compare all that a status shows with the model."""
        if not self.in_time:
            return
        status = self.once.status()
        self.model.notice()
        if self.too_late():
            return
        runner = self.model.runner
        assert status.phase == self.model.phase
        assert status.executor == (self.model.done_by or (runner[0] if runner else ""))
        assert status.failures == self.model.failures
        assert len(status.holders) <= 1
        for event in self.once.events(1000, since_id=self.last_event):
            self.last_event = event.id
            self.completions += event.type == "completed"
        assert self.completions == self.model.completions

    def teardown(self) -> None:
        self.look()
        self.once.delete()
        if self.in_time:
            assert_only_passing_keys(self.bench.client)
        super().teardown()


def test_a_once_on_fakeredis_does_what_the_model_does() -> None:
    try_out(lambda: OnceMachine(None), profile(40, 1_000, 20))


def test_a_once_on_a_real_server_does_what_the_model_does(server: Server) -> None:
    try_out(lambda: OnceMachine(server), profile(40, 5_000, 20))
