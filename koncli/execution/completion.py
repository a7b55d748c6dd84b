"""The end of a run of something that is done once: done, or failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from koncli.execution.release import RELEASED, Farewell
from konductor_core.errors import AlreadyDone, KonductorError, LeaseLost, Unavailable
from konductor_core.identity import TEXT_MAX
from konductor_core.leases import Leases

if TYPE_CHECKING:
    from koncli.execution.keeper import Ended
    from konductor_core.handles.once import Run


class Completion(Farewell):
    """Notes how the command ended, in a thread. A command that never ended, or never started, has failed."""

    def __init__(self, run: Run, result: str | None) -> None:
        super().__init__(Leases([run], run.lost))
        self.run = run
        self.result = result
        self.ended: Ended | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the command did what is to be done once."""
        return self.ended is not None and not (self.ended.failed or self.ended.lost or self.ended.code)

    @property
    def patience(self) -> float:
        """Seconds in which it must be noted: all that is left of the lease, or it is done again."""
        return self.run.expires_in if self.succeeded else super().patience

    def check(self) -> None:
        """Raise `Unavailable` if it was done, and could not be noted."""
        if self.succeeded and self.outcome != RELEASED and not self.lost:
            raise Unavailable(
                f"{self.label}: the command has succeeded, but that could not be noted ({self.outcome})",
                hint="another may run it again; koncli once complete notes it, as long as nobody does",
            )

    def _run(self) -> None:
        try:
            if self.succeeded:
                self.run.complete(self.result or str(self.ended))
            else:
                self.run.fail(str(self.ended or "the run was given up")[:TEXT_MAX])
        except (AlreadyDone, LeaseLost):
            self.gone = [self.run.ref]
        except KonductorError as error:
            self.outcome = error
        else:
            self.outcome = RELEASED
