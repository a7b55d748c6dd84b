"""Which pod holds what, as the last snapshots tell: an index, rebuilt from Redis whenever the controller starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from konductor_core.models import PermitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from konductor_core.controller.view import Key
    from konductor_core.models.objects import Status

__all__ = ["Holding", "Holdings", "PodName", "is_whole"]


class PodName(NamedTuple):
    """Where a pod is, or was: one after the other, several pods may have the same name."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Holding:
    """A lease (`token`), or a place in a queue (`request`), and the name and uid of its pod.

    Without a recorded uid the name is a guess from the holder's; a waiter's uid is only in Redis. With a uid the name
    may be unknown: empty.
    """

    key: Key
    holder: str
    pod: str
    uid: str
    token: int = 0
    request: str = ""

    @property
    def is_shared_name(self) -> bool:
        """Whether a later pod of the same name would hold under the same name, and so go on with it."""
        return base_of(self.holder) == self.holder


def base_of(holder: str) -> str:
    """Return the holder without the random suffix that tells processes of one pod apart."""
    return holder.rpartition("/")[0] or holder


class Holdings:
    """All that is held and waited for, by object and by the pod's name.

    `names` tells the names of pods by their uid, for leases that only have that.
    """

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self._by_key: dict[Key, frozenset[Holding]] = {}
        self._by_pod: dict[PodName, set[Holding]] = {}

    def __iter__(self) -> Iterator[Holding]:
        return (each for held in self._by_key.values() for each in held)

    def of(self, pod: PodName) -> tuple[Holding, ...]:
        """Return what a pod of this name holds and waits for."""
        return tuple(self._by_pod.get(pod, ()))

    def note(self, key: Key, status: Status | None) -> tuple[frozenset[Holding], frozenset[Holding]]:
        """Take over a snapshot, None for an object that is gone; return what is new and what has ended.

        Where the snapshot does not list everybody, whoever it leaves out stays.
        """
        before = self._by_key.get(key, frozenset())
        after = self._found(key, status) if isinstance(status, PermitStatus) else frozenset()
        if isinstance(status, PermitStatus) and not is_whole(status):
            after |= before
        for each in before - after:
            pod = PodName(key.namespace, each.pod)
            self._by_pod[pod].discard(each)
            if not self._by_pod[pod]:
                del self._by_pod[pod]
        for each in after - before:
            self._by_pod.setdefault(PodName(key.namespace, each.pod), set()).add(each)
        if after:
            self._by_key[key] = after
        else:
            self._by_key.pop(key, None)
        return after - before, before - after

    def _found(self, key: Key, status: PermitStatus) -> frozenset[Holding]:
        leases = {
            Holding(key, each.holder, each.pod or self._name(each.uid, each.holder), each.uid, token=each.token)
            for each in status.holders
        }
        waits = {Holding(key, each.holder, base_of(each.holder), "", request=each.request) for each in status.waiters}
        return frozenset(leases | waits)

    def _name(self, uid: str, holder: str) -> str:
        return self.names.get(uid, "") if uid else base_of(holder)


def is_whole(status: PermitStatus) -> bool:
    """Whether a snapshot lists every holder."""
    return len(status.holders) == status.holders_total
