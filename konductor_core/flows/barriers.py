"""Arrive and wait: the protocol of barriers.

A waiter asks, subscribes, asks again, and then listens: whatever happens after the second question reaches it as a
message that says all there is to know. It asks again when its connection was lost, and every 25 seconds.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from konductor_core import durations
from konductor_core.codes import Code
from konductor_core.errors import BarrierFailed, KonductorError, NotFound, Replaced, Unavailable
from konductor_core.flows.absence import absent
from konductor_core.flows.steps import RESUBSCRIBED, Call, Clock, Flow, Listen, Subscribe
from konductor_core.flows.waiting import FAREWELL, Patience
from konductor_core.identity import new_request_id
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from konductor_core.keys import ObjectKeys

__all__ = ["Arrived", "Opened", "arrive", "arrive_and_wait", "wait"]

ARRIVE: Final = SCRIPTS["barrier_arrive"]
WAIT: Final = SCRIPTS["barrier_wait"]
LEAVE: Final = SCRIPTS["barrier_leave"]

PROGRESS_INTERVAL: Final = 1.05
"""Seconds after which the waiter that a progress message names asks for what was held back."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """What an arrival did: `counted` is False for an id that had arrived, or a barrier that needed no more."""

    counted: bool
    arrived: int
    expected: int
    cycle: int
    phase: str
    epoch: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A barrier, or the awaited cycle of one, has opened: `needed` arrivals did it."""

    arrived: int
    needed: int
    cycle: int
    epoch: str


@dataclass(slots=True)
class _Wait:
    """One wait: for which cycle (0: the script decides) of which epoch (empty: any).

    What the script decided first, `awaited`, stays what is waited for as long as the epoch it belongs to lasts.
    """

    keys: ObjectKeys
    holder: str
    cycle: int
    epoch: str
    request: str
    subscribed: bool = False
    awaited: int = 1
    seen_epoch: str = ""

    def call(self, seconds: float) -> Call:
        cycle = self.awaited if self.seen_epoch else self.cycle
        return Call(WAIT, self.keys.latch, (self.request, self.holder, cycle, self.epoch), seconds=seconds)

    def outlived(self, epoch: str) -> bool:
        """Return whether a new epoch has come, and forget the cycle that was awaited in the old one."""
        if self.epoch or self.seen_epoch in {"", epoch}:
            return False
        self.seen_epoch = ""
        return True

    def check_epoch(self, epoch: str) -> None:
        """Raise `Replaced` if the wait is bound to another epoch."""
        if self.epoch and epoch != self.epoch:
            raise Replaced(f"{self.keys.id} was reset or made anew while this arrival waited")


def arrive(keys: ObjectKeys, arrival: str, patience_ms: int, *, request: str = "", replicas: int = 0) -> Flow[Arrived]:
    """Count one arrival; waits up to `patience_ms` for a barrier that does not exist yet.

    A `request` that two callers share is answered to the second as to the first. Raises `NotFound` after that time,
    `BarrierFailed`, `Unavailable` (also if fewer than `replicas` acknowledged it).
    """
    call = Call(ARRIVE, keys.latch, (request or new_request_id(), arrival), replicas)
    answer = yield call
    if answer.reply[0] == Code.ABSENT and patience_ms:
        answer = yield from _await_creation(keys, call, patience_ms)
    code, _, epoch, cycle, arrived, expected, _, phase, reason = answer.reply
    if code == Code.ABSENT:
        raise absent(keys)
    if code == Code.FAILED:
        raise BarrierFailed(f"{keys.id} has failed: {reason}", hint=f"koncli {keys.id.replace('/', ' reset ')}")
    if answer.acks < replicas:
        raise Unavailable(
            f"{answer.acks} of {replicas} replicas acknowledged the arrival at {keys.id}: a failover may lose it",
            hint="arrive again under the same id, which counts once; or check the replicas",
        )
    return Arrived(
        counted=code == Code.ARRIVED,
        arrived=int(arrived),
        expected=int(expected),
        cycle=int(cycle),
        phase=phase,
        epoch=epoch,
    )


def _await_creation(keys: ObjectKeys, call: Call, patience_ms: int) -> Flow[Any]:
    """Repeat an arrival, which has not been counted yet, until its barrier exists or patience ends."""
    now = yield Clock()
    patience = Patience(keys.id, patience_ms, now)
    yield from patience.say(f"{keys.id} does not exist yet")
    subscribed = False
    while True:
        try:
            if not subscribed:
                yield Subscribe(keys.state, patience.for_call(now))
                subscribed = True
            answer = yield call
            now = yield Clock()
            if answer.reply[0] != Code.ABSENT or now >= patience.deadline:
                return answer
            yield Listen(keys.state, min(durations.HEARTBEAT / 1000, patience.left(now)), patience.for_call(now))
        except Unavailable as error:
            subscribed = False
            yield from patience.sit_out(error)


def arrive_and_wait(
    keys: ObjectKeys, arrival: str, timeout_ms: int | None, patience_ms: int, *, replicas: int = 0
) -> Flow[Opened]:
    """Arrive, then wait for the cycle this arrival counts in. Raises `Replaced` too, if the epoch ends under it."""
    arrived = yield from arrive(keys, arrival, patience_ms, replicas=replicas)
    return (yield from _wait(_Wait(keys, arrival, arrived.cycle, arrived.epoch, new_request_id()), timeout_ms))


