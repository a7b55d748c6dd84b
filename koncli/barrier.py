"""`koncli barrier`: create, arrive, wait, and the verbs that all kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from koncli.app import App, pass_app
from koncli.kinds import kind_group, ref, report, report_defined
from koncli.options import verb
from koncli.parameters import (
    COUNT,
    HOLDER,
    holder_option,
    label_option,
    must_exist_option,
    name_argument,
    timeout_option,
)
from koncli.progress import Waiting
from koncli.views import Column, View, listener_tables, more, since, until
from konductor_core import identity
from konductor_core.durations import rfc3339, to_text
from konductor_core.errors import InvalidInput
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from koncli.output import Output
    from konductor_core.models import BarrierStatus

barrier = kind_group(Kind.BARRIER, "Barriers open when enough have arrived; whoever waits goes on then.")

arrival_option = click.option(
    "--arrival-id",
    type=HOLDER,
    metavar="TEXT",
    help="Who arrives; distinct ids count once. By default KONDUCTOR_ARRIVAL_ID, then the holder.",
)


@verb(barrier, "create", example="koncli barrier create extract-complete --expected 5 --timeout 2h")
@name_argument(Kind.BARRIER)
@click.option("--expected", type=COUNT, required=True, help="How many have to arrive.")
@click.option("--quorum", type=COUNT, help="Open already when so many have arrived.")
@timeout_option("Fail if it is not open this long after its start.")
@click.option("--cyclic", is_flag=True, help="Start the next cycle each time it opens.")
@label_option
@pass_app
def create(
    app: App,
    *,
    name: str,
    expected: int,
    quorum: int | None,
    timeout: str | None,
    labels: tuple[tuple[str, str], ...],
    cyclic: bool,
) -> None:
    """Create a barrier, or update it to exactly these values."""
    defined = (
        app.client()
        .barrier(name)
        .define(expected=expected, quorum=quorum, timeout=timeout, cyclic=cyclic, labels=dict(labels))
    )
    report_defined(app, Kind.BARRIER, name, defined)


@verb(barrier, "arrive", example="koncli barrier arrive extract-complete")
@name_argument(Kind.BARRIER)
@click.argument("holder_argument", type=HOLDER, required=False, metavar="[HOLDER]")
@arrival_option
@holder_option
@click.option("--wait", is_flag=True, help="Then wait until the barrier opens.")
@timeout_option("How long to wait for a barrier that does not exist yet (60s), or with --wait for it to open.")
@must_exist_option
@click.option("--wait-for-update", is_flag=True, help="Accepted for older scripts: an arrival always counts at once.")
@pass_app
def arrive(
    app: App,
    *,
    name: str,
    holder_argument: str | None,
    arrival_id: str | None,
    holder: str | None,
    timeout: str | None,
    wait: bool,
    must_exist: bool,
    wait_for_update: bool,  # noqa: ARG001 - nothing is left to wait for
) -> None:
    """Arrive at a barrier. Arriving again under the same id counts once and is no error."""
    who = arriving(app, holder_argument, arrival_id, holder)
    handle = app.client().barrier(name)
    label = ref(Kind.BARRIER, name)
    if must_exist:
        handle.status()
    if wait:
        with Waiting(label) as progress:
            opened = handle.arrive_and_wait(holder=who, timeout=app.limit(timeout), on_progress=progress)
        text = f"{label} is {opened.summary}"
        fields = {"arrivalId": who, "phase": "Open", "arrived": opened.arrived, "needed": opened.needed}
        report(app, Kind.BARRIER, name, text, _with_cycle(fields, opened.cycle))
        return
    with Waiting(label) as progress:
        arrived = handle.arrive(holder=who, patience=timeout or "60s", on_progress=progress)
    again = "" if arrived.counted else " (had arrived before)"
    text = f"{who} arrived at {label}: {arrived.arrived}/{arrived.expected}, {str(arrived.phase).lower()}{again}"
    fields = {
        "arrivalId": who,
        "counted": arrived.counted,
        "phase": str(arrived.phase),
        "arrived": arrived.arrived,
        "expected": arrived.expected,
    }
    report(app, Kind.BARRIER, name, text, _with_cycle(fields, arrived.cycle))


@verb(barrier, "wait", example="koncli barrier wait extract-complete --timeout=2h")
@name_argument(Kind.BARRIER)
@timeout_option("Give up after this long (exit 3); without it, wait without end.")
@click.option("--cycle", type=COUNT, help="Of a cyclic barrier: wait for this cycle.")
@arrival_option
@holder_option
@must_exist_option
@pass_app
def wait(
    app: App,
    *,
    name: str,
    timeout: str | None,
    cycle: int | None,
    arrival_id: str | None,
    holder: str | None,
    must_exist: bool,
) -> None:
    """Wait until a barrier opens; exit 6 if it fails. Also waits for a barrier that does not exist yet."""
    label = ref(Kind.BARRIER, name)
    with Waiting(label) as progress:
        opened = (
            app.client()
            .barrier(name)
            .wait(
                timeout=app.limit(timeout),
                cycle=cycle,
                holder=arriving(app, None, arrival_id, holder),
                must_exist=must_exist,
                on_progress=progress,
            )
        )
    fields = {"phase": "Open", "arrived": opened.arrived, "needed": opened.needed}
    text = f"{label} is {opened.summary}"
    report(app, Kind.BARRIER, name, text, _with_cycle(fields, opened.cycle))


def arriving(app: App, argument: str | None, arrival_id: str | None, holder: str | None) -> str:
    """Who arrives: the argument, --arrival-id, --holder, KONDUCTOR_ARRIVAL_ID, then this host's holder."""
    given = {value for value in (argument, arrival_id, holder) if value is not None}
    if len(given) > 1:
        raise InvalidInput("who arrives is said in two ways", hint="give one of HOLDER, --arrival-id, --holder")
    return given.pop() if given else identity.arrival_id(app.env, app.holder)


