"""All that the controller asks of Redis, of any namespace, over one set of connections."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, cast

from konductor_core.amounts import LEASED
from konductor_core.controller import nudges
from konductor_core.controller.nudges import key_of
from konductor_core.controller.view import Key
from konductor_core.drivers.aio import AsyncDriver
from konductor_core.errors import NotFound
from konductor_core.flows import gates, imports, objects, permit_snapshots, snapshots, upkeep
from konductor_core.identity import Kind
from konductor_core.keys import ObjectKeys
from konductor_core.models import SPECS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from konductor_core.config import Settings
    from konductor_core.flows.barriers import Arrived
    from konductor_core.flows.imports import Remains
    from konductor_core.flows.objects import Defined
    from konductor_core.flows.upkeep import Latch, Life
    from konductor_core.flows.waitgroups import Counted
    from konductor_core.gates import Verdict
    from konductor_core.models import Event, GateStatus, Spec
    from konductor_core.models.objects import Status

__all__ = ["Store"]


class Store:
    """The objects in Redis. The settings' namespace is the controller's own.

    Every method raises `Unavailable` when Redis is; those that wait for it say so.
    """

    def __init__(self, settings: Settings) -> None:
        self.driver = AsyncDriver(settings)
        self._system = settings.namespace

    async def close(self) -> None:
        """Close all connections, for good."""
        await self.driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ------------------------------------------------------------------------------------------------- objects

    async def define(self, key: Key, spec: Spec, labels: Mapping[str, str], owner: str) -> Defined:
        """Create an object or bring it to this spec; `owner` is `cr/<uid>` or `cli`. A new uid starts a new epoch."""
        return await self.driver.run(objects.define(_keys(key), cast("Any", spec), labels, owner))

    async def read(self, key: Key, holders: int = permit_snapshots.HOLDERS_SHOWN) -> Status | None:
        """Return a consistent snapshot with so many holders at most, or None if there is no such object."""
        with suppress(NotFound):
            if key.kind in LEASED:
                return await self.driver.run(permit_snapshots.read_permits(_keys(key), holders))
            return cast("Status", await self.driver.run(snapshots.READERS[key.kind](_keys(key))))
        return None

    async def glance(self, key: Key) -> Status | None:
        """Return a snapshot with one holder at most, and with hardly any of its other lists, or None."""
        with suppress(NotFound):
            return cast("Status", await self.driver.run(snapshots.glance(_keys(key))))
        return None

    async def evaluate(self, status: GateStatus, verdict: Verdict) -> bool:
        """Note what the conditions of a gate have come to, as it was read; False if that is no news, or it changed."""
        keys = ObjectKeys(status.namespace, Kind.GATE, status.name)
        return await self.driver.run(gates.evaluate(keys, status.epoch, status.spec, verdict))

    async def delete(self, key: Key, owner: str) -> bool:
        """Delete an object of this owner; False if there is none. Raises `Owned` if it is another's."""
        return await self.driver.run(objects.delete(key.kind, _keys(key), owner))

    async def objects(self, namespace: str) -> list[Key]:
        """Return every object of a namespace whose kind is known here."""
        found = await self.driver.run(objects.list_objects(namespace, None))
        return [Key(kind, namespace, name) for kind, name in found if kind in SPECS]

    async def history(self, key: Key, since_id: str | None, limit: int = 100) -> list[Event]:
        """Return the first `limit` events after `since_id`, or the newest ones."""
        return await self.driver.run(objects.events(_keys(key), limit, since_id))

    async def mirror_of(self, key: Key) -> str | None:
        """Return the uid of the custom resource that mirrors an object, if one was noted."""
        return await self.driver.run(upkeep.mirror_of(_keys(key))) or None

    async def note_mirror(self, key: Key, uid: str | None) -> None:
        """Note which custom resource mirrors an object; None for none any more."""
        await self.driver.run(upkeep.note_mirror(_keys(key), uid or ""))

    # ------------------------------------------------------------------------------------------- what has changed

    def nudges(self) -> AsyncIterator[Key | None]:
        """Yield each object as it changes, without end; and None when something may have been missed.

        After None, which also comes first, everything in `changed` is due. An absent Redis is waited for.
        """
        return nudges.listen(self.driver)

    async def changed(self, namespace: str) -> list[Key]:
        """Return the objects that changed and have not been looked at since, by anybody."""
        found = await self.driver.run(upkeep.changed(namespace))
        return [key for each in found if (key := key_of(namespace, each)) and key.kind in SPECS]

    async def looked_at(self, namespace: str, looks: Mapping[Key, int]) -> None:
        """Note that objects of a namespace were looked at: each with `now_ms` of its snapshot."""
        await self.driver.run(upkeep.clean(namespace, {_keys(key).id: moment for key, moment in looks.items()}))

    async def now_ms(self, namespace: str = "") -> int:
        """Return the time of the server that has a namespace, or the controller's own."""
        return await self.driver.run(upkeep.now_ms(namespace or self._system))

    async def restore(self, key: Key, spec: Spec, labels: Mapping[str, str], owner: str, remains: Remains) -> bool:
        """Bring an object back; False if there is one, or if it was deleted a moment ago."""
        return await self.driver.run(imports.restore(_keys(key), cast("Any", spec), labels, owner, remains))

    # ------------------------------------------------------------------------------------------------- what is lost

    async def is_marked(self, namespace: str) -> bool:
        """Return whether Redis still has what it had when the namespace was marked; False also before that."""
        return await self.driver.run(upkeep.is_marked(namespace))

    async def mark(self, namespace: str) -> None:
        """Mark a namespace: all that it should have is in Redis."""
        await self.driver.run(upkeep.mark(self._system, namespace))

    async def unmark(self, namespace: str) -> None:
        """Take the mark away: nothing is expected of the namespace any more."""
        await self.driver.run(upkeep.unmark(self._system, namespace))

    async def namespaces(self) -> list[str]:
        """Return the namespaces that were marked."""
        return await self.driver.run(upkeep.marked(self._system))

    # ------------------------------------------------------------------------------------------------ for dead pods

    async def reclaim(self, key: Key, holder: str, token: int, uid: str) -> bool:
        """End the lease that a pod which is gone had; False if it is another's by now, or has ended."""
        return await self.driver.run(upkeep.reclaim(_keys(key), holder, token, uid))

    async def waiter_uid(self, namespace: str, request: str) -> str:
        """Return the uid of the pod that waits with a request; empty for none, or for a wait that has ended."""
        return await self.driver.run(upkeep.waiter_uid(namespace, request))

    async def abandon(self, key: Key, holder: str, request: str) -> None:
        """End a wait whose pod is gone."""
        await self.driver.run(upkeep.abandon(_keys(key), holder, request))

    async def life(self, key: Key) -> Life | None:
        """Return which life an object is in, None if it does not exist."""
        return await self.driver.run(upkeep.life(_keys(key)))

    async def latch(self, key: Key) -> Latch | None:
        """Return how far a barrier is, None if it does not exist. A deadline that has passed may not show yet."""
        return await self.driver.run(upkeep.latch(_keys(key)))

    async def has_arrived(self, key: Key, arrival: str) -> bool:
        """Return whether an id has arrived at a barrier, in any cycle that is remembered."""
        return await self.driver.run(upkeep.has_arrived(_keys(key), arrival))

    async def arrive(self, key: Key, arrival: str, request: str) -> Arrived | Counted:
        """Arrive at a barrier, or be done, for a pod that has ended. Raises `NotFound`, `BarrierFailed`, `BelowZero`.

        The same `request` within a minute is answered as it was first, and the same arrival counts once.
        """
        return await self.driver.run(upkeep.arrive_once(_keys(key), arrival, request))


def _keys(key: Key) -> ObjectKeys:
    return ObjectKeys(key.namespace, key.kind, key.name)
