"""Gates do what the model does: they open exactly when their conditions hold, in whatever order things happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from konductor_core.durations import WAITER_TTL
from konductor_core.identity import Kind
from tests.looking import look
from tests.scripts.audit import assert_only_passing_keys
from tests.scripts.machine import ComparingMachine, profile, try_out
from tests.scripts.model_gate import GateModel

if TYPE_CHECKING:
    from tests.servers import Server

JOBS = ("a", "b", "c")
WANTED = st.lists(st.sampled_from(JOBS), max_size=3, unique=True).map(tuple)
STATES = st.sampled_from(["Running", "Complete", "Complete", "Complete", "Failed", ""])
TIMEOUTS = st.sampled_from([0, 0, 60_000, 120_000])
REQUESTS = st.integers(0, 4)
MOVES = st.sampled_from([5_000, 5_000, 20_000])
HANDS = {"Open": "open", "Closed": "close", "": "auto"}
EVENTS = {"opened": "Open", "failed": "Failed", "closed": "Closed", "waiting": "Waiting"}


class GateMachine(ComparingMachine):
    """One gate over up to three Jobs, a hand, a timeout, and five requests that wait."""

    def __init__(self, server: Server | None) -> None:
        super().__init__(server)
        self.model = GateModel()
        self.gate = self.bench.k.gate("g")
        self.keys = self.bench.keys("g", Kind.GATE).latch
        self.epoch = ""
        self.phases: list[str] = []
        self.last_event = "0"

    @initialize(wanted=WANTED)
    def begin(self, wanted: tuple[str, ...]) -> None:
        self.define(wanted, 0)

    @rule(wanted=WANTED, timeout=TIMEOUTS)
    def define(self, wanted: tuple[str, ...], timeout: int) -> None:
        conditions = [f"job/{each}" for each in wanted]
        limit = f"{timeout}ms" if timeout else None
        self.compare(lambda: self.gate.define(conditions, limit).action, lambda: self.model.define(wanted, timeout))

    @rule(job=st.sampled_from(JOBS), state=STATES)
    def a_job_changes(self, job: str, state: str) -> None:
        """It may also be made anew, or be gone."""
        if state:
            self.model.jobs[job] = state
        else:
            self.model.jobs.pop(job, None)

    @rule()
    def somebody_looks(self) -> None:
        if self.model.life and self.in_time:
            look(self.bench.k, "g", **self.model.jobs)
            self.model.look()
            self.check()

    @rule(job=st.sampled_from(JOBS))
    def a_job_is_complete_and_seen(self, job: str) -> None:
        self.a_job_changes(job, "Complete")
        self.somebody_looks()

    @rule(to=st.sampled_from(list(HANDS)))
    def a_hand(self, to: str) -> None:
        if self.model.life:
            self.compare(lambda: getattr(self.gate, HANDS[to])().phase, lambda: self.model.override(to))

    @rule(request=REQUESTS)
    def wait(self, request: int) -> None:
        self.compare(lambda: self._wait(f"wait-{request}"), lambda: self.model.wait(f"wait-{request}"))

    def _wait(self, request: str) -> tuple[str, int]:
        reply = self.bench.script("gate_wait", self.keys, request, f"- {request}")
        return (reply[0], int(reply[9]))

    @rule(request=REQUESTS)
    def leave(self, request: int) -> None:
        if self.in_time:
            self.model.leave(f"wait-{request}")
            self.bench.script("latch_leave", self.keys, f"wait-{request}")

    @rule()
    def reset(self) -> None:
        if self.model.life and self.in_time:
            self.check()
            self.model.reset()
            epoch = self.gate.reset()
            assert epoch > self.epoch
            self.epoch = epoch

    @rule()
    def delete(self) -> None:
        self.check()
        self.compare(self.gate.delete, self.model.delete)
        if self.in_time:
            assert_only_passing_keys(self.bench.client)

    @rule(ms=MOVES)
    def time_passes(self, ms: int) -> None:
        self.model.now += self.move(ms)

    @rule()
    def waiters_may_die(self) -> None:
        self.model.now += self.move(WAITER_TTL)

    @rule()
    def check(self) -> None:
        """Compare all that a status shows with the model, and every phase there was with its history."""
        if self.model.life is None or not self.in_time:
            return
        status = self.gate.status()
        self.model.expire()
        life = self.model.life
        if self.too_late():
            return
        assert (status.phase, status.verdict, status.override or "", status.met, status.total, status.waiting) == (
            life.phase,
            life.verdict,
            life.override,
            life.met,
            len(life.wanted),
            self.model.waiting,
        )
        assert (status.asked_ms is not None, status.evaluated_ms is not None) == (
            life.asked is not None,
            life.looked is not None,
        )
        assert life.verdict != "Waiting" or (status.deadline_ms is not None) == bool(life.timeout)
        assert status.epoch >= self.epoch
        self.epoch = status.epoch
        for event in self.gate.events(1000, since_id=self.last_event):
            self.last_event = event.id
            if event.type in EVENTS:
                self.phases.append(EVENTS[event.type])
        assert self.phases == self.model.phases

    def teardown(self) -> None:
        self.check()
        self.delete()
        super().teardown()


def test_a_gate_on_fakeredis_does_what_the_model_does() -> None:
    try_out(lambda: GateMachine(None), profile(25, 1_000, 20))


def test_a_gate_on_a_real_server_does_what_the_model_does(server: Server) -> None:
    try_out(lambda: GateMachine(server), profile(30, 5_000, 20))
