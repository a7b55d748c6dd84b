"""Wait until a latch opens: the protocol of all that many wait for at once.

A waiter asks, subscribes, asks again, and then listens: whatever happens after the second question reaches it as a
message that says all there is to know. It asks again when its connection was lost, and every 25 seconds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from konductor_core import durations
from konductor_core.codes import Code
from konductor_core.errors import Failed, KonductorError, Replaced, Unavailable
from konductor_core.flows.absence import absent
from konductor_core.flows.steps import RESUBSCRIBED, Answer, Call, Clock, Flow, Listen, Subscribe
from konductor_core.flows.waiting import FAREWELL, Patience
from konductor_core.identity import new_request_id
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from konductor_core.keys import ObjectKeys
    from konductor_core.scripts import Script

__all__ = ["Wait", "check_replicas", "once_created", "wait"]

LEAVE: Final = SCRIPTS["latch_leave"]

PROGRESS_INTERVAL: Final = 1.05
"""Seconds after which the waiter that a progress message names asks for what was held back."""

Result = TypeVar("Result")


class Wait(ABC, Generic[Result]):
    """One wait: for which cycle (0: the script decides) of which epoch (empty: any). Each kind of latch has its own.

    `who` waits is kept with the waiter as long as it does, for people to read: see `flows.listeners`.

    What the script decided first, `awaited`, stays what is waited for as long as the epoch it belongs to lasts.
    """

    script: ClassVar[Script]
    failure: ClassVar[type[Failed]] = Failed

    def __init__(self, keys: ObjectKeys, cycle: int = 0, epoch: str = "", *, who: str = "") -> None:
        self.keys = keys
        self.script_keys = keys.latch
        self.cycle = cycle
        self.epoch = epoch
        self.request = new_request_id()
        self.who = who
        self.subscribed = False
        self.awaited = 1
        self.seen_epoch = ""

    @abstractmethod
    def arguments(self, cycle: int) -> tuple[str | int, ...]:
        """Return the arguments of the script that asks, but for the last, which says who waits."""

    @abstractmethod
    def describe(self, count: int, target: int, notes: list[str]) -> str:
        """Return the line of progress; `notes` are what the script, or a message, says beside the two numbers."""

    @abstractmethod
    def result(self, count: int, target: int, cycle: int, epoch: str, notes: list[str]) -> Result:
        """Return what the wait ends with."""

    def call(self, seconds: float) -> Call:
        """Ask, and stay counted."""
        cycle = self.awaited if self.seen_epoch else self.cycle
        return Call(self.script, self.script_keys, (*self.arguments(cycle), self.who), seconds=seconds)

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

    def failed(self, reason: str) -> Failed:
        """Return the error of a latch that has failed."""
        return self.failure(f"{self.keys.id} has failed: {reason}")


def once_created(keys: ObjectKeys, call: Call, patience_ms: int) -> Flow[Answer]:
    """Return the answer to a call that counts something; waits up to `patience_ms` for its object to exist.

    Raises `NotFound` after that time, `Unavailable`.
    """
    answer: Answer = yield call
    if answer.reply[0] == Code.ABSENT and patience_ms:
        answer = yield from _await_creation(keys, call, patience_ms)
    if answer.reply[0] == Code.ABSENT:
        raise absent(keys)
    return answer


def check_replicas(answer: Answer, replicas: int, what: str, remedy: str) -> None:
    """Raise `Unavailable` if fewer than `replicas` acknowledged `what` was counted; `remedy` counts nothing twice."""
    if answer.acks < replicas:
        raise Unavailable(
            f"{answer.acks} of {replicas} replicas acknowledged {what}: a failover may lose it",
            hint=f"{remedy}, which counts once; or check the replicas",
        )


def _await_creation(keys: ObjectKeys, call: Call, patience_ms: int) -> Flow[Answer]:
    """Repeat a call, which has not counted anything yet, until its object exists or patience ends."""
    now = yield Clock()
    patience = Patience(keys.id, patience_ms, now)
    yield from patience.say(f"{keys.id} does not exist yet")
    subscribed = False
    while True:
        try:
            if not subscribed:
                yield Subscribe(keys.state, patience.for_call(now))
                subscribed = True
            answer: Answer = yield call
            now = yield Clock()
            if answer.reply[0] != Code.ABSENT or now >= patience.deadline:
                return answer
            yield Listen(keys.state, min(durations.HEARTBEAT / 1000, patience.left(now)), patience.for_call(now))
        except Unavailable as error:
            subscribed = False
            yield from patience.sit_out(error)


def wait(this: Wait[Result], timeout_ms: int | None, *, must_exist: bool = False) -> Flow[Result]:
    """Wait until the latch is open: without end for a timeout of None; 0 looks once.

    Raises `WaitTimeout`, the latch's own `failure`, `NotFound` (with `must_exist`), `Replaced` (a wait that is bound to
    an epoch), `Unavailable`.
    """
    try:
        return (yield from _until_open(this, timeout_ms, must_exist=must_exist))
    except (Failed, GeneratorExit):
        raise
    except BaseException:
        with suppress(KonductorError):  # it is forgotten without its heartbeat
            yield Call(LEAVE, this.keys.latch, (this.request,), seconds=FAREWELL)
        raise


def _until_open(this: Wait[Result], timeout_ms: int | None, *, must_exist: bool) -> Flow[Result]:
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


def _judge(this: Wait[Result], reply: list[Any], patience: Patience, *, must_exist: bool) -> Flow[Result | None]:
    """Turn a reply into an end of the wait, or say how far it is."""
    code, _, epoch, awaited, count, target, _, *notes = reply
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
        return this.result(count, target, awaited, epoch, notes)
    if code == Code.FAILED:
        raise this.failed(notes[0])
    yield from patience.say(this.describe(count, target, notes))
    return None


def _listen(this: Wait[Result], next_change_ms: int, patience: Patience) -> Flow[Result | None]:
    """Listen until the latch opens, or until it is time to ask again (None)."""
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
            if word in {"reset", "deleted", "defined", "look"}:
                yield from _heed(this, word, epoch, patience)
                return None
            opened = yield from _hear(this, word, epoch, rest, patience)
            if opened is not None:
                return opened
            if word == "progress" and rest[3:] and rest[3].partition(" ")[0] == this.request:
                ask_at = min(ask_at, now + PROGRESS_INTERVAL)


def _heed(this: Wait[Result], word: str, epoch: str, patience: Patience) -> Flow[None]:
    """Act on `reset|deleted|defined|look <epoch>`: ask again, unless the wait was bound to what is gone."""
    this.check_epoch(epoch if word != "deleted" else "deleted")
    if word in {"reset", "deleted"}:
        yield from patience.say(f"{this.keys.id} was {word}, waiting for the new one")


def _hear(this: Wait[Result], word: str, epoch: str, rest: list[str], patience: Patience) -> Flow[Result | None]:
    """Act on `open|failed|progress <epoch> <cycle> <count> <target> [reason or waiter]`; a note may follow a waiter."""
    cycle, count, target = map(int, rest[:3])
    if epoch < this.seen_epoch:
        return None  # of an epoch that has ended
    this.check_epoch(epoch)
    if word == "open" and cycle >= this.awaited:
        return this.result(count, target, this.awaited, epoch, rest[3:])
    if word == "failed":
        raise this.failed(" ".join(rest[3:]))
    if word == "progress" and cycle == this.awaited:
        note = rest[3].partition(" ")[2] if rest[3:] else ""
        yield from patience.say(this.describe(count, target, [note] if note else []))
    return None
