"""`koncli lease`: create, acquire, renew, release, and the verbs that all kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from koncli.app import App, pass_app
from koncli.kinds import kind_group
from koncli.leases import add_create, expiry_text, holder_tables, ttl_option, ttl_text
from koncli.options import verb
from koncli.parameters import PRIORITY, holder_option, must_exist_option, name_argument, timeout_option
from koncli.taking import add_force_release, add_holders, add_release, add_renew, force_option, take
from koncli.views import Column, View, until
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from konductor_core.models import LeaseStatus

lease = kind_group(Kind.LEASE, "Leases give a role, such as a leader's, to one holder for as long as it renews.")

add_create(lease, Kind.LEASE, example="koncli lease create scheduler-leader --ttl 30s")


@verb(lease, "acquire", example="koncli lease acquire scheduler-leader --timeout 10m --ttl 30s")
@name_argument(Kind.LEASE)
@ttl_option
@click.option("--wait", is_flag=True, help="Wait without end; without it and --timeout, try once (exit 4).")
@timeout_option("Wait so long (exit 3); 0 tries once.")
@click.option("--priority", type=PRIORITY, default=0, show_default=True, help="Higher goes first, -1000 to 1000.")
@holder_option
@must_exist_option
@force_option
@pass_app
def acquire(app: App, /, name: str, timeout: str | None, *, wait: bool, **ask: Any) -> None:  # noqa: ANN401
    """Get it. The same holder again keeps it, under the same token, with a new expiry."""
    take(app, Kind.LEASE, name, "acquired", permits=1, timeout=timeout, wait=wait, **ask)


add_renew(lease, Kind.LEASE, example="koncli lease renew scheduler-leader --ttl 30s")
add_release(
    lease,
    Kind.LEASE,
    "release",
    word="released",
    example="koncli lease release scheduler-leader",
    text="Give it back: exit 4 if this holder does not have it, 6 if it had already expired.",
)
add_force_release(lease, Kind.LEASE, example="koncli lease force-release scheduler-leader replica-1")
add_holders(
    lease,
    Kind.LEASE,
    lambda status: {"renewals": status.renewals, "transitions": status.transitions},
    example="koncli lease holders scheduler-leader",
)


def _fields(status: LeaseStatus) -> list[tuple[str, str]]:
    first = status.first
    return [
        ("Phase", status.phase),
        ("Holder", first.holder if first else ""),
        ("Expires", until(status, first.expires_ms) or "never" if first else ""),
        ("Waiting", str(status.waiting)),
        ("TTL", ttl_text(status)),
        ("Renewals", str(status.renewals)),
        ("Transitions", str(status.transitions)),
    ]


VIEW = View(
    columns=(
        Column("HOLDER", lambda status: status.first.holder if status.first else "-"),
        Column("EXPIRES", lambda status: expiry_text(status, status.first) if status.first else "-"),
        Column("WAITING", lambda status: str(status.waiting)),
        Column("PHASE", lambda status: str(status.phase)),
        Column("TTL", ttl_text, wide=True),
        Column("RENEWALS", lambda status: str(status.renewals), wide=True),
        Column("TRANSITIONS", lambda status: str(status.transitions), wide=True),
    ),
    fields=_fields,
    tables=holder_tables,
)
