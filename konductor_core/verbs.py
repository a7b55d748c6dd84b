"""The public verbs as flows: arguments checked, defaults filled in. The sync and the async facade only drive them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from konductor_core import identity
from konductor_core.durations import ARRIVE_PATIENCE, to_ms
from konductor_core.errors import InvalidInput, quoted
from konductor_core.flows import barriers, leases, objects, permits, snapshots
from konductor_core.identity import Kind, Owner
from konductor_core.keys import ObjectKeys
from konductor_core.models import BarrierSpec, SemaphoreSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from konductor_core.config import Settings
    from konductor_core.flows.steps import Flow
    from konductor_core.models import BarrierStatus, Event, Policy, SemaphoreStatus, Spec

__all__ = ["BarrierVerbs", "Caller", "Duration", "ObjectVerbs", "SemaphoreVerbs", "several", "timeout_ms"]

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

    def arrival(self, arrival: str | None) -> str:
        """Return the id to arrive under."""
        if arrival is not None:
            return identity.check_holder(arrival, "arrival id")
        return identity.arrival_id(os.environ, self.holder or self.base)


MIN_TTL: Final = 100
"""The shortest TTL, in milliseconds: below it a round trip may already take longer."""

PERMIT_KINDS: Final = (Kind.SEMAPHORE,)
"""The kinds of which permits can be acquired."""

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


class SemaphoreVerbs(ObjectVerbs):
    """Everything a semaphore can be asked."""

    kind = Kind.SEMAPHORE

    @staticmethod
    def spec(permits: int, ttl: Duration | None, policy: Policy, max_bypass: Duration | None) -> SemaphoreSpec:
        """Return the spec that these arguments describe; a None is the default."""
        given: dict[str, Any] = {"permits": permits, "policy": policy}
        if ttl is not None:
            given["ttl_ms"] = to_ms(ttl, what="ttl")
        if max_bypass is not None:
            given["max_bypass_ms"] = to_ms(max_bypass, what="max bypass")
        return SemaphoreSpec(**given)

    def _may_be_endless(self, *, force: bool) -> bool:
        """Whether a lease without an end would be ended all the same: with its pod, or by whoever insists."""
        return force or bool(self.caller.owner.uid)

    def _ttl(self, ttl: Duration | None, *, force: bool) -> int | None:
        """Check a TTL: long enough to be held over a network; without an end only if something else ends it."""
        if ttl is None:
            return None
        ttl_ms = to_ms(ttl, what="ttl")
        if ttl_ms == 0 and not self._may_be_endless(force=force):
            raise InvalidInput(
                "a ttl of 0 never ends, and no pod is known whose end would end it",
                hint="give a ttl, or insist with --force (force=True)",
            )
        if 0 < ttl_ms < MIN_TTL:
            raise InvalidInput(f"ttl {quoted(ttl)} is too short to be held over a network: use at least {MIN_TTL}ms")
        return ttl_ms

    def ask(
        self,
        amount: int,
        ttl: Duration | None,
        priority: int,
        holder: str | None,
        *,
        force: bool,
        among: Mapping[ObjectKeys, int] | None = None,
    ) -> permits.Ask:
        """Return the request; with `force` also for a lease without an end; for all of `among` instead, if given."""
        amounts = among or {self.keys: amount}
        return permits.Ask(
            tuple(amounts),
            tuple(identity.check_count(each, "permits", 1) for each in amounts.values()),
            self.caller.fresh(holder),
            ttl_ms=self._ttl(ttl, force=force),
            endless=self._may_be_endless(force=force),
            priority=identity.check_priority(priority),
            owner=self.caller.owner,
            replicas=self.caller.replicas,
        )

    def acquire(self, ask: permits.Ask, timeout: Duration | None, *, must_exist: bool) -> Flow[permits.Grant]:
        """Get what `ask` asks for."""
        return permits.acquire(ask, timeout_ms(timeout), must_exist=must_exist)

    def renew(self, holder: str | None, token: int | None, ttl: Duration | None) -> Flow[leases.Hold]:
        """Give a lease a new end."""
        return leases.renew(self.keys, self.caller.bare(holder), token, self._ttl(ttl, force=False))

    def release(self, holder: str | None, token: int | None, event: str = "released") -> Flow[leases.Released]:
        """Give back; `event` is what the history calls it."""
        return leases.release(self.keys, self.caller.bare(holder), token, event, must_exist=True)

    def held(self, holder: str, token: int, permits: int, ttl: Duration, expires_in: float) -> leases.Hold:
        """Return the lease that another process acquired, and of which so many seconds are left."""
        return leases.Hold(
            self.keys,
            identity.check_holder(holder),
            permits=identity.check_count(permits, "permits", 1),
            token=token,
            ttl_ms=to_ms(ttl, what="ttl"),
            deadline=monotonic() + expires_in,
        )

    def report_lost(self, holder: str, token: int, detail: str) -> Flow[None]:
        """Note in the history that a lease was lost."""
        return leases.report_lost(self.keys, identity.check_holder(holder), token, detail)

    def status(self) -> Flow[SemaphoreStatus]:
        """Return a snapshot."""
        return snapshots.read_semaphore(self.keys)


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
            self.keys, arrival, timeout_ms(timeout), patience_ms, replicas=self.caller.replicas
        )

    def wait(
        self, timeout: Duration | None, cycle: int | None, holder: str | None, *, must_exist: bool
    ) -> Flow[barriers.Opened]:
        """Wait until it is open."""
        number = None if cycle is None else identity.check_count(cycle, "cycle", 1)
        waiter = self.caller.arrival(holder)
        return barriers.wait(self.keys, waiter, timeout_ms(timeout), cycle=number, must_exist=must_exist)

    def status(self) -> Flow[BarrierStatus]:
        """Return a snapshot."""
        return snapshots.read_barrier(self.keys)


def several(caller: Caller, amounts: Mapping[str, int]) -> tuple[list[SemaphoreVerbs], dict[ObjectKeys, int]]:
    """Return the verbs of each object, which is named as `semaphore/x`, and its keys with the amount, sorted by name.

    Raises `InvalidInput` for none, and for a kind that has no permits.
    """
    verbs = []
    for name in sorted(amounts):
        word, _, rest = name.partition("/")
        if Kind.parse(word) not in PERMIT_KINDS:
            raise InvalidInput(f"{quoted(name)} has no permits: name objects like semaphore/load-concurrency")
        verbs.append(SemaphoreVerbs(caller, rest))
    if not verbs:
        raise InvalidInput("nothing is asked for: name at least one object, like semaphore/load-concurrency")
    return verbs, {each.keys: amounts[name] for each, name in zip(verbs, sorted(amounts), strict=True)}
