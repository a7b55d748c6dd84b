"""Semaphore: its spec and its status; holders and waiters serve every kind that grants permits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from konductor_core.durations import DEFAULT_TTL, MAX_BYPASS
from konductor_core.identity import PRIORITY_MAX, Kind
from konductor_core.models.base import (
    Column,
    Model,
    Spec,
    choice,
    count,
    duration,
    flag,
    items,
    mapping,
    moment,
    nested_spec,
    text,
)
from konductor_core.models.objects import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Holder", "Policy", "SemaphorePhase", "SemaphoreSpec", "SemaphoreStatus", "Waiter"]

Policy = Literal["Strict", "Backfill"]
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
class Holder(Model):
    """One lease. An `expires_ms` of None never expires; `pending` was granted to a waiter yet to confirm it."""

    holder: str = field(metadata=text("Who holds."))
    permits: int = field(metadata=count("How many permits.", minimum=1))
    token: int = field(metadata=count("The fencing token of the grant.", maximum=2**53 - 1))
    since_ms: int = field(metadata=moment("Since when."))
    expires_ms: int | None = field(default=None, metadata=moment("Until when, unless renewed; absent if for ever."))
    ttl_ms: int | None = field(default=None, metadata=duration("How long a renewal lasts; 0s if it needs none."))
    pod: str = field(default="", metadata=text("The pod on whose behalf.", sparse=True))
    uid: str = field(default="", metadata=text("That pod's uid.", sparse=True))
    node: str = field(default="", metadata=text("That pod's node.", sparse=True))
    pending: bool = field(default=False, metadata=flag("Granted to a waiter that has yet to confirm.", sparse=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter(Model):
    """One queued request; `position` 1 is the head."""

    holder: str = field(metadata=text("Who waits."))
    permits: int = field(metadata=count("For how many permits.", minimum=1))
    priority: int = field(default=0, metadata=count("Higher goes first.", minimum=-PRIORITY_MAX, maximum=PRIORITY_MAX))
    position: int = field(metadata=count("Its place in the queue, from 1.", minimum=1))
    since_ms: int = field(metadata=moment("Since when."))
    request: str = field(metadata=text("The id of the request."))


@dataclass(frozen=True, slots=True, kw_only=True)
class SemaphoreStatus(Status):
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
    waiting: int = field(metadata=count("How many requests are queued."))
    holders_total: int = field(metadata=count("How many leases there are, listed or not."))
    holders: tuple[Holder, ...] = field(default=(), metadata=items("Who holds.", Holder))
    waiters: tuple[Waiter, ...] = field(default=(), metadata=items("Who waits.", Waiter))
    counters: Mapping[str, int] = field(default_factory=dict, metadata=mapping("What has been counted so far."))

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
