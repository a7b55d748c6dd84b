"""`koncli semaphore`: create, acquire, renew, release, and the verbs that all kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from koncli.app import App, pass_app
from koncli.kinds import kind_group, report_defined
from koncli.leases import holder_tables, ttl_option, ttl_text
from koncli.options import verb
from koncli.parameters import (
    COUNT,
    COUNT_FROM_ZERO,
    DURATION,
    PRIORITY,
    holder_option,
    label_option,
    must_exist_option,
    name_argument,
    timeout_option,
)
from koncli.taking import add_force_release, add_holders, add_release, add_renew, force_option, take
from koncli.views import Column, View
from konductor_core.durations import to_text
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from konductor_core.models import Policy, SemaphoreStatus

semaphore = kind_group(Kind.SEMAPHORE, "Semaphores share a number of permits among holders, each for a limited time.")


@verb(semaphore, "create", example="koncli semaphore create load-concurrency --permits 2 --ttl 30m")
@name_argument(Kind.SEMAPHORE)
@click.option("--permits", type=COUNT_FROM_ZERO, required=True, help="How many permits there are; 0 pauses it.")
@click.option("--ttl", type=DURATION, metavar="DURATION", help="How long leases live unless renewed (5m).")
@click.option(
    "--policy",
    type=click.Choice(["Strict", "Backfill"], case_sensitive=False),
    default="Strict",
    show_default=True,
    help="Whether a smaller request may pass a larger one that doesn't fit yet.",
)
@click.option("--max-bypass", type=DURATION, metavar="DURATION", help="Nobody passes a waiter older than this (1m).")
@label_option
@pass_app
def create(
    app: App,
    *,
    name: str,
    permits: int,
    ttl: str | None,
    policy: Policy,
    max_bypass: str | None,
    labels: tuple[tuple[str, str], ...],
) -> None:
    """Create a semaphore, or update it to exactly these values. A lower number revokes nothing."""
    defined = (
        app.client()
        .semaphore(name)
        .define(permits=permits, ttl=ttl, policy=policy, max_bypass=max_bypass, labels=dict(labels))
    )
    report_defined(app, Kind.SEMAPHORE, name, defined)


@verb(semaphore, "acquire", example="koncli semaphore acquire load-concurrency --wait --ttl=30m")
@name_argument(Kind.SEMAPHORE)
@click.option("--permits", type=COUNT, default=1, show_default=True, help="How many permits.")
@ttl_option
@click.option("--wait", is_flag=True, help="Wait without end; without it and --timeout, try once (exit 4).")
@timeout_option("Wait so long (exit 3); 0 tries once.")
@click.option("--priority", type=PRIORITY, default=0, show_default=True, help="Higher goes first, -1000 to 1000.")
@holder_option
@must_exist_option
@force_option
@pass_app
def acquire(app: App, /, name: str, timeout: str | None, *, wait: bool, **ask: Any) -> None:  # noqa: ANN401
    """Take permits. The same holder again gets the same grant with a new expiry."""
    take(app, Kind.SEMAPHORE, name, "acquired", timeout=timeout, wait=wait, **ask)


add_renew(semaphore, Kind.SEMAPHORE, example="koncli semaphore renew load-concurrency --ttl 30m")
add_release(
    semaphore,
    Kind.SEMAPHORE,
    "release",
    word="released",
    example="koncli semaphore release load-concurrency",
    text="Give permits back: exit 4 if none were held, 6 if the lease had already expired.",
)
add_force_release(semaphore, Kind.SEMAPHORE, example="koncli semaphore force-release load-concurrency worker-7")
add_holders(
    semaphore,
    Kind.SEMAPHORE,
    lambda status: {"inUse": status.in_use},
    example="koncli semaphore holders load-concurrency -o wide",
)


def _fields(status: SemaphoreStatus) -> list[tuple[str, str]]:
    spec = status.spec
    return [
        ("Phase", status.phase),
        ("Permits", f"{spec.permits}, {status.in_use} in use, {status.available} available"),
        ("Waiting", str(status.waiting)),
        ("TTL", ttl_text(status)),
        ("Policy", spec.policy),
        ("Max bypass", to_text(spec.max_bypass_ms)),
    ]


VIEW = View(
    columns=(
        Column("PERMITS", lambda status: str(status.spec.permits)),
        Column("IN-USE", lambda status: str(status.in_use)),
        Column("AVAILABLE", lambda status: str(status.available)),
        Column("WAITING", lambda status: str(status.waiting)),
        Column("PHASE", lambda status: str(status.phase)),
        Column("TTL", lambda status: to_text(status.spec.ttl_ms), wide=True),
        Column("POLICY", lambda status: str(status.spec.policy), wide=True),
    ),
    fields=_fields,
    tables=holder_tables,
)
