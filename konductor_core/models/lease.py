"""Lease: its spec and its status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from konductor_core.durations import rfc3339
from konductor_core.identity import Kind
from konductor_core.models.base import Column, count, nested_spec
from konductor_core.models.permits import LockSpec, PermitStatus

__all__ = ["LeasePhase", "LeaseSpec", "LeaseStatus"]

LeasePhase = Literal["Available", "Held"]


@dataclass(frozen=True, slots=True)
class LeaseSpec(LockSpec):
    """What a lease object grants: itself, to one holder at a time."""

    kind: ClassVar[Kind] = Kind.LEASE
    about: ClassVar[str] = "A role that one pod has at a time, for as long as it renews: a leader's, for example."


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseStatus(PermitStatus):
    """A snapshot of one lease object."""

    kind: ClassVar[Kind] = Kind.LEASE
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Holder", ".status.holder"),
        Column("Expires", ".status.expires"),
        Column("Waiting", ".status.waiting", "integer"),
        Column("Phase", ".status.phase"),
    )

    spec: LeaseSpec = field(metadata=nested_spec())
    renewals: int = field(metadata=count("How often it was renewed."))
    transitions: int = field(metadata=count("How often it went from one holder to another."))

    @property
    def phase(self) -> LeasePhase:
        """Held while somebody holds it."""
        return "Held" if self.holders_total else "Available"

    def _summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = {"phase": self.phase}
        if self.first:
            summary |= {"holder": self.first.holder, "token": self.first.token}
            if self.first.expires_ms is not None:
                summary["expires"] = rfc3339(self.first.expires_ms)
        return summary | {"waiting": self.waiting}
