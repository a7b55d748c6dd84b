"""Semaphore: its spec and its status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from konductor_core.durations import DEFAULT_TTL, MAX_BYPASS
from konductor_core.identity import Kind
from konductor_core.models.base import Column, Spec, choice, count, duration, nested_spec
from konductor_core.models.permits import PermitStatus, Policy

__all__ = ["SemaphorePhase", "SemaphoreSpec", "SemaphoreStatus"]

SemaphorePhase = Literal["Ready", "Full", "Paused"]


@dataclass(frozen=True, slots=True)
class SemaphoreSpec(Spec):
    """What a semaphore grants. With no permits it is paused: requests queue. A `ttl_ms` of 0 never expires."""

    kind: ClassVar[Kind] = Kind.SEMAPHORE
    about: ClassVar[str] = "A number of permits that pods hold under leases and wait for in a queue."

    permits: int = field(metadata=count("How many permits there are; 0 pauses the semaphore."))
    ttl_ms: int = field(
        default=DEFAULT_TTL, metadata=duration("How long a lease lives unless renewed; 0 until it is released.")
    )
    policy: Policy = field(
        default="Strict",
        metadata=choice("Whether a request that fits may pass a larger one before it.", "Strict", "Backfill"),
    )
    max_bypass_ms: int = field(
        default=MAX_BYPASS, metadata=duration("How old a waiter gets before nobody may pass it any more.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SemaphoreStatus(PermitStatus):
    """A snapshot of one semaphore; `in_use` is derived from the live leases, never counted by itself."""

    kind: ClassVar[Kind] = Kind.SEMAPHORE
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Permits", ".spec.permits", "integer"),
        Column("In-Use", ".status.inUse", "integer"),
        Column("Available", ".status.available", "integer"),
        Column("Waiting", ".status.waiting", "integer"),
        Column("Phase", ".status.phase"),
    )

    spec: SemaphoreSpec = field(metadata=nested_spec())
    in_use: int = field(metadata=count("How many permits are held."))

    @property
    def available(self) -> int:
        """How many permits are free; never negative, also while an excess drains."""
        return max(0, self.spec.permits - self.in_use)

    @property
    def phase(self) -> SemaphorePhase:
        """Paused without permits, Full when all are in use, else Ready."""
        if self.spec.permits == 0:
            return "Paused"
        return "Full" if self.in_use >= self.spec.permits else "Ready"

    def _summary(self) -> dict[str, Any]:
        return {
            "phase": self.phase,
            "permits": self.spec.permits,
            "inUse": self.in_use,
            "available": self.available,
            "waiting": self.waiting,
        }
