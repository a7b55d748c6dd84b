"""Drives a flow by hand, without a server: the test plays Redis, the clock and whatever interrupts.

stage = Stage(acquire(ask, None))
stage.at(Call)            the step it waits for; clocks are answered and progress is noted on the way
stage.reply("granted", …) answer a call; stage.answer(x) any step; stage.fail(error) raises in it
stage.result              what the flow returned; stage.error what it raised
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from konductor_core.flows.steps import Answer, Call, Clock, Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core.flows.steps import Flow, Step

__all__ = ["Stage"]

S = TypeVar("S")


class Stage:
    """One flow, stopped at the step it waits for."""

    def __init__(self, flow: Flow[Any], now: float = 1000.0) -> None:
        self._flow = flow
        self.now = now
        self.said: list[str] = []
        self.deadlines: list[float | None] = []
        self.result: Any = None
        self.error: BaseException | None = None
        self.ended = False
        self._step: Step | None = None
        self._go(flow.send, None)

    def _go(self, resume: Callable[[Any], Step], value: Any) -> None:
        self._step = None
        try:
            step = resume(value)
            while isinstance(step, (Clock, Report)):
                if isinstance(step, Report):
                    self.said.append(step.progress.text)
                    self.deadlines.append(step.progress.deadline_in)
                step = self._flow.send(self.now if isinstance(step, Clock) else None)
            self._step = step
        except StopIteration as end:
            self.result, self.ended = end.value, True
        except BaseException as error:  # noqa: BLE001 - an interruption is among what flows raise
            self.error, self.ended = error, True

    def at(self, kind: type[S]) -> S:
        """Return the step the flow waits for, which must be of this kind."""
        assert isinstance(self._step, kind), f"the flow is at {self._step}, raised {self.error}"
        return self._step

    def answer(self, value: object = None, *, after: float = 0.0) -> None:
        """Let the step return `value` after some seconds."""
        assert self._step is not None, "the flow has ended"
        self.now += after
        self._go(self._flow.send, value)

    def reply(self, *reply: object, after: float = 0.0, acks: int = 0) -> None:
        """Answer a call; it was sent now, and the reply takes `after` seconds."""
        self.at(Call)
        sent = self.now
        self.answer(Answer(sent, list(reply), acks), after=after)

    def fail(self, error: BaseException, *, after: float = 0.0) -> None:
        """Let the step raise."""
        assert self._step is not None, "the flow has ended"
        self.now += after
        self._go(self._flow.throw, error)
