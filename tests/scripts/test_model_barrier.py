"""Barriers do what the model does, whatever is done to them in whatever order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from konductor_core.durations import WAITER_TTL
from konductor_core.identity import Kind
from tests.scripts.audit import assert_only_passing_keys
from tests.scripts.machine import ComparingMachine, profile, try_out
from tests.scripts.model_barrier import BarrierModel

if TYPE_CHECKING:
    from tests.servers import Server

SECOND = 1_000
ARRIVALS = st.sampled_from(["a", "b", "c", "d", "e f", "g:{}"])
REQUESTS = st.integers(0, 9)
EXPECTED = st.sampled_from([1, 2, 2, 3, 4, 6])
SPECS = st.one_of(
    st.tuples(EXPECTED, st.just(0), st.sampled_from([0, 0, 30, 60]), st.just(value=True)),
    st.tuples(EXPECTED, st.sampled_from([0, 0, 1, 2, 5]), st.sampled_from([0, 0, 30, 60]), st.just(value=False)),
).map(lambda spec: (spec[0], min(spec[1], spec[0]), spec[2] * SECOND, spec[3]))
MOVES = st.sampled_from([5, 5, 10, 25, 35]).map(lambda seconds: seconds * SECOND)


class BarrierMachine(ComparingMachine):
    """One barrier, six ids that arrive, ten requests that wait, requests that are repeated."""

    def __init__(self, server: Server | None) -> None:
        super().__init__(server)
        self.model = BarrierModel()
        self.barrier = self.bench.k.barrier("b")
        self.keys = self.bench.keys("b", Kind.BARRIER).latch
        self.arrivals = 0
        self.epoch = ""
        self.opened = 0
        self.last_event = "0"

    # ------------------------------------------------------------ the object

    @initialize(spec=SPECS)
    def begin(self, spec: Any) -> None:
        self.define(spec)

    @rule(spec=SPECS)
    def define(self, spec: Any) -> None:
        expected, quorum, timeout, cyclic = spec
        self.compare(
            lambda: self.barrier.define(expected, quorum or None, timeout / 1000 or None, cyclic=cyclic).action,
            lambda: self.model.define(expected, quorum, timeout, cyclic=cyclic),
        )

    @rule(expected=EXPECTED)
    def change_expected(self, expected: int) -> None:
        model = self.model
        if model.life:
            self.define((expected, min(model.quorum, expected), model.timeout, model.cyclic))

    @rule()
    def reset(self) -> None:
        if self.model.life and self.in_time:
            self.model.reset()
            epoch = self.barrier.reset()
            assert epoch > self.epoch
            self.epoch = epoch

    @rule()
    def delete(self) -> None:
        self.look()
        self.compare(self.barrier.delete, self.model.delete)
        if self.in_time:
            assert_only_passing_keys(self.bench.client)

    # ------------------------------------------------------- arrivals, waiters

    @rule(arrival=ARRIVALS, again=st.booleans())
    def arrive(self, arrival: str, again: bool) -> None:  # noqa: FBT001 - drawn
        """Arrive; `again` repeats the request before, with all it said."""
        self.arrivals += not again
        request = f"arrival-{self.arrivals}"
        self.compare(lambda: self._arrive(request, arrival), lambda: self.model.arrive(request, arrival))

    def _arrive(self, request: str, arrival: str) -> tuple[str, int, int]:
        reply = self.bench.script("barrier_arrive", self.keys, request, arrival)
        return (reply[0], int(reply[3]), int(reply[4]))

    @rule(arrivals=st.lists(ARRIVALS, min_size=2, unique=True))
    def many_arrive(self, arrivals: list[str]) -> None:
        for arrival in arrivals:
            self.arrive(arrival, again=False)

    @rule(request=REQUESTS, holder=ARRIVALS, cycle=st.sampled_from([0, 0, 0, 1, 2, 5]))
    def wait(self, request: int, holder: str, cycle: int) -> None:
        self.compare(
            lambda: self._wait(f"wait-{request}", holder, cycle),
            lambda: self.model.wait(f"wait-{request}", holder, cycle),
        )

    def _wait(self, request: str, holder: str, cycle: int) -> tuple[str, int]:
        reply = self.bench.script("barrier_wait", self.keys, request, holder, cycle, "", f"- {holder}")
        return (reply[0], int(reply[3]))

    @rule(request=REQUESTS)
    def leave(self, request: int) -> None:
        if self.in_time:
            self.model.leave(f"wait-{request}")
            self.bench.script("latch_leave", self.keys, f"wait-{request}")

    # ----------------------------------------------------------------- time

    @rule(ms=MOVES)
    def time_passes(self, ms: int) -> None:
        self.model.now += self.move(ms)

    @rule()
    def waiters_may_die(self) -> None:
        self.model.now += self.move(WAITER_TTL)

    # ----------------------------------------------------------- what is seen

    @rule()
    def look(self) -> None:
        """Compare all that a status shows with the model."""
        self.model.look()
        life = self.model.life
        if life is None or not self.in_time:
            return
        status, now = self.barrier.status(), self.bench.clock.now_ms()
        if self.too_late():
            return
        assert (status.phase, status.arrived, status.waiting) == (
            self.model.phase,
            len(life.arrivals),
            self.model.waiting,
        )
        assert {arrival.id for arrival in status.arrivals} == set(life.arrivals)
        if self.model.cyclic:
            assert (status.cycle, status.last_opened_cycle) == (life.cycle, life.last)
        assert (status.reason is not None) == life.failed
        if not life.failed and self.model.deadline is not None and status.deadline_ms is not None:
            difference = (status.deadline_ms - now) - (self.model.deadline - self.model.now)
            assert abs(difference) <= (0 if self.exact else 4 * SECOND)
        assert status.epoch >= self.epoch
        self.epoch = status.epoch
        self._opened_as_often()

    def _opened_as_often(self) -> None:
        """Every cycle of every epoch opened once: in all as often as in the model."""
        for event in self.barrier.events(1000, since_id=self.last_event):
            self.last_event = event.id
            self.opened += event.type == "opened"
        assert self.opened == self.model.opened

    def teardown(self) -> None:
        self.look()
        self.delete()
        super().teardown()


def test_a_barrier_on_fakeredis_does_what_the_model_does() -> None:
    try_out(lambda: BarrierMachine(None), profile(60, 1_000, 25))


def test_a_barrier_on_a_real_server_does_what_the_model_does(server: Server) -> None:
    try_out(lambda: BarrierMachine(server), profile(100, 5_000, 25))
