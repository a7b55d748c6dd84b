"""Once: its spec and its status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from konductor_core.identity import Kind
from konductor_core.models.base import Column, count, items, moment, nested_spec, text
from konductor_core.models.objects import Listener
from konductor_core.models.permits import LockSpec, PermitStatus

__all__ = ["OncePhase", "OnceSpec", "OnceStatus"]

OncePhase = Literal["Pending", "Running", "Done"]


@dataclass(frozen=True, slots=True)
class OnceSpec(LockSpec):
    """What is done once: whoever begins has a lease to run it, and this is its default TTL."""

    kind: ClassVar[Kind] = Kind.ONCE
    about: ClassVar[str] = "Something that is done once: one pod runs it, and all others wait until it is done."


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceStatus(PermitStatus):
    """A snapshot of one once; `executor` is who runs it, or has done it."""

    kind: ClassVar[Kind] = Kind.ONCE
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Executor", ".status.executor"),
        Column("Phase", ".status.phase"),
    )

    spec: OnceSpec = field(metadata=nested_spec())
    completed_by: str | None = field(default=None, metadata=text("Who has done it.", sparse=True))
    done_ms: int | None = field(default=None, metadata=moment("When it was done.", name="doneAt"))
    result: str | None = field(default=None, metadata=text("What whoever has done it said of it.", sparse=True))
    failures: int = field(default=0, metadata=count("How many runs have failed."))
    failed_ms: int | None = field(default=None, metadata=moment("When a run failed last.", name="failedAt"))
    failed_by: str | None = field(default=None, metadata=text("Whose run that was.", sparse=True))
    reason: str | None = field(default=None, metadata=text("Why it failed.", sparse=True))
    listening: int = field(default=0, metadata=count("How many wait until it is done, and would not run it."))
    listeners: tuple[Listener, ...] = field(default=(), metadata=items("Who does.", Listener))

    @property
    def phase(self) -> OncePhase:
        """Done for good, Running while somebody has the lease to run it, else Pending."""
        if self.done_ms is not None:
            return "Done"
        return "Running" if self.first and not self.first.pending else "Pending"

    @property
    def executor(self) -> str:
        """Who runs it, or has done it; empty for nobody."""
        return self.completed_by or (self.first.holder if self.first else "")

    def _summary(self) -> dict[str, Any]:
        executor = {"executor": self.executor} if self.executor else {}
        return {"phase": self.phase, **executor, "waiting": self.waiting}
