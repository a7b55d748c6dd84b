"""The leases of a pod in the keeper's hands: adopted, acquired through the API, lost, given back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from konductor_core.durations import HEARTBEAT
from konductor_core.errors import KonductorError, LeaseLost, NotFound
from konductor_core.flows.leases import Released, lost_detail
from sidecar.clock import boot_ms, until
from sidecar.say import message
from sidecar.volume import HELD, LOST, RELEASED, Grant, Volume, as_grant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from konductor_core.aio import AsyncKonductor
    from konductor_core.async_lease import AsyncLease
    from konductor_core.handles.async_once import AsyncRun
    from konductor_core.handles.async_permits import AsyncPermitHandle

__all__ = ["Held", "Ledger"]

T = TypeVar("T")

CALL: Final = 5.0
"""Seconds that one call to Redis is given on which the pod's containers do not wait."""
REMEMBERED: Final = 100
"""How many losses of leases that were acquired through the API can be read there."""
ENDED: Final = "Redis says that it has ended or was given to another"
SHOWN_MS: Final = 500
"""By how much the end of a lease has to move before it is written down again."""


@dataclass(slots=True, eq=False)
class Held:
    """One lease; one that is not `renewing` is renewed by whoever acquired it, or ends."""

    grant: Grant
    lease: AsyncLease
    renewing: bool = True
    state: str = HELD
    looked_ms: int = 0
    """When Redis was last asked about a lease that needs no renewing, by `boot_ms`."""


