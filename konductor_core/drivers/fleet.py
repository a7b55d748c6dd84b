"""All servers of a deployment, the replicas too: for what each of them keeps to itself, as its users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from konductor_core import keys
from konductor_core.drivers.async_wire import AsyncWire
from konductor_core.drivers.connect import pools_async
from konductor_core.drivers.servers import SLOTS
from konductor_core.drivers.slots import UNKNOWN, Address
from konductor_core.flows.steps import Command

if TYPE_CHECKING:
    from konductor_core.config import Settings
    from konductor_core.drivers.aio import AsyncDriver

__all__ = ["Fleet"]

ROLE: Final = Command(("ROLE",))


class Fleet:
    """Runs a command on every server that the deployment knows of, at the time of the command."""

    def __init__(self, settings: Settings, driver: AsyncDriver) -> None:
        self._settings = settings
        self._driver = driver
        self._make = pools_async(settings)
        self._others: dict[Address, AsyncWire] = {}

    async def run(self, *words: str) -> dict[str, Any]:
        """Return what each server answered, or the error that it answered with or could not be reached for.

        The keys are addresses as `host:port`, and `master`, which is the first. Raises what redis-py raises if the
        deployment cannot be asked for its servers.
        """
        command = Command(words)
        answers: dict[str, Any] = {}
        for place, wire in (await self._wires()).items():
            try:
                answers[place], _ = await wire.perform(command, 0)
            except (RedisError, OSError) as error:
                await wire.disconnect()
                answers[place] = error
        return answers

    async def close(self) -> None:
        """Close all connections to servers that the driver does not have."""
        for wire in self._others.values():
            await wire.close()

    async def _wires(self) -> dict[str, AsyncWire]:
        master = await self._driver.servers.wire(keys.index(self._settings.namespace))
        if self._settings.redis.topology == "cluster":
            rows, _ = await master.perform(SLOTS, 0)
            seed = self._settings.redis.hosts[0][0]
            found = {(seed if node[0] in UNKNOWN else str(node[0]), int(node[1])) for row in rows for node in row[2:]}
            return {f"{host}:{port}": self._other((host, port)) for host, port in sorted(found)}
        role, _ = await master.perform(ROLE, 0)
        replicas = [(str(host), int(port)) for host, port, *_ in role[2]] if role[0] == "master" else []
        return {"master": master, **{f"{host}:{port}": self._other((host, port)) for host, port in replicas}}

    def _other(self, address: Address) -> AsyncWire:
        if address not in self._others:
            self._others[address] = AsyncWire(self._make(address))
        return self._others[address]
