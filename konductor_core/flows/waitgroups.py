"""Add members to wait groups, take them off, and wait until none is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from konductor_core.codes import Code
from konductor_core.errors import BelowZero
from konductor_core.flows import latches
from konductor_core.flows.latches import Wait
from konductor_core.flows.steps import Call, Flow
from konductor_core.identity import new_request_id
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from konductor_core.keys import ObjectKeys
    from konductor_core.scripts import Script

__all__ = ["Counted", "Finished", "add", "done", "wait"]

ADD: Final = SCRIPTS["waitgroup_add"]
DONE: Final = SCRIPTS["waitgroup_done"]


@dataclass(frozen=True, slots=True)
class Counted:
    """What an add or a done did: `counted` is False for a name that had been added, or was done, before."""

    counted: bool
    counter: int
    round: int
    phase: str
    epoch: str

    @property
    def summary(self) -> str:
        """How far the wait group is, for messages."""
        return f"{self.counter} left"


@dataclass(frozen=True, slots=True)
class Finished:
    """No member is left: `counter` is 0, unless another round has begun since; `added` is how many there were."""

    counter: int
    added: int
    round: int
    epoch: str

    @property
    def summary(self) -> str:
        """What has ended, for messages."""
        return f"done: {self.added} added, none left" if self.added else "idle"


class _Wait(Wait[Finished]):
    """A wait for the round that is under way, or that the first member will begin."""

    script: ClassVar[Script] = SCRIPTS["waitgroup_wait"]

    def __init__(self, keys: ObjectKeys, *, allow_idle: bool, who: str) -> None:
        super().__init__(keys, who=who)
        self.allow_idle = allow_idle

    def arguments(self, cycle: int) -> tuple[str | int, ...]:
        return (self.request, cycle, int(self.allow_idle))

    def describe(self, count: int, target: int, notes: list[str]) -> str:
        if notes == ["Idle"]:
            return "idle, waiting for the first member"
        return f"{max(0, target - count)}/{target} done, waiting for {count} more"

    def result(self, count: int, target: int, cycle: int, epoch: str, _notes: list[str]) -> Finished:
        return Finished(count, target, cycle, epoch)


def add(
    keys: ObjectKeys, member: str, count: int, patience_ms: int, *, request: str = "", replicas: int = 0
) -> Flow[Counted]:
    """Add a member, or `count` without a name; waits up to `patience_ms` for a wait group that does not exist yet.

    A `request` that two callers share is answered to the second as to the first. Raises `NotFound`, `Unavailable`.
    """
    call = Call(ADD, keys.latch, (request or new_request_id(), member, count), replicas)
    answer = yield from latches.once_created(keys, call, patience_ms)
    latches.check_replicas(answer, replicas, f"what was added to {keys.id}", "add again under the same name")
    return _counted(answer.reply)


def done(
    keys: ObjectKeys, member: str, count: int, patience_ms: int, *, request: str = "", replicas: int = 0
) -> Flow[Counted]:
    """Take off a member, or `count` without a name. Raises `BelowZero`, and what `add` raises."""
    call = Call(DONE, keys.latch, (request or new_request_id(), member, count), replicas)
    answer = yield from latches.once_created(keys, call, patience_ms)
    reply = answer.reply
    if reply[0] == Code.BELOW:
        counter, anonymous = int(reply[4]), int(reply[5])
        what = f"{member} is no member of {keys.id}" if member else f"{keys.id} has {anonymous} members without a name"
        raise BelowZero(
            f"{what}, so {count if not member else 'it'} cannot be taken off ({counter} in all are not done)",
            hint="add members before they can be done; one that was added under a name is done under that name",
        )
    latches.check_replicas(answer, replicas, f"what is done in {keys.id}", "be done again under the same name")
    return _counted(reply)


def _counted(reply: list[str]) -> Counted:
    code, _, epoch, cycle, counter, _, phase = reply
    return Counted(counted=code != Code.ALREADY, counter=int(counter), round=int(cycle), phase=phase, epoch=epoch)


def wait(
    keys: ObjectKeys, timeout_ms: int | None, *, allow_idle: bool = False, must_exist: bool = False, who: str = ""
) -> Flow[Finished]:
    """Wait until no member is left: without end for a timeout of None, looks once for 0.

    A group to which nothing was added yet is waited for, too, unless `allow_idle`. Raises `WaitTimeout`, `NotFound`
    (with `must_exist`), `Unavailable`.
    """
    return (yield from latches.wait(_Wait(keys, allow_idle=allow_idle, who=who), timeout_ms, must_exist=must_exist))