class Ledger:
    """Everything that this pod holds. `on_lost` is called once for each lease that was lost, with the reason."""

    def __init__(self, k: AsyncKonductor, volume: Volume, pod_uid: str, on_lost: Callable[[Held, str], None]) -> None:
        self.k = k
        self.volume = volume
        self.entries: list[Held] = []
        self._unheard: list[tuple[Grant, str]] = []
        """Losses that Redis has yet to be told of, with their reasons."""
        self.news = asyncio.Event()
        """Set when there is something new to `look` at."""
        self._pod_uid = pod_uid
        self._on_lost = on_lost

    def _handle(self, target: str) -> AsyncPermitHandle:
        """Return the handle of what a lease is of: permits, a lock, or a once that is run."""
        kind, _, name = target.partition("/")
        return cast("AsyncPermitHandle", getattr(self.k, kind)(name))

    @property
    def held(self) -> list[Held]:
        """What is held at present."""
        return [each for each in self.entries if each.state == HELD]

    # ---- beginnings

    async def adopt(self, grant: Grant) -> None:
        """Go on with a grant of the acquire container's, or of a keeper's before this one.

        One that has ended is lost if the pod's own containers have begun; else nobody has relied on it, and another one
        is acquired in its place.
        """
        if grant.lost or (grant.shown and self.volume.state(grant) == LOST and self.volume.has("started")):
            self._unheard.append((grant, "found by a keeper that has ended since"))  # whatever Redis says by now
            return
        left = await self._confirm(grant)
        if left <= 0 and grant.shown and not self.volume.has("started"):
            grant, left = await self._acquire_anew(grant)
        lease = self._handle(grant.object).adopt(
            grant.holder, grant.token, grant.permits, ttl=grant.ttl_ms / 1000, expires_in=left, on_lost=self._note
        )
        self.entries.append(Held(grant, lease, looked_ms=boot_ms()))

    async def _confirm(self, grant: Grant) -> float:
        """Return the seconds that a lease surely lasts: what Redis says, or while it is away what the grant says."""
        try:
            async with asyncio.timeout(CALL):
                return (await self._handle(grant.object).renew(grant.holder, grant.token)).expires_in
        except LeaseLost:
            return 0.0
        except (KonductorError, TimeoutError) as error:
            message(f"{grant.object}: {str(error) or 'no answer in time'}; trying on until the lease ends")
            return grant.seconds_left()

    async def _acquire_anew(self, grant: Grant) -> tuple[Grant, float]:
        message(f"{grant.object}: the lease ended before the pod's own containers began; acquiring it again")
        ttl = grant.ttl_ms / 1000 or None
        lease = await self._handle(grant.object).take(grant.permits, ttl, holder=grant.holder)
        grant = as_grant(grant.object, lease)
        self.volume.show(grant, HELD)
        return grant, lease.expires_in

    async def acquire(self, target: str, permits: int, *, holder: str | None, renew: bool, **ask: Any) -> Held:  # noqa: ANN401
        """Acquire permits of `semaphore/x` for one of the pod's containers, which asked through the API."""
        known = self.find(target, holder)
        handle, renewing = self._handle(target), renew and known is None
        lease = await handle.take(permits, holder=holder, renew=renewing, on_lost=self._note, **ask)
        grant = replace(as_grant(target, lease), shown=False)
        if known is None:
            known = Held(grant, lease, renewing)
            self.entries.append(known)
        else:  # the same holder again has the same grant, perhaps of another amount, and one who renews it
            known.grant = replace(grant, shown=known.grant.shown)
            await known.lease.renew(ask.get("ttl"))
        self.save()
        self.news.set()
        return known

    def find(self, target: str, holder: str | None) -> Held | None:
        """Return what is held of `semaphore/x` under a holder's name, if anything is."""
        return next((each for each in self.held if (each.grant.object, each.grant.holder) == (target, holder)), None)

    # ---- while it is held

    async def look(self) -> None:
        """Write down ends that have moved, ask about leases that need no renewing, tell Redis of losses."""
        moved = False
        for held in self.held:
            if held.lease.ttl_ms == 0:
                await self._look_at_endless(held)
                continue
            if not held.renewing and held.lease.expires_in <= 0:
                held.state = LOST
                continue
            moment = until(held.lease.expires_in)
            if abs((moment or 0) - (held.grant.until_ms or 0)) > SHOWN_MS:
                held.grant, moved = replace(held.grant, until_ms=moment, ttl_ms=held.lease.ttl_ms), True
                if held.grant.shown:
                    with suppress(OSError):
                        self.volume.show_expiry(held.grant)
        if moved:
            self.save()
        for loss in list(self._unheard):
            await self._report(*loss)
        forgotten = [each for each in self.entries if each.state == LOST and not each.grant.shown]
        for held in forgotten[:-REMEMBERED]:
            self.entries.remove(held)

    async def _look_at_endless(self, held: Held) -> None:
        if boot_ms() - held.looked_ms < HEARTBEAT:
            return
        held.looked_ms = boot_ms()
        with suppress(KonductorError, TimeoutError):
            try:
                async with asyncio.timeout(CALL):
                    await held.lease.renew()
            except LeaseLost:
                self._note(held.lease)

    def save(self) -> None:
        """Write down what is held, and what was lost unheard, for a keeper after this one."""
        lost = [replace(grant, lost=True) for grant, _ in self._unheard]
        with suppress(OSError):  # it would adopt what it finds
            self.volume.write_grants([*(each.grant for each in self.held), *lost])

    # ---- ends

    def _note(self, lease: AsyncLease) -> None:
        """A lease was lost."""
        held = next((each for each in self.held if each.lease is lease), None)
        if held is None:
            return
        reason = lease.reason or ENDED
        held.state = LOST
        self._unheard.append((held.grant, reason))
        self.news.set()
        if held.grant.shown:
            with suppress(OSError):
                self.volume.show_state(held.grant, LOST)
        self.save()
        self._on_lost(held, reason)

    async def _report(self, grant: Grant, reason: str) -> None:
        """Put a loss on record; while Redis is away, the next look tries again.

        A renewal that nobody waited for any more may have reached Redis all the same: what it prolonged is given back.
        """
        handle, detail = self._handle(grant.object), lost_detail(reason, self._pod_uid)
        with suppress(KonductorError, TimeoutError):
            async with asyncio.timeout(CALL):
                with suppress(NotFound):  # what is absent has no history either
                    await handle.release(grant.holder, grant.token)
                    await handle.report_lost(grant.holder, grant.token, detail)
            self._unheard.remove((grant, reason))
            self.save()

    async def finish(self, held: Held, end: Callable[[AsyncRun], Awaitable[T]]) -> T:
        """Complete or fail a run, and hold it no more. Raises what that raises; it can be tried again until it ends."""
        try:
            result = await end(cast("AsyncRun", held.lease))
        except KonductorError:
            held.renewing = False  # by anybody, from now on
            raise
        held.state = RELEASED
        self.entries.remove(held)
        self.save()
        return result

    async def release(self, held: Held) -> Released:
        """Give a lease back; says what became of it. Raises `Unavailable`."""
        outcome = await held.lease.release()
        held.state = RELEASED if outcome is Released.RELEASED else LOST
        if held.grant.shown:
            with suppress(OSError):
                self.volume.show_state(held.grant, held.state)
        elif held.state == RELEASED:
            self.entries.remove(held)
        self.save()
        return outcome

    async def release_all(self, seconds: float) -> None:
        """Give back everything, what was not even adopted included, as far as Redis answers within so many seconds."""
        tasks = {asyncio.create_task(self.release(each)): each.grant for each in self.held}
        adopted = {each.grant.token for each in self.entries}
        for grant in self.volume.read_grants():
            if grant.token not in adopted and not grant.lost:
                tasks[asyncio.create_task(self._release_unseen(grant))] = grant
        reports = [asyncio.create_task(self._report(*each)) for each in self._unheard]
        if not tasks and not reports:
            return
        _, late = await asyncio.wait([*tasks, *reports], timeout=seconds)
        for task in late:
            task.cancel()
        for task, grant in tasks.items():
            unsaid = "could not be released (no answer in time); its TTL ends it"
            message(f"{grant.object}: {unsaid if task in late else task.exception() or task.result()}")

    async def _release_unseen(self, grant: Grant) -> Released:
        outcome = await self._handle(grant.object).release(grant.holder, grant.token)
        if grant.shown:
            with suppress(OSError):
                self.volume.show_state(grant, RELEASED)
        return outcome
