"""Which server of a cluster has which slot: pure bookkeeping, shared by the sync and the async driver.

redis-py's own cluster clients know this too, but connect as soon as they are made, begin by reading the description of
every command (90 kB and more), fail on a redirection to a server they have not met, have no connection to block or to
WAIT on, and pause nowhere between tries. So their connections and errors are used here, and only the map is ours.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from redis.crc import key_slot

if TYPE_CHECKING:
    from redis.exceptions import MovedError

__all__ = ["REDIRECTIONS", "Address", "SlotMap"]

Address: TypeAlias = tuple[str, int]
"""Host and port."""

SLOTS: Final = 16_384
REDIRECTIONS: Final = 8
"""How many in a row are followed: a slot moves once, and may be asked for once more while it moves."""
UNKNOWN: Final = ("", "?", None)
"""What a server says in place of a host that it does not know: the one it was asked under."""


class SlotMap:
    """The owners of all slots, as last heard. `version` grows with each new map."""

    def __init__(self, seeds: tuple[Address, ...]) -> None:
        self._seeds = seeds
        self._owners: list[Address | None] = [None] * SLOTS
        self.version = 0
        self.stale = True

    def owner(self, key: str) -> Address | None:
        """Return the server that has a key, or None if no server is known to."""
        return self._owners[key_slot(key.encode())]

    def learn(self, rows: list[Any], asked: Address) -> None:
        """Replace the map by the reply of CLUSTER SLOTS: rows of first slot, last slot, master and replicas."""
        owners: list[Address | None] = [None] * SLOTS
        for first, last, master, *_ in rows:
            host = asked[0] if master[0] in UNKNOWN else str(master[0])
            owners[int(first) : int(last) + 1] = [(host, int(master[1]))] * (int(last) + 1 - int(first))
        self._owners = owners
        self.version += 1
        self.stale = False

    def moved(self, error: MovedError, asked: Address) -> Address:
        """Note the one slot that a MOVED names, and return its new owner; a host left out is the one that answered."""
        address = (asked[0] if error.host in UNKNOWN else error.host, error.port)
        self._owners[error.slot_id] = address
        return address

    def candidates(self) -> list[Address]:
        """Return whom to ask for the map: the masters that are known, in no order, then those of the URL."""
        known = list({address for address in self._owners if address})
        random.shuffle(known)
        return known + [seed for seed in self._seeds if seed not in known]
