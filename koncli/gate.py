"""`koncli gate`: create, open, close, auto, wait, and the verbs that all kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from koncli.app import App, pass_app
from koncli.kinds import kind_group, ref, report, report_defined
from koncli.options import verb
from koncli.parameters import Checked, label_option, must_exist_option, name_argument, timeout_option
from koncli.progress import Waiting
from koncli.views import Column, View, listener_tables, since, until
from konductor_core.durations import UNATTENDED_AFTER, about, to_text
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from koncli.output import Output
    from konductor_core.models import Check, GateStatus

gate = kind_group(Kind.GATE, "Gates open when all their conditions hold, or by hand; whoever waits goes on then.")


def _condition(value: str, _what: str) -> Any:  # noqa: ANN401 - a Condition, whose module is imported when needed
    from konductor_core.models import Condition

    return Condition.parse(value)


@verb(
    gate,
    "create",
    example=(
        "koncli gate create ready-to-load --condition job/migrate --condition semaphore/slots:2 --timeout 1h\n"
        "koncli gate create release"
    ),
)
@name_argument(Kind.GATE)
@click.option(
    "--condition",
    "conditions",
    type=Checked("condition", _condition),
    multiple=True,
    metavar="TYPE/NAME[=STATE][:VALUE]",
    help=(
        "What must hold; may be repeated. The type is job, pod, deployment or one of our kinds; without a state the "
        "one that is waited for most is meant, with a value so many at least. NAMESPACE/ may stand before the type."
    ),
)
@timeout_option("Fail if it is not open this long after its start.")
@label_option
@pass_app
def create(
    app: App, *, name: str, conditions: tuple[Any, ...], timeout: str | None, labels: tuple[tuple[str, str], ...]
) -> None:
    """Create a gate, or update it to exactly these conditions; one without any is opened by hand."""
    defined = app.client().gate(name).define(conditions, timeout=timeout, labels=dict(labels))
    report_defined(app, Kind.GATE, name, defined)


@verb(gate, "open", example="koncli gate open ready-to-load")
@name_argument(Kind.GATE)
@pass_app
def open_(app: App, *, name: str) -> None:
    """Open a gate by hand, whatever its conditions say, until it is closed, reset, or left to them by `auto`."""
    _override(app, name, "open", "opened by hand")


@verb(gate, "close", example="koncli gate close ready-to-load")
@name_argument(Kind.GATE)
@pass_app
def close(app: App, *, name: str) -> None:
    """Close a gate by hand, whatever its conditions say. Who has gone through it is not called back."""
    _override(app, name, "close", "closed by hand")


@verb(gate, "auto", example="koncli gate auto ready-to-load")
@name_argument(Kind.GATE)
@pass_app
def auto(app: App, *, name: str) -> None:
    """Let the conditions of a gate decide again, after it was opened or closed by hand."""
    _override(app, name, "auto", "left to its conditions")


def _override(app: App, name: str, act: str, done: str) -> None:
    overridden = getattr(app.client().gate(name), act)()
    now = f": {overridden.phase.lower()}" if act == "auto" else ""
    text = f"{ref(Kind.GATE, name)} {'' if overridden.changed else 'was '}{done}{now}"
    report(app, Kind.GATE, name, text, {"phase": overridden.phase, "changed": overridden.changed})


@verb(gate, "wait", example="koncli gate wait ready-to-load --timeout=1h")
@name_argument(Kind.GATE)
@timeout_option("Give up after this long (exit 3); without it, wait without end.")
@must_exist_option
@pass_app
def wait(app: App, *, name: str, timeout: str | None, must_exist: bool) -> None:
    """Wait until a gate is open; exit 6 if it fails. Also waits for a gate that does not exist yet."""
    label = ref(Kind.GATE, name)
    with Waiting(label) as progress:
        passed = app.client().gate(name).wait(timeout=app.limit(timeout), must_exist=must_exist, on_progress=progress)
    fields: dict[str, object] = {"phase": "Open", "met": passed.met, "total": passed.total}
    report(app, Kind.GATE, name, f"{label} is {passed.summary}", fields)


def _met(status: GateStatus) -> str:
    return f"{status.met}/{status.total}"


def _fields(status: GateStatus) -> list[tuple[str, str]]:
    timeout = status.spec.timeout_ms
    return [
        ("Phase", f"{status.phase}, by hand" if status.override else status.phase),
        ("Conditions", f"{status.verdict}, but for that" if status.override else ""),
        ("Met", _met(status)),
        ("Reason", status.reason or ""),
        ("Waiting", str(status.waiting)),
        ("Timeout", "" if timeout is None else to_text(timeout)),
        ("Deadline", until(status, status.deadline_ms) if status.verdict == "Waiting" else ""),
        ("Opened", since(status, status.opened_ms)),
        ("Failed", since(status, status.failed_ms)),
        ("Evaluated", _evaluated(status)),
    ]


def _evaluated(status: GateStatus) -> str:
    if status.unattended:
        return f"not for {about(UNATTENDED_AFTER)} although it was asked for: is the controller running?"
    return since(status, status.evaluated_ms)


def _tables(status: GateStatus, out: Output) -> list[str]:
    """Return the conditions as they stood, or as they were asked for if nobody has looked yet; and who waits."""
    waiters = listener_tables(status, status.waiters, status.waiting, out)
    if not status.spec.conditions:
        return waiters
    if status.checks:
        rows = [
            (_shown(check, status.namespace), _wanted(check), _yes(check), check.message) for check in status.checks
        ]
    else:
        rows = [(str(each), _wanted(each), "-", "not looked at yet") for each in status.spec.conditions]
    return [out.table(["CONDITION", "WANTED", "MET", "STANDS"], rows), *waiters]


def _shown(check: Check, home: str) -> str:
    where = "" if check.namespace == home else f"{check.namespace}/"
    return f"{where}{check.type.lower()}/{check.name}"


def _wanted(each: Any) -> str:  # noqa: ANN401 - a Check or a Condition
    wanted = getattr(each, "wanted", None) or each.state
    return wanted if each.value is None else f"{wanted}:{each.value}"


def _yes(check: Check) -> str:
    return "yes" if check.met else "no"


VIEW = View(
    columns=(
        Column("MET", _met),
        Column("WAITING", lambda status: str(status.waiting)),
        Column("PHASE", lambda status: str(status.phase)),
        Column("OVERRIDE", lambda status: status.override or "-", wide=True),
        Column("TIMEOUT", lambda s: "-" if s.spec.timeout_ms is None else to_text(s.spec.timeout_ms), wide=True),
        Column("REASON", lambda status: status.reason or "-", wide=True),
    ),
    fields=_fields,
    tables=_tables,
)
