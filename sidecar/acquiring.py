"""`acquire`: an init container that gets permits for its pod, and leaves them in the volume for the keeper."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from konductor_core.amounts import leased_object, named
from konductor_core.client import Konductor
from konductor_core.config import Settings
from konductor_core.durations import to_text
from konductor_core.errors import Denied, KonductorError, WaitTimeout, WouldBlock
from sidecar.deadline import Deadline
from sidecar.say import message, progress
from sidecar.volume import HELD, Volume, as_grant, root

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from konductor_core.lease import Lease

__all__ = ["acquire_all"]


def acquire_all(
    amounts: Mapping[str, int], *, ttl: str | None, timeout: str | None, priority: int, holder: str | None
) -> None:
    """Get the permits of all objects, `semaphore/x` → amount, and write down the grants.

    A container that was started again gets the same grants. Whatever is raised, nothing stays held or queued.
    """
    volume = Volume(root(os.environ))
    deadline = Deadline(volume, "acquire", timeout)
    settings = Settings.load()
    who = holder or settings.holder
    label = ", ".join(sorted(amounts))
    leases: Sequence[Lease] = ()
    with Konductor(settings=settings) as k:
        try:
            ask = partial(k.acquire_all, amounts, ttl, deadline.left, priority, holder=who, on_progress=progress(label))
            leases = _go_on(k, volume, ask)
            _write(volume, sorted(amounts), leases)
        except WaitTimeout:
            deadline.forget()  # who tries again shall wait as long again
            raise
        except BaseException:
            _give_back(leases)
            raise
    for name, lease in zip(sorted(amounts), leases, strict=True):
        expiry = f"expires in {to_text(lease.ttl_ms)} unless renewed" if lease.ttl_ms else "never expires"
        what = named(*leased_object(name), lease.permits)
        message(f"acquired {what} as {lease.holder}, token {lease.token}, {expiry}")


def _go_on(k: Konductor, volume: Volume, ask: Callable[[], Sequence[Lease]]) -> Sequence[Lease]:
    """Acquire, also where an earlier start of this container has acquired and lost a part since."""
    try:
        return ask()
    except WouldBlock:
        raise
    except Denied:
        grants = volume.read_grants()
        if not grants:
            raise
        for grant in grants:
            k.permits(grant.object).release(grant.holder, grant.token)
        return ask()


def _write(volume: Volume, names: list[str], leases: Sequence[Lease]) -> None:
    grants = [as_grant(*each) for each in zip(names, leases, strict=True)]
    try:
        for grant in grants:
            volume.show(grant, HELD)
        volume.write_grants(grants)
    except OSError as error:
        raise KonductorError(
            f"the grants cannot be written to {volume.directory}: {error.strerror}",
            hint="mount a volume there that this container's user may write to",
        ) from error


def _give_back(leases: Sequence[Lease]) -> None:
    for lease in leases:
        with suppress(KonductorError):  # the TTL frees it
            lease.release()
