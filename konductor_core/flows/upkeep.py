"""What only the controller does: it looks at what changed, ends what the dead hold, and arrives for pods that ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from konductor_core import keys as layout
from konductor_core.codes import Code
from konductor_core.flows import barriers, waitgroups
from konductor_core.flows.steps import Call, Command, Flow
from konductor_core.identity import Kind
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.flows.barriers import Arrived
    from konductor_core.flows.waitgroups import Counted
    from konductor_core.keys import ObjectKeys

__all__ = [
    "Latch",
    "Life",
    "abandon",
    "arrive_once",
    "changed",
    "clean",
    "has_arrived",
    "is_marked",
    "latch",
    "life",
    "mark",
    "marked",
    "now_ms",
    "reclaim",
    "waiter_uid",
]

CLEAN: Final = SCRIPTS["dirty_clean"]
RECLAIM: Final = SCRIPTS["permit_reclaim"]
CANCEL: Final = SCRIPTS["permit_cancel"]
CLEANED_AT_ONCE: Final = 1_000


def changed(namespace: str) -> Flow[list[str]]:
    """Return the objects that changed and have not been looked at since, as `semaphore/x`; oldest change first."""
    return list((yield Command(("ZRANGE", layout.dirty(namespace), 0, -1))))


def clean(namespace: str, looked: Mapping[str, int]) -> Flow[None]:
    """Note that objects were looked at: each with the server's time of its snapshot, in ms."""
    pairs = list(looked.items())
    for at in range(0, len(pairs), CLEANED_AT_ONCE):
        args = tuple(part for pair in pairs[at : at + CLEANED_AT_ONCE] for part in pair)
        yield Call(CLEAN, (layout.dirty(namespace),), args)


def now_ms(namespace: str) -> Flow[int]:
    """Return the time of the server that has a namespace, in ms."""
    answer = yield Call(CLEAN, (layout.dirty(namespace),), ())
    return int(answer.reply[2])


def is_marked(namespace: str) -> Flow[bool]:
    """Return whether Redis still has what it had of a namespace when `mark` was called."""
    return bool((yield Command(("EXISTS", layout.marker(namespace)))))


def mark(system: str, namespace: str) -> Flow[None]:
    """Leave the mark that shows by its absence that Redis has lost a namespace; `system` lists all marked ones."""
    yield Command(("SADD", layout.namespaces(system), namespace))
    yield Command(("SET", layout.marker(namespace), "1"))


def unmark(system: str, namespace: str) -> Flow[None]:
    """Take the mark away again: nothing is expected of the namespace any more."""
    yield Command(("DEL", layout.marker(namespace)))
    yield Command(("SREM", layout.namespaces(system), namespace))


def marked(system: str) -> Flow[list[str]]:
    """Return the namespaces that have a mark, or had one that was lost."""
    return sorted((yield Command(("SMEMBERS", layout.namespaces(system)))))


def mirror_of(keys: ObjectKeys) -> Flow[str]:
    """Return the uid of the custom resource that mirrors an object; empty for none."""
    return str((yield Command(("HGET", layout.mirrors(keys.namespace), keys.id))) or "")


def note_mirror(keys: ObjectKeys, uid: str) -> Flow[None]:
    """Note which custom resource mirrors an object; empty for none."""
    if uid:
        yield Command(("HSET", layout.mirrors(keys.namespace), keys.id, uid))
    else:
        yield Command(("HDEL", layout.mirrors(keys.namespace), keys.id))


class Life(NamedTuple):
    """One life of an object: its epoch, when it began in ms, and who owns it."""

    epoch: str
    created_ms: int
    owner: str


def life(keys: ObjectKeys) -> Flow[Life | None]:
    """Return which life an object is in, None if it does not exist."""
    epoch, created, owner = yield Command(("HMGET", keys.meta, "epoch", "created", "owner"))
    return Life(epoch, int(created), owner) if epoch else None


class Latch(NamedTuple):
    """How far a latch is: its phase, the last cycle that opened (0 for none) and when in ms, and why it failed.

    In the words of a barrier: a wait group without members left is `Open`, and so is what was done once.
    """

    phase: str
    last_cycle: int
    opened_ms: int
    reason: str
    cyclic: bool

    def is_open(self, since_ms: int, cycle_then: int) -> bool:
        """Whether it lets through who came at `since_ms`, when `cycle_then` was the last that had opened."""
        if self.phase == "Open" or not self.cyclic:
            return self.phase == "Open"
        return self.last_cycle > cycle_then or 0 < since_ms <= self.opened_ms


def latch(keys: ObjectKeys) -> Flow[Latch | None]:
    """Return how far a latch is, None if it does not exist. A deadline that has passed may not show yet."""
    if keys.kind is Kind.ONCE:
        epoch, done = yield Command(("HMGET", keys.meta, "epoch", "done"))
        return Latch("Open" if done else "Waiting", 0, int(done or 0), "", cyclic=False) if epoch else None
    if keys.kind is Kind.WAITGROUP:
        phase, cycle, done = yield Command(("HMGET", keys.meta, "phase", "lastcycle", "done"))
        is_done = "Open" if phase == "Done" else "Waiting"
        return Latch(is_done, int(cycle or 0), int(done or 0), "", cyclic=True) if phase else None
    row = yield Command(("HMGET", keys.meta, "phase", "lastcycle", "opened", "reason", "cyclic"))
    phase, cycle, opened, reason, cyclic = row
    return Latch(phase, int(cycle or 0), int(opened or 0), reason or "", cyclic == "1") if phase else None


def has_arrived(keys: ObjectKeys, arrival: str) -> Flow[bool]:
    """Return whether an id has arrived at a barrier, in any cycle that is remembered, or is done in a wait group."""
    for each in (keys.finished,) if keys.kind is Kind.WAITGROUP else (keys.arrivals, keys.cycles):
        if (yield Command(("ZSCORE", each, arrival))) is not None:
            return True
    return False


def reclaim(keys: ObjectKeys, holder: str, token: int, uid: str) -> Flow[bool]:
    """End a lease for its owner, who is gone; False if it is another's by now, or has ended."""
    answer = yield Call(RECLAIM, keys.permits, (holder, token, uid))
    return bool(answer.reply[0] == Code.RELEASED)


def waiter_uid(namespace: str, request: str) -> Flow[str]:
    """Return the uid of the pod that waits with a request; empty for none, or for a wait that has ended."""
    return str((yield Command(("HGET", layout.request(namespace, request), "uid"))) or "")


def abandon(keys: ObjectKeys, holder: str, request: str) -> Flow[None]:
    """End a wait whose pod is gone."""
    yield Call(CANCEL, keys.permits, (request, holder, "abandoned"))


def arrive_once(keys: ObjectKeys, arrival: str, request: str) -> Flow[Arrived | Counted]:
    """Count an arrival that happens once in its life, or a member that is done: also at a cyclic barrier since opened.

    Callers that mean the same event give the same `request`. Raises `NotFound`, `BarrierFailed`, `BelowZero`,
    `Unavailable`.
    """
    if keys.kind is Kind.WAITGROUP:
        return (yield from waitgroups.done(keys, arrival, 1, 0, request=request))
    counted = yield Command(("ZSCORE", keys.cycles, arrival))
    if counted is not None:
        return barriers.Arrived(counted=False, arrived=0, expected=0, cycle=int(counted), phase="Open", epoch="")
    return (yield from barriers.arrive(keys, arrival, 0, request=request))