def wait(
    keys: ObjectKeys, holder: str, timeout_ms: int | None, *, cycle: int | None = None, must_exist: bool = False
) -> Flow[Opened]:
    """Wait until the barrier is open; of a cyclic one, cycle `cycle`, else the holder's last, else the current.

    Waits without end for a timeout of None, looks once for 0. Raises `WaitTimeout`, `BarrierFailed`, `NotFound` (with
    `must_exist`), `Unavailable`.
    """
    return (yield from _wait(_Wait(keys, holder, cycle or 0, "", new_request_id()), timeout_ms, must_exist=must_exist))


def _wait(this: _Wait, timeout_ms: int | None, *, must_exist: bool = False) -> Flow[Opened]:
    try:
        return (yield from _until_open(this, timeout_ms, must_exist=must_exist))
    except (BarrierFailed, Replaced, NotFound, GeneratorExit):
        raise
    except BaseException:
        with suppress(KonductorError):  # it is forgotten without its heartbeat
            yield Call(LEAVE, this.keys.latch, (this.request,), seconds=FAREWELL)
        raise


def _until_open(this: _Wait, timeout_ms: int | None, *, must_exist: bool) -> Flow[Opened]:
    now = yield Clock()
    patience = Patience(this.keys.id, timeout_ms, now)
    while True:
        try:
            answer = yield this.call(patience.for_call(now))
            patience.connected()
            if this.outlived(answer.reply[2]):
                continue
            opened = yield from _judge(this, answer.reply, patience, must_exist=must_exist)
            now = yield Clock()
            if opened is not None:
                return opened
            patience.check(now)
            if not this.subscribed:
                yield Subscribe(this.keys.state, patience.for_call(now))
                this.subscribed = True
                continue
            opened = yield from _listen(this, answer.reply[1], patience)
            if opened is not None:
                return opened
            now = yield Clock()
        except Unavailable as error:
            this.subscribed = False
            yield from patience.sit_out(error)
            now = yield Clock()


def _judge(this: _Wait, reply: list[Any], patience: Patience, *, must_exist: bool) -> Flow[Opened | None]:
    """Turn a reply into an end of the wait, or say how far it is."""
    code, _, epoch, awaited, arrived, target, _, reason = reply
    if code == Code.ABSENT:
        if this.epoch:
            raise Replaced(f"{this.keys.id} was deleted while this arrival waited")
        if must_exist:
            raise absent(this.keys)
        yield from patience.say(f"{this.keys.id} does not exist yet")
        return None
    this.check_epoch(epoch)
    this.awaited, this.seen_epoch = awaited, epoch
    if code == Code.OPEN:
        return Opened(arrived, target, awaited, epoch)
    if code == Code.FAILED:
        raise BarrierFailed(f"{this.keys.id} has failed: {reason}")
    yield from _say_progress(patience, arrived, target)
    return None


def _say_progress(patience: Patience, arrived: int, target: int) -> Flow[None]:
    yield from patience.say(f"{arrived}/{target} arrived, waiting for {max(0, target - arrived)} more")


def _listen(this: _Wait, next_change_ms: int, patience: Patience) -> Flow[Opened | None]:
    """Listen until the barrier opens, or until it is time to ask again (None)."""
    now = yield Clock()
    ask_at = now + durations.HEARTBEAT / 1000
    if next_change_ms >= 0:
        ask_at = min(ask_at, now + next_change_ms / 1000)
    while True:
        seconds = min(ask_at, patience.deadline) - now
        if seconds <= 0:
            return None
        message = yield Listen(this.keys.state, seconds, patience.for_call(now))
        now = yield Clock()
        if message == RESUBSCRIBED:
            return None
        if message is not None:
            word, epoch, *rest = message.split(" ", 5)
            if word in {"reset", "deleted", "defined"}:
                this.check_epoch(epoch if word != "deleted" else "deleted")
                if word != "defined":
                    yield from patience.say(f"{this.keys.id} was {word}, waiting for the new one")
                return None
            opened = yield from _hear(this, word, epoch, rest, patience)
            if opened is not None:
                return opened
            if word == "progress" and rest[3:] == [this.request]:
                ask_at = min(ask_at, now + PROGRESS_INTERVAL)


def _hear(this: _Wait, word: str, epoch: str, rest: list[str], patience: Patience) -> Flow[Opened | None]:
    """Act on `open|failed|progress <epoch> <cycle> <arrived> <target> [reason or waiter]`."""
    cycle, arrived, target = map(int, rest[:3])
    if epoch < this.seen_epoch:
        return None  # of an epoch that has ended
    this.check_epoch(epoch)
    if word == "open" and cycle >= this.awaited:
        return Opened(arrived, target, this.awaited, epoch)
    if word == "failed":
        raise BarrierFailed(f"{this.keys.id} has failed: {' '.join(rest[3:])}")
    if word == "progress" and cycle == this.awaited:
        yield from _say_progress(patience, arrived, target)
    return None
