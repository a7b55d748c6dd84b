"""What clients do while faults strike: a mixed load on one semaphore and one cyclic barrier, sync and async.

They write lines as `tests/checker_clients.py` reads them, and some more: `asks`, `arrives` and `waits` before a request
is sent, `refused` when it ended with an error, `over` at the end. No wait has a timeout, so that one that is stuck is
seen: the client does not end.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from konductor_core.aio import AsyncKonductor
from konductor_core.client import Konductor
from konductor_core.config import Settings
from konductor_core.errors import KonductorError

if TYPE_CHECKING:
    from konductor_core.async_lease import AsyncLease
    from konductor_core.lease import Lease
    from tests.races.jobs import Link

__all__ = ["mixed", "mixed_async", "out_of_time"]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What all members of a load share."""

    semaphore: str
    barrier: str
    enough: str
    """A file: when it is there, clients begin nothing new."""
    ttl: float
    hold: float


def _settings(url: str, namespace: str, socket_timeout: float) -> Settings:
    return Settings.load({"redis_url": url, "namespace": namespace, "socket_timeout_ms": socket_timeout})


def _held(link: Link, lease: Lease | AsyncLease) -> None:
    hold = lease._hold
    link.say("held", holder=hold.holder, token=hold.token, permits=hold.permits, until=hold.deadline)


def _renewed(link: Link, lease: Lease | AsyncLease) -> None:
    hold = lease._hold
    link.say("renewed", holder=hold.holder, token=hold.token, until=hold.deadline)


def _refused(link: Link, error: KonductorError, **about: Any) -> None:
    link.say("refused", code=error.code, text=str(error), **about)


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
    """One thread: acquire, renew, release, arrive and wait at random until it is enough."""
    del members
    chance, this, turn = random.Random(seed), _Plan(**plan), 0
    with Konductor(settings=_settings(url, namespace, socket_timeout)) as k:
        while not Path(this.enough).exists():
            turn += 1
            name = f"{base}/{turn}"
            if chance.random() < 0.75:
                _hold(link, k, this, name, chance)
            else:
                _meet(link, k, this, name, wait=chance.random() < 0.5)
    link.say("over")


def _hold(link: Link, k: Konductor, this: _Plan, holder: str, chance: random.Random) -> None:
    permits = chance.choices((1, 2), (4, 1))[0]
    link.say("asks", holder=holder)
    try:
        lease = k.semaphore(this.semaphore).acquire(permits=permits, ttl=this.ttl, holder=holder)
        _held(link, lease)
        threading.Event().wait(chance.uniform(0, this.hold))
        if chance.random() < 0.3:
            lease.renew()
            _renewed(link, lease)
        link.say("gave", holder=holder, token=lease.token)
        link.say("released", holder=holder, token=lease.token, what=str(lease.release()))
    except KonductorError as error:
        _refused(link, error, holder=holder)


def _meet(link: Link, k: Konductor, this: _Plan, arrival: str, *, wait: bool) -> None:
    barrier = k.barrier(this.barrier)
    link.say("arrives", id=arrival)
    try:
        done = barrier.arrive(holder=arrival)
        link.say("arrived", id=arrival, counted=done.counted, cycle=done.cycle)
        if wait:
            link.say("waits", id=arrival, cycle=done.cycle)
            opened = barrier.wait(cycle=done.cycle, holder=arrival)
            link.say("opened", id=arrival, cycle=opened.cycle)
    except KonductorError as error:
        _refused(link, error, id=arrival)


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
    this = _Plan(**plan)

    async def run() -> None:
        async with AsyncKonductor(settings=_settings(url, namespace, socket_timeout)) as k:
            await asyncio.gather(
                *(_member(link, k, this, f"{base}-{n}", random.Random(f"{seed}/{n}")) for n in range(members))
            )

    asyncio.run(run())
    link.say("over")


async def _member(link: Link, k: AsyncKonductor, this: _Plan, base: str, chance: random.Random) -> None:
    turn = 0
    while not Path(this.enough).exists():  # noqa: ASYNC240 - it takes no time
        turn += 1
        name = f"{base}/{turn}"
        if chance.random() < 0.75:
            await _hold_async(link, k, this, name, chance)
        else:
            await _meet_async(link, k, this, name, wait=chance.random() < 0.5)


async def _hold_async(link: Link, k: AsyncKonductor, this: _Plan, holder: str, chance: random.Random) -> None:
    permits = chance.choices((1, 2), (4, 1))[0]
    link.say("asks", holder=holder)
    try:
        lease = await k.semaphore(this.semaphore).acquire(permits=permits, ttl=this.ttl, holder=holder)
        _held(link, lease)
        await asyncio.sleep(chance.uniform(0, this.hold))
        if chance.random() < 0.3:
            await lease.renew()
            _renewed(link, lease)
        link.say("gave", holder=holder, token=lease.token)
        link.say("released", holder=holder, token=lease.token, what=str(await lease.release()))
    except KonductorError as error:
        _refused(link, error, holder=holder)


async def _meet_async(link: Link, k: AsyncKonductor, this: _Plan, arrival: str, *, wait: bool) -> None:
    barrier = k.barrier(this.barrier)
    link.say("arrives", id=arrival)
    try:
        done = await barrier.arrive(holder=arrival)
        link.say("arrived", id=arrival, counted=done.counted, cycle=done.cycle)
        if wait:
            link.say("waits", id=arrival, cycle=done.cycle)
            opened = await barrier.wait(cycle=done.cycle, holder=arrival)
            link.say("opened", id=arrival, cycle=opened.cycle)
    except KonductorError as error:
        _refused(link, error, id=arrival)
