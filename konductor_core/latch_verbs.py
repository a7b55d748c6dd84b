"""The verbs of wait groups and gates as flows, as `verbs` has those of barriers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from konductor_core import identity
from konductor_core.durations import to_ms
from konductor_core.errors import InvalidInput
from konductor_core.flows import gates, latch_snapshots, objects, waitgroups
from konductor_core.identity import Kind
from konductor_core.models import Condition, GateSpec
from konductor_core.verbs import ObjectVerbs, timeout_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from konductor_core.flows.steps import Flow
    from konductor_core.models import GateStatus, Spec, WaitGroupStatus
    from konductor_core.verbs import Duration

__all__ = ["Conditional", "GateVerbs", "WaitGroupVerbs"]

Conditional: TypeAlias = "Condition | str | Mapping[str, object]"
"""A condition as people write it: `job/migrate=Complete`, or the mapping of a manifest."""


class WaitGroupVerbs(ObjectVerbs):
    """Everything a wait group can be asked."""

    kind = Kind.WAITGROUP

    def add(self, member: str | None, count: int, patience: Duration) -> Flow[waitgroups.Counted]:
        """Add a member, or so many without a name."""
        patience_ms = to_ms(patience, what="patience")
        return waitgroups.add(self.keys, *_members(member, count), patience_ms, replicas=self.caller.replicas)

    def done(self, member: str | None, count: int, patience: Duration) -> Flow[waitgroups.Counted]:
        """Take off a member, or so many without a name."""
        patience_ms = to_ms(patience, what="patience")
        return waitgroups.done(self.keys, *_members(member, count), patience_ms, replicas=self.caller.replicas)

    def wait(self, timeout: Duration | None, *, allow_idle: bool, must_exist: bool) -> Flow[waitgroups.Finished]:
        """Wait until no member is left."""
        who = self.caller.who()
        return waitgroups.wait(self.keys, timeout_ms(timeout), allow_idle=allow_idle, must_exist=must_exist, who=who)

    def status(self) -> Flow[WaitGroupStatus]:
        """Return a snapshot."""
        return latch_snapshots.read_waitgroup(self.keys)


class GateVerbs(ObjectVerbs):
    """Everything a gate can be asked."""

    kind = Kind.GATE

    @staticmethod
    def spec(conditions: Iterable[Conditional], timeout: Duration | None) -> GateSpec:
        """Return the spec that these arguments describe."""
        if isinstance(conditions, str | Mapping):
            raise InvalidInput(f"conditions {conditions!r} is one: put it into a list")
        return GateSpec(tuple(_condition(each) for each in conditions), timeout_ms(timeout))

    def define(self, spec: Spec, labels: Mapping[str, str] | None, owner: str) -> Flow[objects.Defined]:
        """Create the gate or bring it to this spec, unless it would wait for itself."""
        return gates.define(self.keys, cast("GateSpec", spec), labels, owner)

    def override(self, to: Literal["Open", "Closed", ""]) -> Flow[gates.Overridden]:
        """Open or close it by hand, or with nothing let its conditions decide."""
        return gates.override(self.keys, to, replicas=self.caller.replicas)

    def wait(self, timeout: Duration | None, *, must_exist: bool) -> Flow[gates.Passed]:
        """Wait until it is open."""
        return gates.wait(self.keys, timeout_ms(timeout), must_exist=must_exist, who=self.caller.who())

    def status(self) -> Flow[GateStatus]:
        """Return a snapshot."""
        return latch_snapshots.read_gate(self.keys)


def _condition(given: Conditional) -> Condition:
    if isinstance(given, Condition):
        return given
    return Condition.parse(given) if isinstance(given, str) else Condition.from_dict(given, where="condition")


def _members(member: str | None, count: int) -> tuple[str, int]:
    """Return the two as the scripts take them: a name, or none and a number."""
    identity.check_count(count, "count", 1)
    if member is None:
        return "", count
    if count != 1:
        raise InvalidInput(f"member {member!r} is one, not {count}: leave out the name or the count")
    return identity.check_holder(member, "member"), 1
