"""Mutexes, leases and RWMutexes do what the model of permits does, with holders that never change their share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from konductor_core.amounts import SHARES
from konductor_core.durations import MAX_BYPASS
from konductor_core.identity import Kind
from konductor_core.models import LeaseStatus, MutexStatus, RWMutexStatus
from tests.scripts.machine import profile, try_out
from tests.scripts.test_model_semaphore import SemaphoreMachine

if TYPE_CHECKING:
    from tests.servers import Server


class LockMachine(SemaphoreMachine):
    """One object with one permit, and a spec with nothing but a TTL."""

    total = 1

    def possible(self, spec: Any) -> Any:
        return (self.total, spec[1], "Strict", MAX_BYPASS)

    def amount(self, drawn: int) -> int:  # noqa: ARG002 - there is one
        return 1

    def resize(self, permits: int) -> None:
        """Nothing: the number of permits is fixed."""

    def look(self) -> None:
        super().look()
        if self.model.permits is None or not self.in_time:
            return
        status = self.sem.status()
        assert status.phase in {"Unlocked", "Locked", "Available", "Held", "ReadLocked", "WriteLocked"}
        if isinstance(status, RWMutexStatus):
            assert (status.writer is None) or status.holders_total == 1
            assert (status.phase == "WriteLocked") == (status.writer is not None)
        if isinstance(status, MutexStatus):
            assert (status.phase == "Locked") == bool(status.holders)
        if isinstance(status, LeaseStatus):
            grants = [event.holder for event in self.sem.events(1000) if event.type == "granted"]
            assert status.transitions <= len(grants)


class MutexMachine(LockMachine):
    kind = Kind.MUTEX


class LeaseMachine(LockMachine):
    kind = Kind.LEASE


class RWMutexMachine(LockMachine):
    kind = Kind.RWMUTEX
    total = SHARES["write"]

    def amount(self, drawn: int) -> int:
        return SHARES["read" if drawn == 1 else "write"]


MACHINES = pytest.mark.parametrize("machine", [MutexMachine, LeaseMachine, RWMutexMachine])


@MACHINES
def test_a_lock_on_fakeredis_does_what_the_model_does(machine: type[LockMachine]) -> None:
    try_out(lambda: machine(None), profile(20, 600, 25))


@MACHINES
def test_a_lock_on_a_real_server_does_what_the_model_does(machine: type[LockMachine], redis_server: Server) -> None:
    try_out(lambda: machine(redis_server), profile(35, 3_000, 25))
