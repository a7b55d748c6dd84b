"""Semaphores do what the model does, whatever is done to them in whatever order."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, rule

from konductor_core.durations import CLAIM_WINDOW, PROBE_WINDOW, WAITER_TTL
from konductor_core.flows.leases import RELEASE, RENEW
from konductor_core.flows.steps import Call
from konductor_core.identity import Kind
from konductor_core.models import SemaphoreSpec, SemaphoreStatus
from konductor_core.models.registry import SPECS as KINDS
from tests.scripts.audit import assert_leases_agree, assert_only_passing_keys
from tests.scripts.machine import ComparingMachine, profile, try_out
from tests.scripts.model_semaphore import SemaphoreModel, Wish

if TYPE_CHECKING:
    from tests.scripts.bench import Request
    from tests.servers import Server

Pair: TypeAlias = "tuple[Request, Wish]"

SECOND = 1_000
HOLDERS = st.sampled_from(["a", "b", "c", "d:{}", "e é"])
AMOUNTS = st.sampled_from([1, 1, 1, 2, 3, 5])
TTLS = st.sampled_from([None, None, 10 * SECOND, 30 * SECOND, 120 * SECOND, 0])
PRIORITIES = st.sampled_from([0, 0, 0, 5, -5, 1000, -1000])
PERMITS = st.sampled_from([0, 1, 1, 2, 3, 4, 6])
SPECS = st.tuples(
    PERMITS,
    st.sampled_from([20 * SECOND, 60 * SECOND, 300 * SECOND]),
    st.sampled_from(["Strict", "Strict", "Backfill"]),
    st.sampled_from([0, 15 * SECOND, 60 * SECOND]),
)
CROWDS = st.lists(st.tuples(HOLDERS, AMOUNTS, PRIORITIES), min_size=2, max_size=5, unique_by=lambda each: each[0])
MOVES = st.sampled_from([5, 5, 10, 15, 25, 60]).map(lambda seconds: seconds * SECOND)


class SemaphoreMachine(ComparingMachine):
    """One semaphore, five holders, any number of requests of theirs."""

    kind = Kind.SEMAPHORE
    requests = Bundle("requests")

    def __init__(self, server: Server | None) -> None:
        super().__init__(server)
        self.bench.kind = self.kind
        self.model = SemaphoreModel(fixed=self.kind is not Kind.SEMAPHORE)
        self.sem: Any = self.bench.k.permits(f"{self.kind.key}/x")
        self.last_token = 0
        self.last_event: str | None = None
        self.releases = 0

    # ------------------------------------------------------------ the object

    @initialize(spec=SPECS)
    def begin(self, spec: Any) -> None:
        self.define(spec)

    @rule(spec=SPECS)
    def define(self, spec: Any) -> None:
        permits, ttl, policy, bypass = self.possible(spec)
        args = (ttl, policy, bypass) if self.kind is Kind.SEMAPHORE else (ttl,)
        given = SemaphoreSpec(permits, *args) if self.kind is Kind.SEMAPHORE else KINDS[self.kind](*args)
        self.compare(
            lambda: self.sem.define_spec(given).action, lambda: self.model.define(permits, ttl, policy, bypass)
        )

    def possible(self, spec: Any) -> Any:
        """Return a spec that the kind can have for the one that was drawn."""
        return spec

    def amount(self, drawn: int) -> int:
        """Return an amount that can be asked of the kind for the one that was drawn."""
        return drawn

    @rule(permits=PERMITS)
    def resize(self, permits: int) -> None:
        if self.model.permits is not None:
            self.define((permits, self.model.ttl, self.model.policy, self.model.bypass))

    @rule()
    def reset(self) -> None:
        if self.model.permits is not None:
            self.compare(lambda: bool(self.sem.reset()), self.model.reset)

    @rule()
    def delete(self) -> None:
        self.compare(self.sem.delete, self.model.delete)
        if self.in_time:
            assert_only_passing_keys(self.bench.client)

    # ------------------------------------------------------------- requests

    def a_request(self, holder: str, amount: int, ttl: int | None, priority: int) -> Pair:
        amount = self.amount(amount)
        request = self.bench.ask(holder, amount, ttl_ms=ttl, priority=priority)
        return request, Wish(request.id, holder, amount, priority, ttl, place=0, ages=0, known_until=0)

    @rule(target=requests, holder=HOLDERS, amount=AMOUNTS, ttl=TTLS, priority=PRIORITIES)
    def new_request(self, holder: str, amount: int, ttl: int | None, priority: int) -> Pair:
        return self.a_request(holder, amount, ttl, priority)

    @rule(target=requests, holder=HOLDERS, amount=AMOUNTS, ttl=TTLS, priority=PRIORITIES)
    def wait_anew(self, holder: str, amount: int, ttl: int | None, priority: int) -> Pair:
        pair = self.a_request(holder, amount, ttl, priority)
        self.wait(pair)
        return pair

    @rule(holder=HOLDERS, amount=AMOUNTS, ttl=TTLS)
    def attempt_anew(self, holder: str, amount: int, ttl: int | None) -> None:
        self.attempt(self.a_request(holder, amount, ttl, 0))

    @rule(crowd=CROWDS, together=st.booleans())
    def a_crowd_comes(self, crowd: list[tuple[str, int, int]], together: bool) -> None:  # noqa: FBT001 - drawn
        """Several holders wait, at once or one after the other."""
        for holder, amount, priority in crowd:
            self.wait(self.a_request(holder, amount, None, priority))
            if not together:
                self.model.now += self.move(10 * SECOND)

    @rule(pair=requests)
    def attempt(self, pair: Pair) -> None:
        request, wish = pair
        self.compare(lambda: request.attempt().code, lambda: self.model.acquire(replace(wish), wait=False))

    @rule(pair=requests)
    def wait(self, pair: Pair) -> None:
        request, wish = pair
        self.compare(lambda: request.wait().code, lambda: self.model.acquire(replace(wish), wait=True))

    @rule(pair=requests)
    def challenge(self, pair: Pair) -> None:
        """Another process with the same holder asks until the probe has ended."""
        if self.exact:  # on a real server the probe's one second is too short to be sure of
            other = self.a_request(pair[1].holder, pair[1].amount, pair[1].ttl, 0)
            self.wait(other)
            self.model.now += self.move(PROBE_WINDOW)
            self.wait(other)

    @rule(pair=requests)
    def cancel(self, pair: Pair) -> None:
        request, wish = pair
        self.compare(request.cancel, lambda: self.model.cancel(wish.id, wish.holder))

    @rule()
    def everybody_shows_a_sign_of_life(self) -> None:
        for wish in self.model.queue:
            request = self.bench.ask(wish.holder, wish.amount, ttl_ms=wish.ttl, priority=wish.priority)
            call = request.spec.call("wait")
            call.args = (wish.id, *call.args[1:])
            self.compare(partial(self.code_of, call), partial(self.model.acquire, replace(wish), wait=True))

    def code_of(self, call: Call) -> str:
        return str(self.bench.run(call)[0])

    # --------------------------------------------------------------- leases

    @rule(holder=HOLDERS, ttl=TTLS)
    def renew(self, holder: str, ttl: int | None) -> None:
        call = Call(RENEW, self.bench.keys().permits, (holder, "", -1 if ttl is None else ttl))
        self.compare(lambda: self.bench.run(call)[0], lambda: self.model.renew(holder, ttl))

    @rule()
    def everybody_releases(self) -> None:
        for holder in list(self.model.leases):
            self.release(holder, again=False)
            self.look()

    @rule(holder=HOLDERS, again=st.booleans())
    def release(self, holder: str, again: bool) -> None:  # noqa: FBT001 - drawn
        self.releases += not again
        request = f"release-{self.releases}"
        call = Call(RELEASE, self.bench.keys().permits, (request, holder, "", "released"))
        self.compare(lambda: self.bench.run(call)[0], lambda: self.model.release(request, holder))

    # ----------------------------------------------------------------- time

    @rule(ms=MOVES)
    def time_passes(self, ms: int) -> None:
        self.model.now += self.move(ms)

    @rule()
    def a_claim_window_passes(self) -> None:
        self.model.now += self.move(CLAIM_WINDOW)

    @rule()
    def a_heartbeat_is_almost_missed(self) -> None:
        self.model.now += self.move(WAITER_TTL - 5 * SECOND)

    # ----------------------------------------------------------- what is seen

    @rule()
    def look(self) -> None:
        """Compare all that a status shows with the model."""
        if self.model.permits is None or not self.in_time:
            return
        status, now = self.sem.status(), self.bench.clock.now_ms()
        self.heed()
        self.model.look()
        if self.too_late():
            return
        assert sum(each.permits for each in status.holders) == self.model.in_use
        if isinstance(status, SemaphoreStatus):
            assert status.in_use == self.model.in_use
        assert [each.holder for each in status.waiters] == [wish.holder for wish in self.model.queue]
        assert status.waiting == len(self.model.queue)
        held = {each.holder: each for each in status.holders}
        assert set(held) == set(self.model.leases)
        for holder, lease in self.model.leases.items():
            found = held[holder]
            assert (found.permits, found.pending) == (lease.amount, lease.claim)
            if lease.ends is None or found.expires_ms is None:
                assert lease.ends is found.expires_ms
            else:
                difference = (found.expires_ms - now) - (lease.ends - self.model.now)
                assert abs(difference) <= (0 if self.exact else 4 * SECOND)

        twins = assert_leases_agree(self.bench)
        assert len({twin["token"] for twin in twins.values()}) == len(twins)

    def heed(self) -> None:
        """Assert that every grant has a greater token, and tell the model who was passed over."""
        self.model.passed_over.clear()
        for event in self.sem.events(1000, since_id=self.last_event or "0"):
            self.last_event = event.id
            if event.type == "abandoned":
                self.model.passed_over.add(event.holder or "")
            elif event.type == "granted":
                assert event.token is not None
                assert event.token > self.last_token
                self.last_token = event.token

    def teardown(self) -> None:
        self.look()
        self.delete()
        super().teardown()


def test_a_semaphore_on_fakeredis_does_what_the_model_does() -> None:
    try_out(lambda: SemaphoreMachine(None), profile(60, 1_000, 25))


def test_a_semaphore_on_a_real_server_does_what_the_model_does(server: Server) -> None:
    try_out(lambda: SemaphoreMachine(server), profile(150, 5_000, 25))
