"""`koncli waitgroup`: create, add, done, wait, and the verbs that all kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from koncli.app import App, pass_app
from koncli.kinds import kind_group, ref, report, report_defined
from koncli.options import verb
from koncli.output import message
from koncli.parameters import COUNT, DURATION, HOLDER, label_option, must_exist_option, name_argument, timeout_option
from koncli.progress import Waiting
from koncli.views import Column, View, listener_tables, more, since
from konductor_core.durations import rfc3339
from konductor_core.errors import InvalidInput
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from koncli.output import Output
    from konductor_core.flows.waitgroups import Counted
    from konductor_core.models import WaitGroupStatus

waitgroup = kind_group(
    Kind.WAITGROUP, "Wait groups count members that are not done yet; whoever waits goes on at zero."
)


def _member_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what `add` and `done` take: who, or how many."""
    for option in (
        must_exist_option,
        timeout_option("How long to wait for a wait group that does not exist yet (60s)."),
        click.option("--count", "--delta", "count", type=COUNT, help="How many members without a name (1)."),
        click.option("--member", type=HOLDER, metavar="TEXT", help="The member's name, the same as MEMBER."),
        click.argument("member_argument", type=HOLDER, required=False, metavar="[MEMBER]"),
        name_argument(Kind.WAITGROUP),
    ):
        function = option(function)
    return function


@verb(waitgroup, "create", example="koncli waitgroup create workers")
@name_argument(Kind.WAITGROUP)
@click.option(
    "--ttl", type=DURATION, metavar="DURATION", help="Accepted for older scripts: it stays until it is deleted."
)
@label_option
@pass_app
def create(app: App, *, name: str, ttl: str | None, labels: tuple[tuple[str, str], ...]) -> None:
    """Create a wait group, or update its labels."""
    if ttl is not None:
        message(f"{ref(Kind.WAITGROUP, name)}: --ttl has no effect, it stays until it is deleted")
    report_defined(app, Kind.WAITGROUP, name, app.client().waitgroup(name).define(labels=dict(labels)))


@verb(waitgroup, "add", example="koncli waitgroup add workers --count 5\nkoncli waitgroup add workers loader-1")
@_member_options
@pass_app
def add(app: App, /, **options: Any) -> None:  # noqa: ANN401 - those of _member_options
    """Add a member, or several without a name.

    A name counts once, however often it is added: use one where the same command may run again, as in a container.
    """
    _count(app, "add", "added to", **options)


@verb(waitgroup, "done", example="koncli waitgroup done workers loader-1\nkoncli waitgroup done workers --count 4")
@_member_options
@pass_app
def done(app: App, /, **options: Any) -> None:  # noqa: ANN401 - those of _member_options
    """Say that a member is done, or several without a name; exit 4 if there are not so many.

    A name counts once. One that was never added stands for one of the members without a name.
    """
    _count(app, "done", "done in", **options)


def _count(
    app: App,
    what: str,
    wording: str,
    *,
    name: str,
    member_argument: str | None,
    member: str | None,
    count: int | None,
    timeout: str | None,
    must_exist: bool,
) -> None:
    if member is not None and member_argument is not None:
        raise InvalidInput("the member is named twice", hint="give one of MEMBER, --member")
    who = member_argument if member is None else member
    if who is not None and count is not None:
        raise InvalidInput(f"member {who!r} is one", hint="leave out --count, or the name")
    handle = app.client().waitgroup(name)
    label = ref(Kind.WAITGROUP, name)
    if must_exist:
        handle.status()
    with Waiting(label) as progress:
        counted: Counted = getattr(handle, what)(who, count=count or 1, patience=timeout or "60s", on_progress=progress)
    shown = who or f"{count or 1} member{'s' if (count or 1) > 1 else ''}"
    again = "" if counted.counted else " (had been counted before)"
    text = f"{shown} {wording} {label}: {counted.counter} left, {counted.phase.lower()}{again}"
    fields: dict[str, object] = {"member": who} if who else {"count": count or 1}
    fields |= {"counted": counted.counted, "counter": counted.counter, "phase": counted.phase, "round": counted.round}
    report(app, Kind.WAITGROUP, name, text, fields)


@verb(waitgroup, "wait", example="koncli waitgroup wait workers --timeout=1h")
@name_argument(Kind.WAITGROUP)
@timeout_option("Give up after this long (exit 3); without it, wait without end.")
@click.option("--allow-idle", is_flag=True, help="Go on, too, if no member was ever added.")
@must_exist_option
@pass_app
def wait(app: App, *, name: str, timeout: str | None, allow_idle: bool, must_exist: bool) -> None:
    """Wait until no member is left. Also waits for the first one, and for a wait group that does not exist yet."""
    label = ref(Kind.WAITGROUP, name)
    with Waiting(label) as progress:
        finished = (
            app.client()
            .waitgroup(name)
            .wait(timeout=app.limit(timeout), allow_idle=allow_idle, must_exist=must_exist, on_progress=progress)
        )
    phase = "Done" if finished.added else "Idle"
    fields: dict[str, object] = {"phase": phase, "added": finished.added, "round": finished.round}
    report(app, Kind.WAITGROUP, name, f"{label} is {finished.summary}", fields)


def _fields(status: WaitGroupStatus) -> list[tuple[str, str]]:
    return [
        ("Phase", status.phase),
        ("Counter", str(status.counter)),
        ("Added", str(status.added)),
        ("Unnamed", str(status.anonymous) if status.anonymous else ""),
        ("Waiting", str(status.waiting)),
        ("Round", str(status.round) if status.round > 1 else ""),
        ("Done", since(status, status.done_ms) if status.phase == "Done" else ""),
    ]


def _tables(status: WaitGroupStatus, out: Output) -> list[str]:
    waiters = listener_tables(status, status.waiters, status.waiting, out)
    if not status.members:
        return waiters
    table = out.table(["MEMBER", "SINCE"], [(member.id, rfc3339(member.at_ms)) for member in status.members])
    rest = more(len(status.members), status.members_total, "members")
    return [f"{table}\n{rest}" if rest else table, *waiters]


VIEW = View(
    columns=(
        Column("COUNTER", lambda status: str(status.counter)),
        Column("WAITING", lambda status: str(status.waiting)),
        Column("PHASE", lambda status: str(status.phase)),
        Column("ADDED", lambda status: str(status.added), wide=True),
        Column("ROUND", lambda status: str(status.round), wide=True),
    ),
    fields=_fields,
    tables=_tables,
)
