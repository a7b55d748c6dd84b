"""What is done once: complete it, fail, and wait until it is done. To begin is to acquire: see `permits`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from konductor_core.codes import Code
from konductor_core.errors import AlreadyDone, LeaseLost, NotHolder
from konductor_core.flows import latches
from konductor_core.flows.absence import absent
from konductor_core.flows.latches import Wait
from konductor_core.flows.steps import Call, Flow
from konductor_core.identity import new_request_id
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from konductor_core.errors import KonductorError
    from konductor_core.keys import ObjectKeys
    from konductor_core.scripts import Script

__all__ = ["Completed", "Done", "complete", "fail", "wait"]

COMPLETE: Final = SCRIPTS["once_complete"]
FAIL: Final = SCRIPTS["once_fail"]


@dataclass(frozen=True, slots=True)
class Completed:
    """A completion: `counted` is False where the same runner had said so before."""

    counted: bool
    executor: str


@dataclass(frozen=True, slots=True)
class Done:
    """It is done: by whom."""

    executor: str

    @property
    def summary(self) -> str:
        """What has happened, for messages."""
        return f"done by {self.executor}" if self.executor else "done"


class _Wait(Wait[Done]):
    """A wait until it is done, by whoever."""

    script: ClassVar[Script] = SCRIPTS["once_wait"]

    def __init__(self, keys: ObjectKeys, who: str) -> None:
        super().__init__(keys, who=who)
        self.script_keys = keys.permits

    def arguments(self, _cycle: int) -> tuple[str | int, ...]:
        return (self.request,)

    def describe(self, _count: int, failures: int, notes: list[str]) -> str:
        what = f"{notes[0]} runs it" if notes[0] else "nobody runs it yet"
        return f"{what}, {failures} failed before" if failures else what

    def result(self, _count: int, _target: int, _cycle: int, _epoch: str, notes: list[str]) -> Done:
        return Done(notes[0] if notes else "")


def complete(keys: ObjectKeys, holder: str, token: int | None, result: str, *, replicas: int = 0) -> Flow[Completed]:
    """Note that it is done. Once for each epoch: the same runner may repeat it, nobody else.

    Raises `AlreadyDone`, `LeaseLost` (the lease to run it has ended), `NotHolder`, `NotFound`, `Unavailable`.
    """
    args = (new_request_id(), holder, "" if token is None else token, result)
    answer = yield Call(COMPLETE, keys.permits, args, replicas)
    code, _, executor = answer.reply
    if code not in {Code.COMPLETED, Code.ALREADY}:
        raise _refusal(keys, holder, code, executor)
    latches.check_replicas(answer, replicas, f"the completion of {keys.id}", "complete again as the same holder")
    return Completed(counted=code == Code.COMPLETED, executor=executor)


def fail(keys: ObjectKeys, holder: str, token: int | None, reason: str) -> Flow[None]:
    """Note that a run has failed, so that the next one may run. Raises what `complete` raises."""
    args = (new_request_id(), holder, "" if token is None else token, reason)
    answer = yield Call(FAIL, keys.permits, args)
    code, _, executor = answer.reply
    if code != Code.FAILED:
        raise _refusal(keys, holder, code, executor)


def _refusal(keys: ObjectKeys, holder: str, code: Any, executor: str) -> KonductorError:  # noqa: ANN401 - a reply
    if code == Code.ABSENT:
        return absent(keys)
    if code == Code.DONE:
        return AlreadyDone(f"{keys.id} was done by {executor}")
    if code == Code.LOST:
        return LeaseLost(f"{holder} does not run {keys.id} any more: its lease has ended, and another may run it")
    return NotHolder(f"{holder} does not run {keys.id}", hint=f"koncli {keys.id.replace('/', ' begin ')}")


def wait(keys: ObjectKeys, timeout_ms: int | None, *, must_exist: bool = False, who: str = "") -> Flow[Done]:
    """Wait until it is done: without end for a timeout of None, looks once for 0. It is not run by that.

    Raises `WaitTimeout`, `NotFound` (with `must_exist`), `Unavailable`.
    """
    return (yield from latches.wait(_Wait(keys, who), timeout_ms, must_exist=must_exist))
