"""What both state machines share: one backend per example, and steps that are compared with a model.

On fakeredis time stands still between moves. On a real server it runs on, so durations are whole multiples of five
seconds, every move adds some milliseconds, and an example that took longer than real time allows ends early.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.scripts.conftest import fake_bench, real_bench

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Server

__all__ = ["ComparingMachine", "profile", "try_out"]

DEEP: Final = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
MOVE: Final = 7
"""Milliseconds that each move of the clock adds: nothing ends exactly when something else begins."""
PATIENCE: Final = 3.0
"""Seconds an example may take on a real server before moments of the model and of the server could differ."""


def profile(quick: int, deep: int, steps: int) -> settings:
    """Return how many examples to try, quickly by default and with HYPOTHESIS_PROFILE=deep."""
    return settings(
        max_examples=deep if DEEP else quick,
        stateful_step_count=2 * steps if DEEP else steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        print_blob=True,
    )


def try_out(make: Callable[[], RuleBasedStateMachine], how: settings) -> None:
    """Run examples of the machine that `make` returns."""
    run_state_machine_as_test(cast("Any", make), settings=how)


class ComparingMachine(RuleBasedStateMachine):
    """A backend of its own; `server` None is fakeredis."""

    def __init__(self, server: Server | None) -> None:
        super().__init__()
        self._patch = pytest.MonkeyPatch()
        for name in ("POD_NAME", "POD_UID", "NODE_NAME", "KONDUCTOR_HOLDER", "KONDUCTOR_ARRIVAL_ID"):
            self._patch.delenv(name, raising=False)
        self.exact = server is None
        self.bench = fake_bench(self._patch) if server is None else real_bench(server)
        self.bench.client.flushall()
        self._began = monotonic()

    @property
    def in_time(self) -> bool:
        """Whether the server's time is still as good as the model's."""
        return self.exact or monotonic() - self._began < PATIENCE

    def too_late(self) -> bool:
        """Whether what was just read may be from a time the model does not know."""
        return not self.in_time

    def compare(self, real: Callable[[], Any], model: Callable[[], Any]) -> Any:
        """Do the same in both worlds and assert that they answer the same; return the answer."""
        if not self.in_time:
            return None
        found = real()
        self.heed()
        expected = model()
        if self.in_time:
            assert found == expected
        return expected

    def heed(self) -> None:
        """Read what the operation said in the history, before the model does the same."""

    def move(self, ms: int) -> int:
        """Let time pass, a little more than `ms`; return how much."""
        self.bench.clock.advance(ms + MOVE)
        return ms + MOVE

    def teardown(self) -> None:
        self.bench.k.close()
        self.bench.client.close()
        self._patch.undo()
