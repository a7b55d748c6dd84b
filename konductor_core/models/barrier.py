"""Barrier: its spec, its arrivals, its status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from konductor_core.errors import InvalidInput
from konductor_core.identity import Kind
from konductor_core.models.base import (
    Column,
    Model,
    Rule,
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
from konductor_core.models.objects import Listener, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Arrival", "BarrierPhase", "BarrierSpec", "BarrierStatus"]

BarrierPhase = Literal["Waiting", "Open", "Failed"]


@dataclass(frozen=True, slots=True)
class BarrierSpec(Spec):
    """What a barrier waits for. A `timeout_ms` of None waits without end; so does a `quorum` of None for all."""

    kind: ClassVar[Kind] = Kind.BARRIER
    about: ClassVar[str] = "A number of distinct arrivals that any number of pods wait for."
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("!has(self.quorum) || self.quorum <= self.expected", "quorum must not be more than expected"),
        Rule("!has(self.quorum) || !self.cyclic", "quorum does not go with cyclic: leave one of them out"),
    )

    expected: int = field(metadata=count("How many distinct arrivals the barrier waits for.", minimum=1))
    quorum: int | None = field(
        default=None, metadata=count("How many arrivals already open it; at most expected.", minimum=1)
    )
    timeout_ms: int | None = field(
        default=None, metadata=duration("How long after its beginning the barrier fails unless open.", minimum_ms=1)
    )
    cyclic: bool = field(default=False, metadata=flag("Whether the barrier starts over each time it opens."))

    def _cross_check(self) -> None:
        if self.quorum is not None and self.quorum > self.expected:
            raise InvalidInput(
                f"quorum {self.quorum} is more than expected {self.expected}: use at most {self.expected}"
            )
        if self.quorum is not None and self.cyclic:
            raise InvalidInput(f"quorum {self.quorum} does not go with cyclic: leave one of them out")

    @property
    def needed(self) -> int:
        """How many arrivals open the barrier."""
        return self.expected if self.quorum is None else self.quorum


@dataclass(frozen=True, slots=True)
class Arrival(Model):
    """One distinct arrival."""

    id: str = field(metadata=text("The arrival's id."))
    at_ms: int = field(metadata=moment("When it arrived."))


@dataclass(frozen=True, slots=True, kw_only=True)
class BarrierStatus(Status):
    """A snapshot of one barrier. `cycle` and `last_opened_cycle` are None unless it is cyclic."""

    kind: ClassVar[Kind] = Kind.BARRIER
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Arrived", ".status.progress"),
        Column("Waiting", ".status.waiting", "integer"),
        Column("Phase", ".status.phase"),
    )

    phase: BarrierPhase = field(metadata=choice("Where the barrier stands.", "Waiting", "Open", "Failed"))
    arrived: int = field(metadata=count("How many have arrived, in this cycle if cyclic."))
    spec: BarrierSpec = field(metadata=nested_spec())
    waiting: int = field(metadata=count("How many wait for it to open."))
    cycle: int | None = field(default=None, metadata=count("The current cycle."))
    last_opened_cycle: int | None = field(default=None, metadata=count("The last cycle that opened."))
    deadline_ms: int | None = field(default=None, metadata=moment("When it fails unless open."))
    opened_ms: int | None = field(default=None, metadata=moment("When it opened.", name="openedAt"))
    failed_ms: int | None = field(default=None, metadata=moment("When it failed.", name="failedAt"))
    reason: str | None = field(default=None, metadata=text("Why it failed.", sparse=True))
    arrivals_total: int = field(metadata=count("How many arrivals there are, listed or not."))
    arrivals: tuple[Arrival, ...] = field(default=(), metadata=items("Who has arrived.", Arrival))
    waiters: tuple[Listener, ...] = field(default=(), metadata=items("Who waits.", Listener))
    counters: Mapping[str, int] = field(default_factory=dict, metadata=mapping("What has been counted so far."))

    @property
    def remaining(self) -> int:
        """How many arrivals are missing; never negative."""
        return max(0, self.spec.needed - self.arrived)

    def to_dict(self) -> dict[str, Any]:
        """Return the flat JSON of `koncli barrier status`."""
        document = Status.to_dict(self)
        if self.spec.cyclic:
            return document
        return {name: value for name, value in document.items() if name not in {"cycle", "lastOpenedCycle"}}
