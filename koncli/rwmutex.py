"""`koncli rwmutex`: create, rlock, lock, renew, unlock, force-release, and the verbs that all kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from koncli.kinds import kind_group
from koncli.leases import add_create, holder_tables, ttl_text
from koncli.taking import add_force_release, add_lock, add_release, add_renew
from koncli.views import Column, View
from konductor_core.amounts import SHARES
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from konductor_core.models import RWMutexStatus

rwmutex = kind_group(Kind.RWMUTEX, "RWMutexes let many read at the same time, or one write.")

add_create(rwmutex, Kind.RWMUTEX, example="koncli rwmutex create warehouse --ttl 10m")
add_lock(
    rwmutex,
    Kind.RWMUTEX,
    "rlock",
    permits=SHARES["read"],
    example="koncli rwmutex rlock warehouse --timeout 10m",
    text="Lock it to read, beside other readers. Who comes after a waiting writer waits for that writer, too.\n\n"
    "A holder that writes is refused (exit 4): unlock first.",
)
add_lock(
    rwmutex,
    Kind.RWMUTEX,
    "lock",
    permits=SHARES["write"],
    example="koncli rwmutex lock warehouse --timeout 10m",
    text="Lock it to write, alone, waiting in line.\n\nA holder that reads is refused (exit 4): unlock first.",
)
add_renew(rwmutex, Kind.RWMUTEX, example="koncli rwmutex renew warehouse --ttl 10m")
add_release(
    rwmutex,
    Kind.RWMUTEX,
    "unlock",
    word="unlocked",
    example="koncli rwmutex unlock warehouse",
    text="Unlock what this holder has locked, to read or to write: exit 4 if nothing, 6 if it had already expired.",
)
add_force_release(rwmutex, Kind.RWMUTEX, example="koncli rwmutex force-release warehouse report-7")


def _fields(status: RWMutexStatus) -> list[tuple[str, str]]:
    return [
        ("Phase", status.phase),
        ("Writer", status.writer or ""),
        ("Readers", str(status.readers)),
        ("Waiting", str(status.waiting)),
        ("TTL", ttl_text(status)),
    ]


VIEW = View(
    columns=(
        Column("WRITER", lambda status: status.writer or "-"),
        Column("READERS", lambda status: str(status.readers)),
        Column("WAITING", lambda status: str(status.waiting)),
        Column("PHASE", lambda status: str(status.phase)),
        Column("TTL", ttl_text, wide=True),
    ),
    fields=_fields,
    tables=holder_tables,
)
