"""What the kinds that grant permits share: printing a grant, releasing, and the tables of holders and waiters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import click

from koncli.app import App, pass_app
from koncli.kinds import ref, report, report_defined
from koncli.options import verb
from koncli.parameters import DURATION, INTEGER, label_option, name_argument
from koncli.views import more
from konductor_core.amounts import mode_of
from konductor_core.durations import about, rfc3339, to_text
from konductor_core.errors import LeaseLost, NotHolder
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from koncli.output import Output
    from konductor_core.models import Holder, PermitStatus, Waiter


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
    report(app, kind, name, *grant_shown(kind, name, lease, verb))


def grant_shown(kind: Kind, name: str, lease: Granted, verb: str) -> tuple[str, dict[str, object]]:
    """Return a grant as a line of text, and as the fields of its JSON."""
    expiry = f"expires in {to_text(lease.ttl_ms)}" if lease.ttl_ms else "never expires"
    what = f"{permits_text(lease.permits)} of {ref(kind, name)}" if kind is Kind.SEMAPHORE else ref(kind, name)
    fields: dict[str, object] = {"holder": lease.holder}
    if kind is Kind.SEMAPHORE:
        fields["permits"] = lease.permits
    if kind is Kind.RWMUTEX:
        fields["mode"] = mode_of(lease.permits)
        what = f"{what} to {fields['mode']}"
    fields |= {"token": lease.token, "ttl": to_text(lease.ttl_ms)}
    if lease.ttl_ms:
        # By this process's clock, counted from before the request: never longer than the server keeps it.
        fields["expiresIn"] = to_text(int(lease.expires_in * 1000))
    return f"{verb} {what} as {lease.holder}, token {lease.token}, {expiry}", fields


def report_release(
    app: App, kind: Kind, name: str, *, holder: str, outcome: str, word: str = "released", ignore_not_held: bool = False
) -> None:
    """Say what became of a lease that was to be given back; see `release_shown`."""
    text, fields = release_shown(kind, name, holder=holder, outcome=outcome, word=word, ignore_not_held=ignore_not_held)
    report(app, kind, name, text, fields)


def release_shown(
    kind: Kind, name: str, *, holder: str, outcome: str, word: str = "released", ignore_not_held: bool = False
) -> tuple[str, dict[str, object]]:
    """Return what became of a lease as a line of text, and as the fields of its JSON.

    `word` is what it is called if it was given back. If it had expired before, that is LeaseLost (exit 6), because
    somebody else may have held it during our work; if there was nothing to give back, NotHolder (exit 4), or NotFound
    if the object is absent. None of these with `ignore_not_held`.
    """
    label = ref(kind, name)
    texts = {
        "released": f"{word} {label}, held by {holder}",
        "expired": f"the lease of {holder} on {label} had already expired",
        "not-held": f"{holder} does not hold {label}",
    }
    if outcome == "expired" and not ignore_not_held:
        raise LeaseLost(texts[outcome], hint="others may have held it meanwhile: choose a longer --ttl, or renew")
    if outcome == "not-held" and not ignore_not_held:
        raise NotHolder(
            texts[outcome], hint=f"koncli {kind.key} status {name} shows who does; --ignore-not-held makes it no error"
        )
    return texts[outcome], {"holder": holder, "outcome": outcome}


_AMOUNT = {Kind.SEMAPHORE: "PERMITS", Kind.RWMUTEX: "MODE"}
"""What a table of holders or waiters says beside the name, of the kinds where it may differ."""


def _amount(kind: Kind, each: Holder | Waiter) -> list[str]:
    return [each.mode or str(each.permits)] if kind in _AMOUNT else []


def holder_tables(status: PermitStatus, out: Output) -> list[str]:
    """Return the tables of holders and waiters, each only if there are any."""
    amount = [_AMOUNT[status.kind]] if status.kind in _AMOUNT else []
    tables = []
    if status.holders:
        headers = ["HOLDER", *amount, "TOKEN", "SINCE", "EXPIRES"]
        rows = [
            [
                each.holder,
                *_amount(status.kind, each),
                str(each.token),
                rfc3339(each.since_ms),
                expiry_text(status, each),
            ]
            for each in status.holders
        ]
        if out.wide:
            headers += ["POD", "NODE", "UID"]
            for row, holder in zip(rows, status.holders, strict=True):
                row += [holder.pod or "-", holder.node or "-", holder.uid or "-"]
        rest = more(len(status.holders), status.holders_total, "holders")
        tables.append(out.table(headers, rows) + (f"\n{rest}" if rest else ""))
    if status.waiters:
        headers = ["POSITION", "WAITER", *amount, "PRIORITY", "SINCE"]
        rows = [
            [
                str(each.position),
                each.holder,
                *_amount(status.kind, each),
                str(each.priority),
                f"{about(status.now_ms - each.since_ms)} ago",
            ]
            for each in status.waiters
        ]
        rest = more(len(status.waiters), status.waiting, "waiters")
        tables.append(out.table(headers, rows) + (f"\n{rest}" if rest else ""))
    return tables


def ttl_text(status: Any) -> str:  # noqa: ANN401 - of any kind with a TTL
    """Return how long leases live unless renewed."""
    return to_text(status.spec.ttl_ms) if status.spec.ttl_ms else "0 (until released)"


def expiry_text(status: PermitStatus, holder: Holder) -> str:
    """Return when a lease ends unless renewed, seen from the moment of the snapshot."""
    if holder.pending:
        return "when not confirmed"
    if holder.expires_ms is None:
        return "never"
    left = holder.expires_ms - status.now_ms
    return f"in {about(left)}" if left > 0 else "expired"


def add_create(group: click.Group, kind: Kind, *, example: str) -> None:
    """Add `create` for a kind of which there is nothing to say but the TTL."""

    @verb(group, "create", example=example)
    @name_argument(kind)
    @click.option("--ttl", type=DURATION, metavar="DURATION", help="How long leases live unless renewed (5m).")
    @label_option
    @pass_app
    def create(app: App, name: str, ttl: str | None, labels: tuple[tuple[str, str], ...]) -> None:
        """Create the object, or update it to exactly these values."""
        from konductor_core.durations import to_ms
        from konductor_core.models import SPECS

        given = {} if ttl is None else {"ttl_ms": to_ms(ttl, what="ttl")}
        defined = app.handle(kind, name).define_spec(SPECS[kind](**given), labels=dict(labels))
        report_defined(app, kind, name, defined)
