"""`koncli mutex`: create, lock, renew, unlock, force-release, and the verbs that all kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from koncli.kinds import kind_group
from koncli.leases import add_create, holder_tables, ttl_text
from koncli.taking import add_force_release, add_lock, add_release, add_renew
from koncli.views import Column, View
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from konductor_core.models import MutexStatus

mutex = kind_group(Kind.MUTEX, "Mutexes let one holder at a time do what must not happen twice at once.")

add_create(mutex, Kind.MUTEX, example="koncli mutex create schema-migration --ttl 10m")
add_lock(
    mutex,
    Kind.MUTEX,
    "lock",
    permits=1,
    example="koncli mutex lock schema-migration --timeout 10m",
    text="Lock it, waiting for it in line. The same holder again keeps the lock and its token, with a new expiry.",
)
add_renew(mutex, Kind.MUTEX, example="koncli mutex renew schema-migration --ttl 10m")
add_release(
    mutex,
    Kind.MUTEX,
    "unlock",
    word="unlocked",
    example="koncli mutex unlock schema-migration",
    text="Unlock it: exit 4 if it was not locked by this holder, 6 if the lock had already expired.",
)
add_force_release(mutex, Kind.MUTEX, example="koncli mutex force-release schema-migration migrate-1")


def _fields(status: MutexStatus) -> list[tuple[str, str]]:
    return [
        ("Phase", status.phase),
        ("Holder", status.first.holder if status.first else ""),
        ("Waiting", str(status.waiting)),
        ("TTL", ttl_text(status)),
    ]


VIEW = View(
    columns=(
        Column("HOLDER", lambda status: status.first.holder if status.first else "-"),
        Column("WAITING", lambda status: str(status.waiting)),
        Column("PHASE", lambda status: str(status.phase)),
        Column("TTL", ttl_text, wide=True),
    ),
    fields=_fields,
    tables=holder_tables,
)
