"""RWMutex: its spec and its status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from konductor_core.amounts import SHARES
from konductor_core.identity import Kind
from konductor_core.models.base import Column, nested_spec
from konductor_core.models.permits import LockSpec, PermitStatus

__all__ = ["RWMutexPhase", "RWMutexSpec", "RWMutexStatus"]

RWMutexPhase = Literal["Unlocked", "ReadLocked", "WriteLocked"]


@dataclass(frozen=True, slots=True)
class RWMutexSpec(LockSpec):
    """What an RWMutex grants: a share to each reader, all of them to a writer."""

    kind: ClassVar[Kind] = Kind.RWMUTEX
    about: ClassVar[str] = "A lock that many pods have to read, or one to write, in the order in which they asked."
    permits: ClassVar[int] = SHARES["write"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RWMutexStatus(PermitStatus):
    """A snapshot of one RWMutex."""

    kind: ClassVar[Kind] = Kind.RWMUTEX
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Writer", ".status.writer"),
        Column("Readers", ".status.readers", "integer"),
        Column("Waiting", ".status.waiting", "integer"),
        Column("Phase", ".status.phase"),
    )

    spec: RWMutexSpec = field(metadata=nested_spec())

    @property
    def writer(self) -> str | None:
        """Who writes; None if nobody does."""
        return self.first.holder if self.first and self.first.mode == "write" else None

    @property
    def readers(self) -> int:
        """How many read."""
        return 0 if self.writer is not None else self.holders_total

    @property
    def phase(self) -> RWMutexPhase:
        """WriteLocked with a writer, ReadLocked with readers."""
        if self.writer is not None:
            return "WriteLocked"
        return "ReadLocked" if self.holders_total else "Unlocked"

    def _summary(self) -> dict[str, Any]:
        writer = {} if self.writer is None else {"writer": self.writer}
        return {"phase": self.phase, **writer, "readers": self.readers, "waiting": self.waiting}
