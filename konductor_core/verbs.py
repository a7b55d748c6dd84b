"""The public verbs as flows: arguments checked, defaults filled in. The sync and the async facade only drive them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from konductor_core import identity
from konductor_core.durations import ARRIVE_PATIENCE, to_ms
from konductor_core.flows import barriers, latch_snapshots, listeners, objects
from konductor_core.identity import Kind, Owner
from konductor_core.keys import ObjectKeys
from konductor_core.models import BarrierSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from konductor_core.config import Settings
    from konductor_core.flows.steps import Flow
    from konductor_core.models import BarrierStatus, Event, Spec

__all__ = ["PATIENCE", "BarrierVerbs", "Caller", "Duration", "ObjectVerbs", "timeout_ms"]

Duration: TypeAlias = "str | float | timedelta"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, for whom, and where: what every verb needs beside its own arguments.

    `holder` is the one that was given, if any; `base` is who the environment says that we are.
    """

    namespace: str
    base: str
    holder: str | None
    owner: Owner
    replicas: int

    @classmethod
    def of(cls, settings: Settings, holder: str | None) -> Caller:
        """Return the caller that these settings and this process's environment describe."""
        given = None if holder is None else identity.check_holder(holder)
        return cls(settings.namespace, settings.holder, given, identity.owner(os.environ), settings.min_replicas)

    def bare(self, holder: str | None) -> str:
        """Return the holder that koncli's verbs use: the same for all processes of one host."""
        return identity.check_holder(holder) if holder is not None else self.holder or self.base

    def fresh(self, holder: str | None) -> str:
        """Return a holder for a new lease: as given, else one that no other process or thread has."""
        if holder is not None:
            return identity.check_holder(holder)
        return self.holder or f"{self.base}/{identity.random_suffix()}"

    def who(self, holder: str | None = None) -> str:
        """Return who waits, for people who look at what waits for what."""
        return listeners.who(self.bare(holder), self.owner.pod)

    def arrival(self, arrival: str | None) -> str:
        """Return the id to arrive under."""
        if arrival is not None:
            return identity.check_holder(arrival, "arrival id")
        return identity.arrival_id(os.environ, self.holder or self.base)


PATIENCE: Final = f"{ARRIVE_PATIENCE // 1000}s"


def timeout_ms(value: Duration | None, what: str = "timeout") -> int | None:
    """Return a timeout in milliseconds; None waits without end."""
    return None if value is None else to_ms(value, what=what)


class ObjectVerbs:
    """What all kinds can do."""

    kind: Kind

    def __init__(self, caller: Caller, name: str) -> None:
        self.caller = caller
        self.keys = ObjectKeys(caller.namespace, self.kind, identity.check_name(name))

    def define(self, spec: Spec, labels: Mapping[str, str] | None, owner: str) -> Flow[objects.Defined]:
        """Create the object or bring it to this spec."""
        return objects.define(self.keys, spec, labels, owner)

    def reset(self) -> Flow[str]:
        """Start a new epoch."""
        return objects.reset(self.kind, self.keys)

    def delete(self, owner: str) -> Flow[bool]:
        """Delete the object."""
        return objects.delete(self.kind, self.keys, owner)

    def events(self, limit: int, since_id: str | None) -> Flow[list[Event]]:
        """Return a part of the history."""
        return objects.events(self.keys, identity.check_count(limit, "limit", 1), since_id)


class BarrierVerbs(ObjectVerbs):
    """Everything a barrier can be asked."""

    kind = Kind.BARRIER

    @staticmethod
    def spec(expected: int, quorum: int | None, timeout: Duration | None, *, cyclic: bool) -> BarrierSpec:
        """Return the spec that these arguments describe."""
        return BarrierSpec(expected, quorum, timeout_ms(timeout), cyclic)

    def arrive(self, holder: str | None, patience: Duration) -> Flow[barriers.Arrived]:
        """Count one arrival."""
        arrival, patience_ms = self.caller.arrival(holder), to_ms(patience, what="patience")
        return barriers.arrive(self.keys, arrival, patience_ms, replicas=self.caller.replicas)

    def arrive_and_wait(
        self, holder: str | None, timeout: Duration | None, patience: Duration
    ) -> Flow[barriers.Opened]:
        """Count one arrival and wait for its cycle."""
        arrival, patience_ms = self.caller.arrival(holder), to_ms(patience, what="patience")
        return barriers.arrive_and_wait(
            self.keys,
            arrival,
            timeout_ms(timeout),
            patience_ms,
            replicas=self.caller.replicas,
            who=self.caller.who(holder),
        )

    def wait(
        self, timeout: Duration | None, cycle: int | None, holder: str | None, *, must_exist: bool
    ) -> Flow[barriers.Opened]:
        """Wait until it is open."""
        number = None if cycle is None else identity.check_count(cycle, "cycle", 1)
        waiter, who = self.caller.arrival(holder), self.caller.who(holder)
        return barriers.wait(self.keys, waiter, timeout_ms(timeout), cycle=number, must_exist=must_exist, who=who)

    def status(self) -> Flow[BarrierStatus]:
        """Return a snapshot."""
        return latch_snapshots.read_barrier(self.keys)
