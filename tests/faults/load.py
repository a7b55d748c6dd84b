"""What clients do while faults strike: a mixed load on an object of each kind, sync and async.

They write lines as `tests/checker_clients.py` and `tests/checker_latches.py` read them, each with its `object`, and
some more: `arrives` and `waits` before a request is sent, `refused` when it ended with an error, `over` at the end. No
wait has a timeout, so that one that is stuck is seen: the client does not end.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from konductor_core.aio import AsyncKonductor
from konductor_core.client import Konductor
from konductor_core.config import Settings
from konductor_core.errors import KonductorError
from tests.faults.acts import Member

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.acts import Act
    from tests.races.jobs import Link

__all__ = ["mixed", "mixed_async", "out_of_time"]


def _settings(url: str, namespace: str, socket_timeout: float) -> Settings:
    return Settings.load({"redis_url": url, "namespace": namespace, "socket_timeout_ms": socket_timeout})


def mixed(
    link: Link,
    *,
    url: str,
    namespace: str,
    base: str,
    seed: int,
    socket_timeout: float = 1.0,
    members: int = 1,
    **plan: Any,
) -> None:
    """One thread: acquire, renew, release, arrive, take part and wait at random until it is enough."""
    del members
    with Konductor(settings=_settings(url, namespace, socket_timeout)) as k:
        _perform(Member(link, k, base, random.Random(seed), threading.Event().wait, **plan).acts())
    link.say("over")


def _perform(acts: Iterable[Act]) -> None:
    for act in acts:
        with suppress(StopIteration):
            step = next(act)
            while True:
                try:
                    result = step()
                except KonductorError as error:
                    step = act.throw(error)
                else:
                    step = act.send(result)


def out_of_time(link: Link, *, shift: str, **arguments: Any) -> None:
    """The same in a process whose wall clock is a day ahead, a year behind, or jumps between both at every look."""
    chance, real = random.Random(shift), time.time  # noqa: TID251 - it is what goes wrong here
    shifts = {"ahead": (86_400.0,), "behind": (-3.2e7,), "jumping": (86_400.0, -3.2e7, 0.0)}[shift]

    def wrong() -> float:
        return real() + chance.choice(shifts)

    setattr(time, "time", wrong)  # noqa: B010 - as above
    setattr(time, "time_ns", lambda: int(wrong() * 1e9))  # noqa: B010
    mixed(link, **arguments)


def mixed_async(
    link: Link,
    *,
    url: str,
    namespace: str,
    base: str,
    seed: int,
    socket_timeout: float = 1.0,
    members: int = 4,
    **plan: Any,
) -> None:
    """The same with several tasks in one process, which share their subscription."""

    async def run() -> None:
        async with AsyncKonductor(settings=_settings(url, namespace, socket_timeout)) as k:
            chances = [random.Random(f"{seed}/{n}") for n in range(members)]
            crew = [Member(link, k, f"{base}-{n}", chance, asyncio.sleep, **plan) for n, chance in enumerate(chances)]
            await asyncio.gather(*(_perform_async(member.acts()) for member in crew))

    asyncio.run(run())
    link.say("over")


async def _perform_async(acts: Iterable[Act]) -> None:
    for act in acts:
        with suppress(StopIteration):
            step = next(act)
            while True:
                try:
                    result = await step()
                except KonductorError as error:
                    step = act.throw(error)
                else:
                    step = act.send(result)
