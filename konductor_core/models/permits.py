"""What the kinds that grant permits have in common: who holds, who waits, and specs whose permits are fixed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from konductor_core.durations import DEFAULT_TTL, MAX_BYPASS
from konductor_core.identity import PRIORITY_MAX
from konductor_core.models.base import Model, Spec, count, duration, flag, items, mapping, moment, nested_spec, text
from konductor_core.models.objects import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Holder", "LockSpec", "PermitStatus", "Policy", "Waiter"]

Policy = Literal["Strict", "Backfill"]


@dataclass(frozen=True, slots=True)
class LockSpec(Spec):
    """What a kind with a fixed number of permits asks for. A `ttl_ms` of 0 never expires.

    Turns are taken strictly in order. Priorities count, where there are any, until a waiter is `max_bypass_ms` old.
    """

    permits: ClassVar[int] = 1
    policy: ClassVar[Policy] = "Strict"
    max_bypass_ms: ClassVar[int] = MAX_BYPASS

    ttl_ms: int = field(
        default=DEFAULT_TTL, metadata=duration("How long a lease lives unless renewed; 0 until it is released.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder(Model):
    """One lease. An `expires_ms` of None never expires; `pending` was granted to a waiter yet to confirm it."""

    holder: str = field(metadata=text("Who holds."))
    mode: str = field(default="", metadata=text("Of an RWMutex: read or write.", sparse=True))
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
    mode: str = field(default="", metadata=text("Of an RWMutex: read or write.", sparse=True))
    permits: int = field(metadata=count("For how many permits.", minimum=1))
    priority: int = field(default=0, metadata=count("Higher goes first.", minimum=-PRIORITY_MAX, maximum=PRIORITY_MAX))
    position: int = field(metadata=count("Its place in the queue, from 1.", minimum=1))
    since_ms: int = field(metadata=moment("Since when."))
    request: str = field(metadata=text("The id of the request."))
    pod: str = field(default="", metadata=text("The pod on whose behalf.", sparse=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitStatus(Status):
    """A snapshot of an object that grants permits."""

    spec: Spec = field(metadata=nested_spec())
    waiting: int = field(metadata=count("How many requests are queued."))
    holders_total: int = field(metadata=count("How many leases there are, listed or not."))
    holders: tuple[Holder, ...] = field(default=(), metadata=items("Who holds.", Holder))
    waiters: tuple[Waiter, ...] = field(default=(), metadata=items("Who waits.", Waiter))
    counters: Mapping[str, int] = field(default_factory=dict, metadata=mapping("What has been counted so far."))

    @property
    def first(self) -> Holder | None:
        """The holder, where there is one at most."""
        return self.holders[0] if self.holders else None

    if TYPE_CHECKING:

        @property
        def phase(self) -> str:
            """Where the object stands, in a word of its kind."""
