"""Arrive at barriers and wait for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from konductor_core.codes import Code
from konductor_core.errors import BarrierFailed
from konductor_core.flows import latches
from konductor_core.flows.latches import Wait
from konductor_core.flows.steps import Call, Flow
from konductor_core.identity import new_request_id
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from konductor_core.keys import ObjectKeys
    from konductor_core.scripts import Script

__all__ = ["Arrived", "Opened", "arrive", "arrive_and_wait", "wait"]

ARRIVE: Final = SCRIPTS["barrier_arrive"]


@dataclass(frozen=True, slots=True)
class Arrived:
    """What an arrival did: `counted` is False for an id that had arrived, or a barrier that needed no more."""

    counted: bool
    arrived: int
    expected: int
    cycle: int
    phase: str
    epoch: str

    @property
    def summary(self) -> str:
        """How far the barrier is, for messages."""
        return f"{self.arrived}/{self.expected} arrived"


@dataclass(frozen=True, slots=True)
class Opened:
    """A barrier, or the awaited cycle of one, has opened: `needed` arrivals did it."""

    arrived: int
    needed: int
    cycle: int
    epoch: str

    @property
    def summary(self) -> str:
        """What opened it, for messages."""
        return f"open: {self.arrived}/{self.needed} arrived"


class _Wait(Wait[Opened]):
    """A wait at a barrier, for the last cycle of `holder` unless it names another."""

    script: ClassVar[Script] = SCRIPTS["barrier_wait"]
    failure = BarrierFailed

    def __init__(self, keys: ObjectKeys, holder: str, cycle: int = 0, epoch: str = "", *, who: str = "") -> None:
        super().__init__(keys, cycle, epoch, who=who)
        self.holder = holder

    def arguments(self, cycle: int) -> tuple[str | int, ...]:
        return (self.request, self.holder, cycle, self.epoch)

    def describe(self, count: int, target: int, _notes: list[str]) -> str:
        return f"{count}/{target} arrived, waiting for {max(0, target - count)} more"

    def result(self, count: int, target: int, cycle: int, epoch: str, _notes: list[str]) -> Opened:
        return Opened(count, target, cycle, epoch)


def arrive(keys: ObjectKeys, arrival: str, patience_ms: int, *, request: str = "", replicas: int = 0) -> Flow[Arrived]:
    """Count one arrival; waits up to `patience_ms` for a barrier that does not exist yet.

    A `request` that two callers share is answered to the second as to the first. Raises `NotFound` after that time,
    `BarrierFailed`, `Unavailable` (also if fewer than `replicas` acknowledged it).
    """
    call = Call(ARRIVE, keys.latch, (request or new_request_id(), arrival), replicas)
    answer = yield from latches.once_created(keys, call, patience_ms)
    code, _, epoch, cycle, arrived, expected, _, phase, reason = answer.reply
    if code == Code.FAILED:
        raise BarrierFailed(f"{keys.id} has failed: {reason}", hint=f"koncli {keys.id.replace('/', ' reset ')}")
    latches.check_replicas(answer, replicas, f"the arrival at {keys.id}", "arrive again under the same id")
    return Arrived(
        counted=code == Code.ARRIVED,
        arrived=int(arrived),
        expected=int(expected),
        cycle=int(cycle),
        phase=phase,
        epoch=epoch,
    )


def arrive_and_wait(
    keys: ObjectKeys, arrival: str, timeout_ms: int | None, patience_ms: int, *, replicas: int = 0, who: str = ""
) -> Flow[Opened]:
    """Arrive, then wait for the cycle this arrival counts in. Raises `Replaced` too, if the epoch ends under it."""
    arrived = yield from arrive(keys, arrival, patience_ms, replicas=replicas)
    return (yield from latches.wait(_Wait(keys, arrival, arrived.cycle, arrived.epoch, who=who), timeout_ms))


def wait(
    keys: ObjectKeys,
    holder: str,
    timeout_ms: int | None,
    *,
    cycle: int | None = None,
    must_exist: bool = False,
    who: str = "",
) -> Flow[Opened]:
    """Wait until the barrier is open; of a cyclic one, cycle `cycle`, else the holder's last, else the current.

    Waits without end for a timeout of None, looks once for 0. Raises `WaitTimeout`, `BarrierFailed`, `NotFound` (with
    `must_exist`), `Unavailable`.
    """
    return (yield from latches.wait(_Wait(keys, holder, cycle or 0, who=who), timeout_ms, must_exist=must_exist))
