"""`koncli semaphore`: create, acquire, renew, release, and the verbs that all kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from koncli.app import App, pass_app
from koncli.kinds import kind_group, ref, report_defined
from koncli.leases import (
    holder_tables,
    ignore_not_held_option,
    report_grant,
    report_release,
    token_option,
    ttl_option,
)
from koncli.options import verb
from koncli.parameters import (
    COUNT,
    COUNT_FROM_ZERO,
    DURATION,
    HOLDER,
    PRIORITY,
    holder_option,
    label_option,
    must_exist_option,
    name_argument,
    timeout_option,
)
from koncli.progress import Waiting
from koncli.views import Column, View
from konductor_core.durations import to_text
from konductor_core.errors import NotFound
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
@click.option("--force", is_flag=True, help="Allow --ttl 0 outside a pod: nobody releases it if you don't.")
@pass_app
def acquire(
    app: App,
    *,
    name: str,
    permits: int,
    ttl: str | None,
    timeout: str | None,
    priority: int,
    holder: str | None,
    wait: bool,
    must_exist: bool,
    force: bool,
) -> None:
    """Take permits. The same holder again gets the same grant with a new expiry."""
    with Waiting(ref(Kind.SEMAPHORE, name)) as progress:
        lease = (
            app.client()
            .semaphore(name)
            .acquire(
                permits=permits,
                ttl=ttl,
                timeout=timeout if timeout is not None or wait else "0",
                priority=priority,
                holder=holder or app.holder,
                must_exist=must_exist,
                force=force,
                on_progress=progress,
            )
        )
    report_grant(app, Kind.SEMAPHORE, name, lease, "acquired")


@verb(semaphore, "renew", example="koncli semaphore renew load-concurrency --ttl 30m")
@name_argument(Kind.SEMAPHORE)
@ttl_option
@holder_option
@token_option
@pass_app
def renew(app: App, name: str, ttl: str | None, holder: str | None, token: int | None) -> None:
    """Give a lease a new expiry, counted from now; exit 6 if it is lost."""
    lease = app.client().semaphore(name).renew(holder=holder or app.holder, token=token, ttl=ttl)
    report_grant(app, Kind.SEMAPHORE, name, lease, "renewed")


@verb(semaphore, "release", example="koncli semaphore release load-concurrency")
@name_argument(Kind.SEMAPHORE)
@holder_option
@token_option
@ignore_not_held_option
@pass_app
def release(app: App, name: str, holder: str | None, token: int | None, *, ignore_not_held: bool) -> None:
    """Give permits back: exit 4 if none were held, 6 if the lease had already expired.

    In a cleanup that may run twice, use --ignore-not-held.
    """
    who = holder or app.holder
    try:
        outcome = str(app.client().semaphore(name).release(holder=who, token=token))
    except NotFound:
        if not ignore_not_held:
            raise
        outcome = "not-held"
    report_release(app, Kind.SEMAPHORE, name, holder=who, outcome=outcome, ignore_not_held=ignore_not_held)


@verb(semaphore, "force-release", example="koncli semaphore force-release load-concurrency worker-7")
@name_argument(Kind.SEMAPHORE)
@click.argument("holder_argument", type=HOLDER, required=False, metavar="[HOLDER]")
@click.option("--holder", type=HOLDER, metavar="TEXT", help="Whose lease; must be given here or as argument.")
@pass_app
def force_release(app: App, name: str, holder_argument: str | None, holder: str | None) -> None:
    """End somebody else's lease. Its work is not stopped: protect what it writes to by the fencing token."""
    who = holder_argument or holder
    if who is None:
        raise click.UsageError("whose lease? Give the holder as second argument")
    outcome = str(app.client().semaphore(name).force_release(who))
    report_release(app, Kind.SEMAPHORE, name, holder=who, outcome=outcome)


@verb(semaphore, "holders", example="koncli semaphore holders load-concurrency -o wide")
@name_argument(Kind.SEMAPHORE)
@pass_app
def holders(app: App, name: str) -> None:
    """Show who holds permits, with token and expiry, and who waits."""
    status = app.client().semaphore(name).status()
    document = {
        "kind": str(Kind.SEMAPHORE),
        "name": name,
        "namespace": status.namespace,
        "inUse": status.in_use,
        "holdersTotal": status.holders_total,
        "holders": [holder.to_dict() for holder in status.holders],
        "waiting": status.waiting,
        "waiters": [waiter.to_dict() for waiter in status.waiters],
    }
    app.out.show(
        lambda: document,
        lambda: "\n\n".join(holder_tables(status, app.out)),
        [holder.holder for holder in status.holders],
        empty=f"nobody holds {ref(Kind.SEMAPHORE, name)}",
    )


def _fields(status: SemaphoreStatus) -> list[tuple[str, str]]:
    spec = status.spec
    return [
        ("Phase", status.phase),
        ("Permits", f"{spec.permits}, {status.in_use} in use, {status.available} available"),
        ("Waiting", str(status.waiting)),
        ("TTL", to_text(spec.ttl_ms) if spec.ttl_ms else "0 (until released)"),
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
