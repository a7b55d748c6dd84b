"""Requests for several objects, in random order: never too many, all or nothing, and everybody gets a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import rule

from konductor_core.codes import Code
from konductor_core.durations import CLAIM_WINDOW
from tests.scripts.audit import assert_leases_agree, keys_without_ttl
from tests.scripts.machine import ComparingMachine, profile, try_out

if TYPE_CHECKING:
    from tests.scripts.bench import Request
    from tests.servers import Server

SECOND = 1_000
NAMES = ("x", "y", "z")
PERMITS = 2
WANTED = st.dictionaries(st.sampled_from(NAMES), st.integers(1, PERMITS), min_size=1).flatmap(
    lambda wanted: st.permutations(list(wanted.items())).map(dict)
)


class SeveralMachine(ComparingMachine):
    """Three semaphores of two permits, and requests for one, two or all of them, in any order."""

    def __init__(self, server: Server | None) -> None:
        super().__init__(server)
        self.waiting: dict[str, tuple[Request, dict[str, int]]] = {}
        self.holding: dict[str, dict[str, int]] = {}
        self.count = 0
        for name in NAMES:
            self.bench.semaphore(PERMITS, name=name, ttl="1h")

    def ask(self, holder: str) -> None:
        """Let a waiter ask, and note what it got."""
        request, wanted = self.waiting[holder]
        reply = request.wait()
        assert reply.code in {Code.GRANTED, Code.QUEUED}
        if reply.granted:
            assert len(reply.tokens) == len(wanted)
            del self.waiting[holder]
            self.holding[holder] = dict(wanted)

    @rule(wanted=WANTED, priority=st.sampled_from([0, 0, 5]))
    def come(self, wanted: dict[str, int], priority: int) -> None:
        self.count += 1
        holder = f"h{self.count}"
        self.waiting[holder] = self.bench.ask(holder, several=wanted, priority=priority), wanted
        self.ask(holder)

    @rule()
    def everybody_asks(self) -> None:
        for holder in list(self.waiting):
            self.ask(holder)

    @rule(data=st.data())
    def release_one_object(self, data: st.DataObject) -> None:
        if self.holding:
            holder = data.draw(st.sampled_from(sorted(self.holding)))
            name = data.draw(st.sampled_from(sorted(self.holding[holder])))
            assert self.bench.k.semaphore(name).release(holder) == "released"
            del self.holding[holder][name]
            if not self.holding[holder]:
                del self.holding[holder]

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.waiting:
            holder = data.draw(st.sampled_from(sorted(self.waiting)))
            self.waiting.pop(holder)[0].cancel()

    @rule(name=st.sampled_from(NAMES))
    def delete_and_make_anew(self, name: str) -> None:
        self.bench.k.semaphore(name).delete()
        self.bench.semaphore(PERMITS, name=name, ttl="1h")
        for wanted in self.holding.values():
            wanted.pop(name, None)
        self.holding = {holder: wanted for holder, wanted in self.holding.items() if wanted}
        self.everybody_asks()  # who was granted the deleted one gives back the rest

    @rule()
    def claims_lapse(self) -> None:
        self.move(CLAIM_WINDOW)

    @rule()
    def look(self) -> None:
        """Never too many, nothing but what was granted, and no part of what a waiter asked for."""
        for name in NAMES:
            status = self.bench.k.semaphore(name).status()
            assert status.in_use <= PERMITS
            assert_leases_agree(self.bench, name)
            confirmed = {each.holder: each.permits for each in status.holders if not each.pending}
            assert confirmed == {holder: wanted[name] for holder, wanted in self.holding.items() if name in wanted}
            for each in status.holders:
                if each.pending:
                    assert self.waiting[each.holder][1][name] == each.permits
        for holder, (_, wanted) in self.waiting.items():
            parts = {name for name in wanted if holder in self.bench.holders(name)}
            assert parts in (set(), set(wanted)), f"{holder} has only a part"

    def everybody_gets_a_turn(self) -> None:
        """Whoever waits is served, once all others have released: nothing deadlocks."""
        for _ in range(len(self.waiting) + 1):
            for holder, wanted in self.holding.items():
                for name in wanted:
                    self.bench.k.semaphore(name).release(holder)
            self.holding.clear()
            self.everybody_asks()
        assert not self.waiting

    def teardown(self) -> None:
        self.look()
        self.everybody_gets_a_turn()
        for name in NAMES:
            self.bench.k.semaphore(name).delete()
        assert keys_without_ttl(self.bench.client) == []
        super().teardown()


def test_requests_for_several_objects_on_fakeredis() -> None:
    try_out(lambda: SeveralMachine(None), profile(15, 300, 20))


def test_requests_for_several_objects_on_a_real_server(server: Server) -> None:
    try_out(lambda: SeveralMachine(server), profile(60, 2_000, 20))
