"""WaitGroup: its spec, its members, its status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from konductor_core.identity import Kind
from konductor_core.models.base import Column, Model, Spec, choice, count, items, mapping, moment, nested_spec, text
from konductor_core.models.objects import Listener, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Member", "WaitGroupPhase", "WaitGroupSpec", "WaitGroupStatus"]

WaitGroupPhase = Literal["Idle", "Waiting", "Done"]


@dataclass(frozen=True, slots=True)
class WaitGroupSpec(Spec):
    """A wait group has nothing to choose: who adds and who is done makes it what it is."""

    kind: ClassVar[Kind] = Kind.WAITGROUP
    about: ClassVar[str] = "A number of members that grows and shrinks, and that pods wait for to become zero."


@dataclass(frozen=True, slots=True)
class Member(Model):
    """A member with a name that is not done yet."""

    id: str = field(metadata=text("The member's name."))
    at_ms: int = field(metadata=moment("When it was added."))


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitGroupStatus(Status):
    """A snapshot of one wait group. A round ends each time that the counter comes to zero."""

    kind: ClassVar[Kind] = Kind.WAITGROUP
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Counter", ".status.counter", "integer"),
        Column("Waiting", ".status.waiting", "integer"),
        Column("Phase", ".status.phase"),
    )

    phase: WaitGroupPhase = field(
        metadata=choice("Idle before the first member, Done without any left, else Waiting.", "Idle", "Waiting", "Done")
    )
    counter: int = field(metadata=count("How many members are not done yet."))
    spec: WaitGroupSpec = field(metadata=nested_spec())
    waiting: int = field(metadata=count("How many wait for them."))
    added: int = field(metadata=count("How many members were added so far."))
    anonymous: int = field(metadata=count("How many of those that are not done yet have no name."))
    round: int = field(metadata=count("The current round, or the one that has ended.", minimum=1))
    done_ms: int | None = field(default=None, metadata=moment("When the last round ended.", name="doneAt"))
    finished_total: int = field(metadata=count("How many members with a name are done."))
    members_total: int = field(metadata=count("How many members with a name are not done yet, listed or not."))
    members: tuple[Member, ...] = field(default=(), metadata=items("Who is not done yet.", Member))
    waiters: tuple[Listener, ...] = field(default=(), metadata=items("Who waits.", Listener))
    counters: Mapping[str, int] = field(default_factory=dict, metadata=mapping("What has been counted so far."))
