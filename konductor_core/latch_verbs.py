"""The verbs of wait groups as flows, as `verbs` has those of barriers and semaphores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from konductor_core import identity
from konductor_core.durations import to_ms
from konductor_core.errors import InvalidInput
from konductor_core.flows import snapshots, waitgroups
from konductor_core.identity import Kind
from konductor_core.verbs import ObjectVerbs, timeout_ms

if TYPE_CHECKING:
    from konductor_core.flows.steps import Flow
    from konductor_core.models import WaitGroupStatus
    from konductor_core.verbs import Duration

__all__ = ["WaitGroupVerbs"]


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
        return snapshots.read_waitgroup(self.keys)


def _members(member: str | None, count: int) -> tuple[str, int]:
    """Return the two as the scripts take them: a name, or none and a number."""
    identity.check_count(count, "count", 1)
    if member is None:
        return "", count
    if count != 1:
        raise InvalidInput(f"member {member!r} is one, not {count}: leave out the name or the count")
    return identity.check_holder(member, "member"), 1
