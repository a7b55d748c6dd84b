"""Mutex: its spec and its status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from konductor_core.identity import Kind
from konductor_core.models.base import Column, nested_spec
from konductor_core.models.permits import LockSpec, PermitStatus

__all__ = ["MutexPhase", "MutexSpec", "MutexStatus"]

MutexPhase = Literal["Unlocked", "Locked"]


@dataclass(frozen=True, slots=True)
class MutexSpec(LockSpec):
    """What a mutex grants: one lock."""

    kind: ClassVar[Kind] = Kind.MUTEX
    about: ClassVar[str] = "A lock that one pod has at a time, in the order in which they asked."


@dataclass(frozen=True, slots=True, kw_only=True)
class MutexStatus(PermitStatus):
    """A snapshot of one mutex."""

    kind: ClassVar[Kind] = Kind.MUTEX
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Holder", ".status.holder"),
        Column("Waiting", ".status.waiting", "integer"),
        Column("Phase", ".status.phase"),
    )

    spec: MutexSpec = field(metadata=nested_spec())

    @property
    def phase(self) -> MutexPhase:
        """Locked while somebody holds it."""
        return "Locked" if self.holders_total else "Unlocked"

    def _summary(self) -> dict[str, Any]:
        owner = {"holder": self.first.holder, "token": self.first.token} if self.first else {}
        return {"phase": self.phase, **owner, "waiting": self.waiting}
