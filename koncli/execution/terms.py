"""The terms on which a command runs: how long it has to end when a lease does, and what its environment tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from koncli.output import message
from konductor_core.amounts import mode_of
from konductor_core.durations import to_ms, to_text
from konductor_core.errors import InvalidInput
from konductor_core.identity import Kind, arrival_id

if TYPE_CHECKING:
    from koncli.app import App
    from konductor_core.leases import Leases

GRACE_MS = 10_000


def check_grace(grace: str | None, ttl: str | None) -> None:
    """Refuse a grace that leaves too little of the TTL for renewing."""
    if grace is not None and ttl is not None and 0 < to_ms(ttl) < 2 * to_ms(grace):
        raise InvalidInput(f"--grace {grace} is more than half of --ttl {ttl}: no time would be left to renew")


def grace_of(grace: str | None, leases: Leases, label: str) -> float:
    """Return the seconds between TERM and KILL."""
    ttl_ms = leases.ttl_ms
    if grace is None:
        return min(GRACE_MS, ttl_ms / 3 if ttl_ms else GRACE_MS) / 1000
    wanted = to_ms(grace)
    if ttl_ms and wanted > ttl_ms / 2:
        message(f"{label}: its TTL is {to_text(ttl_ms)}, so --grace is cut to half of that")
        wanted = ttl_ms // 2
    return wanted / 1000


def variables_of(app: App, leases: Leases) -> dict[str, str]:
    """Return what the command finds in its environment: the leases, and where and as whom koncli is to work there.

    Of several objects of a kind the values stand in order of their names, with spaces between them. There is no one
    token of several objects, so that one of an outer `koncli exec` must not be taken for it.
    """
    variables = {
        "KONDUCTOR_TOKEN": str(leases[0].token) if len(leases) == 1 else "",
        "KONDUCTOR_TOKENS": " ".join(f"{lease.ref}={lease.token}" for lease in leases),
        "KONDUCTOR_HOLDER": leases[0].holder,
        # The holder is another one each time; an arrival must stay the same when the command is run again.
        "KONDUCTOR_ARRIVAL_ID": arrival_id(app.env, app.holder),
        "KONDUCTOR_NAMESPACE": app.settings.namespace,
        "KONDUCTOR_LEASE_TTL": to_text(leases.ttl_ms),
    }
    if app.flags.redis_url is not None:
        variables["KONDUCTOR_REDIS_URL"] = app.flags.redis_url
    held: dict[str, list[str]] = {}
    for lease in leases:
        key, _, name = lease.ref.partition("/")
        held.setdefault(key.upper(), []).append(name)
        if key == Kind.SEMAPHORE.key:
            held.setdefault("PERMITS", []).append(str(lease.permits))
        elif key == Kind.RWMUTEX.key:
            held.setdefault("MODE", []).append(mode_of(lease.permits))
    return variables | {f"KONDUCTOR_LEASE_{what}": " ".join(values) for what, values in held.items()}
