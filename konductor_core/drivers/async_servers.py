"""Where keys are: `servers` for asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

from redis.exceptions import ClusterDownError, MovedError, RedisError

from konductor_core.drivers.async_wire import AsyncWire
from konductor_core.drivers.servers import SLOTS
from konductor_core.drivers.slots import Address, SlotMap

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AsyncCluster", "AsyncServers", "AsyncSingle"]


class AsyncSingle:
    """One server; see `Single`."""

    def __init__(self, pool: Any) -> None:  # noqa: ANN401 - redis-py's
        self._wire = AsyncWire(pool)

    async def wire(self, _key: str) -> AsyncWire:
        """Return the connections to the server that has a key."""
        return self._wire

    async def lost(self, wire: AsyncWire) -> None:
        """Note that a connection broke or that the server refused to serve: others may have too."""
        await wire.disconnect()

    def follow(self, error: MovedError, _wire: AsyncWire) -> AsyncWire:
        """Raise the redirection: whoever meets one here was told of one server where there are many."""
        raise error

    async def close(self) -> None:
        """Close all connections, for good."""
        await self._wire.close()


class AsyncCluster:
    """The masters of a cluster; see `Cluster`."""

    def __init__(self, connect: Callable[[Address], Any], seeds: tuple[Address, ...]) -> None:
        self._connect = connect
        self._map = SlotMap(seeds)
        self._wires: dict[Address, AsyncWire] = {}
        self._lock = asyncio.Lock()

    async def wire(self, key: str) -> AsyncWire:
        """Return the connections to the server that has a key. Raises redis-py's errors."""
        if self._map.stale:
            await self._learn()
        address = self._map.owner(key)
        if address is None:
            self._map.stale = True
            raise ClusterDownError("Hash slot not served", status_code="CLUSTERDOWN")
        return self._at(address)

    async def lost(self, wire: AsyncWire) -> None:
        """Note that a connection broke or that the server refused to serve: its slots may be elsewhere by now."""
        await wire.disconnect()
        self._map.stale = True

    def follow(self, error: MovedError, wire: AsyncWire) -> AsyncWire:
        """Return the connections to the server that a MOVED from `wire` points to, and remember it."""
        return self._at(self._map.moved(error, self._address(wire)))

    async def close(self) -> None:
        """Close all connections, for good."""
        for wire in list(self._wires.values()):
            await wire.close()

    def _at(self, address: Address) -> AsyncWire:
        if address not in self._wires:
            self._wires[address] = AsyncWire(self._connect(address))
        return self._wires[address]

    def _address(self, wire: AsyncWire) -> Address:
        return next(address for address, each in self._wires.items() if each is wire)

    async def _learn(self) -> None:
        """Ask one server after the other for the map. Raises what the last of them answered."""
        version = self._map.version
        async with self._lock:
            if self._map.version != version:
                return  # another task has asked meanwhile
            problem: Exception = ClusterDownError("Hash slot not served", status_code="CLUSTERDOWN")
            for address in self._map.candidates():
                try:
                    rows, _ = await self._at(address).perform(SLOTS, 0)
                except (RedisError, OSError) as error:
                    problem = error
                    continue
                if rows:
                    self._map.learn(rows, address)
                    return
            raise problem


AsyncServers: TypeAlias = AsyncSingle | AsyncCluster
