"""Where keys are: on the one server there is, or on one of a cluster's. `async_servers` has the same for asyncio."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from redis.exceptions import ClusterDownError, MovedError, RedisError

from konductor_core.drivers.slots import Address, SlotMap
from konductor_core.drivers.wire import Wire
from konductor_core.flows.steps import Command

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Cluster", "Servers", "Single"]

SLOTS: Command = Command(("CLUSTER", "SLOTS"))


class Single:
    """One server: standalone, behind a unix socket, or the master that Sentinels name whenever one connects."""

    def __init__(self, pool: Any) -> None:  # noqa: ANN401 - redis-py's
        self._wire = Wire(pool)

    def wire(self, _key: str) -> Wire:
        """Return the connections to the server that has a key."""
        return self._wire

    def at_hand(self, _key: str) -> Wire | None:
        """Return the same if no server has to be asked for it."""
        return self._wire

    def lost(self, wire: Wire) -> None:
        """Note that a connection broke or that the server refused to serve: others may have too."""
        wire.disconnect()

    def follow(self, error: MovedError, _wire: Wire) -> Wire:
        """Raise the redirection: whoever meets one here was told of one server where there are many."""
        raise error

    def close(self) -> None:
        """Close all connections, for good."""
        self._wire.close()


class Cluster:
    """The masters of a cluster, each met when it is first needed."""

    def __init__(self, connect: Callable[[Address], Any], seeds: tuple[Address, ...]) -> None:
        self._connect = connect
        self._map = SlotMap(seeds)
        self._wires: dict[Address, Wire] = {}
        self._lock = threading.Lock()

    def wire(self, key: str) -> Wire:
        """Return the connections to the server that has a key. Raises redis-py's errors."""
        if self._map.stale:
            self._learn()
        address = self._map.owner(key)
        if address is None:
            self._map.stale = True
            raise ClusterDownError("Hash slot not served", status_code="CLUSTERDOWN")
        return self._at(address)

    def at_hand(self, key: str) -> Wire | None:
        """Return the same if no server has to be asked for it."""
        address = None if self._map.stale else self._map.owner(key)
        return None if address is None else self._at(address)

    def lost(self, wire: Wire) -> None:
        """Note that a connection broke or that the server refused to serve: its slots may be elsewhere by now."""
        wire.disconnect()
        self._map.stale = True

    def follow(self, error: MovedError, wire: Wire) -> Wire:
        """Return the connections to the server that a MOVED from `wire` points to, and remember it."""
        return self._at(self._map.moved(error, self._address(wire)))

    def close(self) -> None:
        """Close all connections, for good."""
        for wire in list(self._wires.values()):
            wire.close()

    def _at(self, address: Address) -> Wire:
        wire = self._wires.get(address)
        return wire or self._wires.setdefault(address, Wire(self._connect(address)))

    def _address(self, wire: Wire) -> Address:
        return next(address for address, each in self._wires.items() if each is wire)

    def _learn(self) -> None:
        """Ask one server after the other for the map. Raises what the last of them answered."""
        version = self._map.version
        with self._lock:
            if self._map.version != version:
                return  # another thread has asked meanwhile
            problem: Exception = ClusterDownError("Hash slot not served", status_code="CLUSTERDOWN")
            for address in self._map.candidates():
                try:
                    rows, _ = self._at(address).perform(SLOTS, 0)
                except (RedisError, OSError) as error:
                    problem = error
                    continue
                if rows:
                    self._map.learn(rows, address)
                    return
            raise problem


Servers: TypeAlias = Single | Cluster
