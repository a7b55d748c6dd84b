"""One active replica at a time, by Konductor's own means: whoever holds the one permit of a semaphore leads.

The others wait in its queue, and the next one is woken at the release, or at the end of a dead leader's lease. Two that
are active by accident do no harm, since every script and every patch may be repeated; that there is one saves work.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from konductor_core.annotations import CONTROLLER
from konductor_core.errors import KonductorError, Owned
from konductor_core.handles.async_permits import AsyncSemaphore
from konductor_core.permit_verbs import SemaphoreVerbs
from konductor_core.verbs import Caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from konductor_core.async_lease import AsyncLease
    from konductor_core.config import Settings
    from konductor_core.controller.store import Store
    from konductor_core.flows.steps import Progress

__all__ = ["Leader"]

log = logging.getLogger(__name__)

TTL: Final = 15.0
"""Seconds after which another replica takes over from one that died; renewed at a third."""
MARGIN: Final = 3.0
"""Seconds before the end of a lease that cannot be renewed, at which the work is stopped: it takes a moment to end."""
RETRY: Final = 2.0
FAREWELL: Final = 2.0
"""Seconds for giving the permit back at the end; without that its TTL ends it."""


class Leader:
    """Runs `work` while this replica leads, and stops it when it does not any more.

    `name` is that of the semaphore in the settings' namespace. `ttl` is in seconds.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        work: Callable[[], Awaitable[None]],
        *,
        name: str = CONTROLLER,
        ttl: float = TTL,
    ) -> None:
        # A container that was started again goes on with what its pod holds; outside pods each process is another.
        caller = Caller.of(settings, os.environ.get("POD_NAME") or None)
        self._semaphore = AsyncSemaphore(store.driver, SemaphoreVerbs(caller, name))
        self._work = work
        self._ttl = ttl
        self._margin = min(MARGIN, ttl / 5)
        self._said = ""
        self.leads = False
        self.token = 0
        """The fencing token of this replica's last time as leader."""

    async def run(self) -> None:
        """Lead whenever possible, until cancelled; raises what `work` raises. Gives the lead up at the end."""
        while True:
            lease = await self._elected()
            try:
                self.leads, self.token = True, lease.token
                log.info("leading, with token %d", lease.token)
                await self._lead(lease)
            finally:
                self.leads = False
                await self._give_up(lease)

    async def _elected(self) -> AsyncLease:
        """Wait for the permit as long as it takes, and as often as Redis goes away meanwhile."""
        while True:
            try:
                with suppress(Owned):  # somebody has applied it: then it is as they say
                    await self._semaphore.define(1, ttl=self._ttl)
                return await self._semaphore.acquire(ttl=self._ttl, renew=True, on_progress=self._waiting)
            except KonductorError as error:
                self._say(f"nobody can lead: {error.message}", logging.WARNING)
                await asyncio.sleep(RETRY)

    def _waiting(self, progress: Progress) -> None:
        self._say(f"standing by: {progress.text}", logging.INFO)

    def _say(self, text: str, level: int) -> None:
        if text != self._said:
            self._said = text
            log.log(level, "%s", text)

    async def _lead(self, lease: AsyncLease) -> None:
        """Work until the lease is about to end."""
        work = asyncio.ensure_future(self._work())
        lost = asyncio.create_task(self._until_lost(lease))
        try:
            await asyncio.wait({work, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
        if not work.cancelled():
            work.result()
            return
        self._say("leading no more: the lease could not be renewed", logging.WARNING)

    async def _until_lost(self, lease: AsyncLease) -> None:
        while (left := lease.expires_in - self._margin) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await lease.lost.wait()

    async def _give_up(self, lease: AsyncLease) -> None:
        """Let the next one lead at once."""
        with suppress(KonductorError, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await lease.release()