def _with_cycle(fields: dict[str, object], cycle: int | None) -> dict[str, object]:
    return fields if cycle is None else {**fields, "cycle": cycle}


def _arrived(status: BarrierStatus) -> str:
    return f"{status.arrived}/{status.spec.expected}"


def _fields(status: BarrierStatus) -> list[tuple[str, str]]:
    spec = status.spec
    return [
        ("Phase", status.phase),
        ("Reason", status.reason or ""),
        ("Arrived", _arrived(status)),
        ("Quorum", "" if spec.quorum is None else str(spec.quorum)),
        ("Waiting", str(status.waiting)),
        ("Cycle", _cycle(status)),
        ("Timeout", "" if spec.timeout_ms is None else to_text(spec.timeout_ms)),
        ("Deadline", until(status, status.deadline_ms) if status.phase == "Waiting" else ""),
        ("Opened", since(status, status.opened_ms)),
        ("Failed", since(status, status.failed_ms)),
    ]


def _cycle(status: BarrierStatus) -> str:
    if not status.spec.cyclic or status.cycle is None:
        return ""
    return f"{status.cycle} (last opened: {status.last_opened_cycle or 'none'})"


def _tables(status: BarrierStatus, out: Output) -> list[str]:
    waiters = listener_tables(status, status.waiters, status.waiting, out)
    if not status.arrivals:
        return waiters
    table = out.table(["ARRIVAL", "AT"], [(arrival.id, rfc3339(arrival.at_ms)) for arrival in status.arrivals])
    rest = more(len(status.arrivals), status.arrivals_total, "arrivals")
    return [f"{table}\n{rest}" if rest else table, *waiters]


VIEW = View(
    columns=(
        Column("ARRIVED", _arrived),
        Column("WAITING", lambda status: str(status.waiting)),
        Column("PHASE", lambda status: str(status.phase)),
        Column("QUORUM", lambda status: str(status.spec.quorum or "-"), wide=True),
        Column("CYCLE", lambda status: "-" if status.cycle is None else str(status.cycle), wide=True),
        Column("TIMEOUT", lambda s: "-" if s.spec.timeout_ms is None else to_text(s.spec.timeout_ms), wide=True),
    ),
    fields=_fields,
    tables=_tables,
)
