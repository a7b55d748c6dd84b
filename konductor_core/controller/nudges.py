"""One subscription to the nudges of all namespaces, which connects again by itself."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import NoPermissionError, RedisError

from konductor_core import keys as layout
from konductor_core.annotations import SYSTEM_NAMESPACE
from konductor_core.controller.view import Key
from konductor_core.drivers.async_wire import cancellations, heed
from konductor_core.errors import InvalidInput
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from konductor_core.drivers.aio import AsyncDriver

__all__ = ["key_of", "listen"]

log = logging.getLogger(__name__)

FIRST_BACKOFF: Final = 0.05
LONGEST_BACKOFF: Final = 2.0
UNHEARD: Final = 30.0
"""Seconds between looks at everything where the server allows no subscription."""


async def listen(driver: AsyncDriver) -> AsyncIterator[Key | None]:
    """Yield each object as it changes, without end; and None when messages may have been missed: at the start, too.

    In a cluster every server passes on the messages of all others, so that one connection hears everything.
    """
    failures = 0
    while True:
        try:
            async for key in _subscription(driver):
                failures = 0
                yield key
        except NoPermissionError:
            if not failures:
                log.warning("Redis does not let this user subscribe to %s: changes are seen late", layout.ALL_NUDGES)
            failures += 1
            yield None
            await asyncio.sleep(UNHEARD)
        except (RedisError, OSError) as error:
            if not failures:
                log.warning("%s: not listening until it is back", driver.failure(error))
            failures += 1
            pause = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(failures, 10))
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))


async def _subscription(driver: AsyncDriver) -> AsyncIterator[Key | None]:
    """Yield None once subscribed, then each object that a message names. Raises redis-py's errors."""
    wire = await driver.servers.wire(layout.nudge(SYSTEM_NAMESPACE))
    connection: Any = None
    try:
        connection = await wire.lend()
        before = cancellations()
        await connection.send_command("PSUBSCRIBE", layout.ALL_NUDGES, check_health=False)
        heed(before)
        while True:
            kind, _, channel, *data = await connection.read_response(timeout=math.inf)
            if kind == "psubscribe":
                yield None
            elif kind == "pmessage" and (key := key_of(layout.namespace_of(channel), data[0])):
                yield key
    except (RedisError, OSError):
        await driver.servers.lost(wire)
        raise
    finally:
        if connection is not None:
            await connection.disconnect(nowait=True)
            await wire.pool.release(connection)


def key_of(namespace: str, identifier: str) -> Key | None:
    """Return the object that `semaphore/x` names in a namespace, or None for what is no object of ours."""
    kind, _, name = identifier.partition("/")
    try:
        return Key(Kind.parse(kind), namespace, name)
    except InvalidInput:
        return None
