"""What the kinds that grant permits share: printing a grant, releasing, and the tables of holders and waiters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import click

from koncli.kinds import ref, report
from koncli.parameters import DURATION, INTEGER
from koncli.views import more
from konductor_core.durations import about, rfc3339, to_text
from konductor_core.errors import LeaseLost, NotHolder

if TYPE_CHECKING:
    from koncli.app import App
    from koncli.output import Output
    from konductor_core.identity import Kind
    from konductor_core.models import Holder, SemaphoreStatus


class Granted(Protocol):
    """The part of the library's lease that is printed."""

    @property
    def holder(self) -> str:
        """Who holds."""

    @property
    def permits(self) -> int:
        """How many."""

    @property
    def token(self) -> int:
        """The fencing token."""

    @property
    def expires_in(self) -> float:
        """Seconds for which it is surely held."""

    @property
    def ttl_ms(self) -> int:
        """How long it lives unless renewed; 0: for ever."""


ttl_option = click.option(
    "--ttl",
    type=DURATION,
    metavar="DURATION",
    help="How long the lease lives unless renewed; by default the object's. 0: until released.",
)
token_option = click.option("--token", type=INTEGER, metavar="NUMBER", help="Only the lease with this fencing token.")
ignore_not_held_option = click.option(
    "--ignore-not-held",
    is_flag=True,
    help="Exit 0 also if nothing is held any more: released before, expired, or the object is gone.",
)


def permits_text(count: int) -> str:
    """`1 permit`, `3 permits`."""
    return f"{count} permit" if count == 1 else f"{count} permits"


def report_grant(app: App, kind: Kind, name: str, lease: Granted, verb: str) -> None:
    """Print a grant: one line for people, all of it as JSON; the token is what protected systems compare."""
    expiry = f"expires in {to_text(lease.ttl_ms)}" if lease.ttl_ms else "never expires"
    text = f"{verb} {permits_text(lease.permits)} of {ref(kind, name)} as {lease.holder}, token {lease.token}, {expiry}"
    fields: dict[str, object] = {"holder": lease.holder, "permits": lease.permits, "token": lease.token}
    fields["ttl"] = to_text(lease.ttl_ms)
    if lease.ttl_ms:
        # By this process's clock, counted from before the request: never longer than the server keeps it.
        fields["expiresIn"] = to_text(int(lease.expires_in * 1000))
    report(app, kind, name, text, fields)


def report_release(
    app: App, kind: Kind, name: str, *, holder: str, outcome: str, ignore_not_held: bool = False
) -> None:
    """Say what became of a lease that was to be given back.

    Released is success. If it had expired before, that is LeaseLost (exit 6), because somebody else may have held it
    during our work; if there was nothing to give back, NotHolder (exit 4), or NotFound if the object is absent. None
    of these with `ignore_not_held`.
    """
    label = ref(kind, name)
    texts = {
        "released": f"released {label}, held by {holder}",
        "expired": f"the lease of {holder} on {label} had already expired",
        "not-held": f"{holder} does not hold {label}",
    }
    if outcome == "expired" and not ignore_not_held:
        raise LeaseLost(texts[outcome], hint="others may have held it meanwhile: choose a longer --ttl, or renew")
    if outcome == "not-held" and not ignore_not_held:
        raise NotHolder(
            texts[outcome], hint=f"koncli {kind.key} holders {name} shows who does; --ignore-not-held makes it no error"
        )
    report(app, kind, name, texts[outcome], {"holder": holder, "outcome": outcome})


def holder_tables(status: SemaphoreStatus, out: Output) -> list[str]:
    """Return the tables of holders and waiters, each only if there are any."""
    tables = []
    if status.holders:
        headers = ["HOLDER", "PERMITS", "TOKEN", "SINCE", "EXPIRES"]
        rows = [
            [holder.holder, str(holder.permits), str(holder.token), rfc3339(holder.since_ms), _expiry(status, holder)]
            for holder in status.holders
        ]
        if out.wide:
            headers += ["POD", "NODE", "UID"]
            for row, holder in zip(rows, status.holders, strict=True):
                row += [holder.pod or "-", holder.node or "-", holder.uid or "-"]
        rest = more(len(status.holders), status.holders_total, "holders")
        tables.append(out.table(headers, rows) + (f"\n{rest}" if rest else ""))
    if status.waiters:
        rows = [
            [str(w.position), w.holder, str(w.permits), str(w.priority), f"{about(status.now_ms - w.since_ms)} ago"]
            for w in status.waiters
        ]
        rest = more(len(status.waiters), status.waiting, "waiters")
        tables.append(
            out.table(["POSITION", "WAITER", "PERMITS", "PRIORITY", "SINCE"], rows) + (f"\n{rest}" if rest else "")
        )
    return tables


def _expiry(status: SemaphoreStatus, holder: Holder) -> str:
    if holder.pending:
        return "when not confirmed"
    if holder.expires_ms is None:
        return "never"
    left = holder.expires_ms - status.now_ms
    return f"in {about(left)}" if left > 0 else "expired"
