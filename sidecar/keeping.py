"""`keep`: the native sidecar that holds what its pod has acquired, until the pod's own containers have ended."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from konductor_core import identity
from konductor_core.aio import AsyncKonductor
from konductor_core.config import Settings
from sidecar.held import Held, Ledger
from sidecar.processes import reap, terminate_app
from sidecar.say import message
from sidecar.tasks import end
from sidecar.volume import Volume, root

if TYPE_CHECKING:
    from sidecar.main import Ending

__all__ = ["keep_all"]

LONGEST_NAP: Final = 5.0
"""Seconds between two looks at what is held; a twelfth of the shortest TTL if that is less."""
SHORTEST_NAP: Final = 0.1
FAREWELL: Final = 2.0
"""Seconds that the releases at the end are given."""


def keep_all(ending: Ending, *, on_lost: str, api: bool, no_loopback: bool) -> None:
    """Adopt the grants in the volume, hold them until SIGTERM, give them back."""
    asyncio.run(_Keeper(on_lost).run(ending, api=api, loopback=not no_loopback))


class _Keeper:
    """One run of the keeper. Make it on the event loop's thread."""

    def __init__(self, on_lost: str) -> None:
        self._action = on_lost
        self._volume = Volume(root(os.environ))
        self._pod = identity.owner(os.environ)
        self._stop = asyncio.Event()

    async def run(self, ending: Ending, *, api: bool, loopback: bool) -> None:
        """Live until SIGTERM or SIGINT. Raises what makes it useless: bad settings, an API that can't be served."""
        self._listen(ending)
        settings = Settings.load()
        self._volume.remove("ready")
        async with AsyncKonductor(settings=settings) as k:
            ledger = Ledger(k, self._volume, self._pod.uid, self._lost)
            living = asyncio.create_task(self._live(ledger, api=api, loopback=loopback))
            stopping = asyncio.create_task(self._stop.wait())
            await asyncio.wait({living, stopping}, return_when=asyncio.FIRST_COMPLETED)
            self._volume.remove("ready")
            stopping.cancel()
            await end(living)
            if not self._stop.is_set():
                living.result()  # it raises why; the kubelet starts another keeper, which goes on with the same grants
            await ledger.release_all(FAREWELL)

    def _listen(self, ending: Ending) -> None:
        """Hear signals in the event loop from now on; one that came before counts, too."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        if ending.asked:
            self._stop.set()
        if os.getpid() == 1:
            loop.add_signal_handler(signal.SIGCHLD, reap)

    async def _live(self, ledger: Ledger, *, api: bool, loopback: bool) -> None:
        for grant in self._volume.read_grants():
            await ledger.adopt(grant)
        ledger.save()
        server = None
        if api:
            from sidecar.api.server import ApiServer

            server = ApiServer(ledger, self._volume)
            await server.start(loopback=loopback)
        self._volume.write("", "started")
        self._volume.write("", "ready")
        message(f"keeping {', '.join(each.grant.object for each in ledger.held) or 'nothing yet'}")
        try:
            while True:
                ledger.news.clear()
                await ledger.look()
                with suppress(TimeoutError):
                    await asyncio.wait_for(ledger.news.wait(), _nap(ledger))
        finally:
            if server is not None:
                await server.stop()

    def _lost(self, held: Held, reason: str) -> None:
        """Act on the loss of a lease, at once; Redis is told at the next look."""
        message(f"{held.grant.object}: the lease of {held.grant.holder} is lost: {reason}")
        if self._action == "signal":
            count = terminate_app(self._pod.uid) if self._pod.uid else 0
            message(
                f"sent TERM to {count} of the pod's processes"
                if count
                else "found no process of the pod to send TERM to: it needs shareProcessNamespace and one runAsUser"
            )
        elif self._action == "delete-pod":
            message("the controller deletes this pod")


def _nap(ledger: Ledger) -> float:
    shortest = min((each.lease.ttl_ms / 12_000 for each in ledger.held if each.lease.ttl_ms), default=LONGEST_NAP)
    return max(SHORTEST_NAP, min(shortest, LONGEST_NAP))
