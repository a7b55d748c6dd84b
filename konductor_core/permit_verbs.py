"""The verbs of what grants permits, as flows: arguments checked, defaults filled in."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from konductor_core import identity
from konductor_core.amounts import amount_of, leased_object
from konductor_core.durations import to_ms
from konductor_core.errors import InvalidInput, quoted
from konductor_core.flows import leases, onces, permit_snapshots, permits
from konductor_core.identity import Kind
from konductor_core.models import LeaseSpec, LockSpec, MutexSpec, OnceSpec, RWMutexSpec, SemaphoreSpec
from konductor_core.verbs import ObjectVerbs, timeout_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.flows.steps import Flow
    from konductor_core.keys import ObjectKeys
    from konductor_core.models import PermitStatus, Policy
    from konductor_core.verbs import Caller, Duration

__all__ = [
    "LeaseVerbs",
    "LockVerbs",
    "MutexVerbs",
    "OnceVerbs",
    "PermitVerbs",
    "RWMutexVerbs",
    "SemaphoreVerbs",
    "several",
]

MIN_TTL: Final = 100
"""The shortest TTL, in milliseconds: below it a round trip may already take longer."""


class PermitVerbs(ObjectVerbs):
    """Everything that can be asked of an object that grants permits."""

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

    def status(self) -> Flow[PermitStatus]:
        """Return a snapshot."""
        return permit_snapshots.read_permits(self.keys)


class SemaphoreVerbs(PermitVerbs):
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


class LockVerbs(PermitVerbs):
    """Everything that can be asked of a kind with a fixed number of permits."""

    spec_class: type[LockSpec]

    def spec(self, ttl: Duration | None) -> LockSpec:
        """Return the spec with this TTL; a None is the default."""
        return self.spec_class() if ttl is None else self.spec_class(to_ms(ttl, what="ttl"))


class LeaseVerbs(LockVerbs):
    """Everything a lease object can be asked."""

    kind = Kind.LEASE
    spec_class = LeaseSpec


class MutexVerbs(LockVerbs):
    """Everything a mutex can be asked."""

    kind = Kind.MUTEX
    spec_class = MutexSpec


class RWMutexVerbs(LockVerbs):
    """Everything an RWMutex can be asked."""

    kind = Kind.RWMUTEX
    spec_class = RWMutexSpec


class OnceVerbs(LockVerbs):
    """Everything that can be asked of what is done once."""

    kind = Kind.ONCE
    spec_class = OnceSpec

    def complete(self, holder: str | None, token: int | None, result: str) -> Flow[onces.Completed]:
        """Note that it is done."""
        text = identity.check_text(result, "result")
        return onces.complete(self.keys, self.caller.bare(holder), token, text, replicas=self.caller.replicas)

    def fail(self, holder: str | None, token: int | None, reason: str) -> Flow[None]:
        """Let another run it."""
        return onces.fail(self.keys, self.caller.bare(holder), token, identity.check_text(reason, "reason"))

    def wait(self, timeout: Duration | None, *, must_exist: bool) -> Flow[onces.Done]:
        """Wait until it is done."""
        return onces.wait(self.keys, timeout_ms(timeout), must_exist=must_exist, who=self.caller.who())


VERBS: Final[dict[Kind, type[PermitVerbs]]] = {
    each.kind: each for each in (SemaphoreVerbs, LeaseVerbs, MutexVerbs, RWMutexVerbs)
}


def several(caller: Caller, amounts: Mapping[str, int | str]) -> tuple[list[PermitVerbs], dict[ObjectKeys, int]]:
    """Return the verbs of each object, which is named as `semaphore/x`, and its keys with the amount, sorted by name.

    The amount is a number of permits, or of an RWMutex `read` or `write`. Raises `InvalidInput` for none, for a kind
    that has no permits, and for an amount that the kind never grants.
    """
    verbs, found = [], {}
    for ref in sorted(amounts):
        kind, name = leased_object(ref)
        each = VERBS[kind](caller, name)
        verbs.append(each)
        found[each.keys] = amount_of(kind, amounts[ref], ref)
    if not verbs:
        raise InvalidInput("nothing is asked for: name at least one object, like semaphore/load-concurrency")
    if len({each.keys.id for each in verbs}) < len(verbs):
        raise InvalidInput(f"an object is named twice in {', '.join(sorted(amounts))}: name each once")
    return verbs, found
