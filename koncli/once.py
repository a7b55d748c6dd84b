"""`koncli once`: create, run, begin, renew, complete, fail, check, wait, and the verbs that all kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from koncli.app import App, pass_app
from koncli.kinds import kind_group, ref, report
from koncli.leases import add_create, holder_tables, report_grant, token_option, ttl_option, ttl_text
from koncli.options import verb
from koncli.parameters import (
    DURATION,
    HOLDER,
    Checked,
    holder_option,
    must_exist_option,
    name_argument,
    timeout_option,
)
from koncli.progress import Waiting
from koncli.taking import add_renew, force_option
from koncli.views import Column, View, listener_tables, since
from konductor_core.errors import Denied, KonductorError
from konductor_core.identity import Kind, check_text

if TYPE_CHECKING:
    from koncli.output import Output
    from konductor_core.errors import AlreadyDone
    from konductor_core.flows.onces import Completed
    from konductor_core.models import OnceStatus

once = kind_group(Kind.ONCE, "Onces are done once: one runs them, all others wait until they are done.")

TEXT = Checked("text", check_text)

add_create(once, Kind.ONCE, example="koncli once create schema-migration --ttl 30m")


@verb(once, "run", example="koncli once run schema-migration --ttl 1m -- ./migrate.sh customers")
@name_argument(Kind.ONCE)
@ttl_option
@timeout_option("Wait at most so long for whoever runs it (exit 3); 0 does not wait (exit 4). Without it, without end.")
@click.option("--holder", type=HOLDER, metavar="TEXT", help="Who runs; by default this pod or host and a random part.")
@must_exist_option
@click.option(
    "--result", type=TEXT, metavar="TEXT", help="What to note as the result; by default how the command ended."
)
@click.option(
    "--grace",
    type=DURATION,
    metavar="DURATION",
    help="How long the command has between TERM and KILL if the lease is lost: 10s, at most a third of the TTL.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND [ARGUMENT]...")
@pass_app
def run(app: App, /, name: str, **options: Any) -> None:  # noqa: ANN401 - as run_once calls them
    """Run a command unless it was done before; if another runs it, wait until that is done.

    Exit 0 if it is done, by whoever. If the command fails, the exit code is its own, and the next one runs it; so it is
    if the runner dies, once its lease has ended. The lease is renewed as long as the command runs, and the command is
    ended before its lease is lost (exit 6), as by koncli exec.
    """
    from koncli.execution.once import run_once

    run_once(app, name, **options)


@verb(once, "begin", example="koncli once begin schema-migration --ttl 30m")
@name_argument(Kind.ONCE)
@ttl_option
@timeout_option("Wait at most so long for whoever runs it (exit 3); 0 tries once.")
@click.option("--wait", is_flag=True, help="Wait for whoever runs it, without end; without it, try once.")
@holder_option
@must_exist_option
@force_option
@pass_app
def begin(app: App, /, name: str, *, wait: bool, timeout: str | None, holder: str | None, **ask: Any) -> None:  # noqa: ANN401 - as begin calls them
    """Get the lease to run it: exit 4 if it is done already, or if another runs it.

    End it with complete or fail, as the same holder, before the lease ends. `run` does all that.
    """
    with Waiting(ref(Kind.ONCE, name)) as progress:
        limit = app.limit(timeout, wait=wait)
        lease = app.client().once(name).begin(timeout=limit, holder=holder or app.holder, on_progress=progress, **ask)
    report_grant(app, Kind.ONCE, name, lease, "began")


add_renew(once, Kind.ONCE, example="koncli once renew schema-migration --ttl 30m")


@verb(once, "complete", example="koncli once complete schema-migration --result 'version 7'")
@name_argument(Kind.ONCE)
@click.option("--result", type=TEXT, default="", metavar="TEXT", help="What to show as the result.")
@holder_option
@token_option
@pass_app
def complete(app: App, name: str, result: str, holder: str | None, token: int | None) -> None:
    """Note that it is done: exit 4 if another has done or runs it, 6 if the lease to run it has ended."""
    done: Completed = app.client().once(name).complete(holder or app.holder, token, result=result)
    again = "" if done.counted else " (was noted before)"
    fields: dict[str, object] = {"phase": "Done", "executor": done.executor, "counted": done.counted}
    report(app, Kind.ONCE, name, f"{ref(Kind.ONCE, name)} is done by {done.executor}{again}", fields)


@verb(once, "fail", example="koncli once fail schema-migration --reason 'no connection'")
@name_argument(Kind.ONCE)
@click.option("--reason", type=TEXT, default="", metavar="TEXT", help="Why, for whoever looks at the status.")
@holder_option
@token_option
@pass_app
def fail(app: App, name: str, reason: str, holder: str | None, token: int | None) -> None:
    """Note that the run has failed, and let the next one run."""
    who = holder or app.holder
    app.client().once(name).fail(who, token, reason=reason)
    report(app, Kind.ONCE, name, f"{who} failed to do {ref(Kind.ONCE, name)}", {"phase": "Pending", "failedBy": who})


@verb(once, "check", example="koncli once check schema-migration")
@name_argument(Kind.ONCE)
@pass_app
def check(app: App, name: str) -> None:
    """Say whether it is done: exit 0 if it has been executed, 4 if it has not."""
    status = app.client().once(name).status()
    runner = {"executor": status.executor} if status.executor else {}
    report(app, Kind.ONCE, name, _checked(name, status), {"phase": status.phase, **runner})
    if status.phase != "Done":
        click.get_current_context().exit(Denied.exit_code)


@verb(once, "wait", example="koncli once wait schema-migration --timeout=10m")
@name_argument(Kind.ONCE)
@timeout_option("Give up after this long (exit 3); without it, wait without end.")
@must_exist_option
@pass_app
def wait(app: App, *, name: str, timeout: str | None, must_exist: bool) -> None:
    """Wait until it is done, without running it. Also waits for one that does not exist yet."""
    label = ref(Kind.ONCE, name)
    with Waiting(label) as progress:
        done = app.client().once(name).wait(timeout=app.limit(timeout), must_exist=must_exist, on_progress=progress)
    report(app, Kind.ONCE, name, f"{label} is {done.summary}", {"phase": "Done", "executor": done.executor})


def _checked(name: str, status: OnceStatus) -> str:
    label = ref(Kind.ONCE, name)
    if status.phase == "Done":
        return f"{label} has been executed by {status.executor}{_result(status)}"
    return f"{label} has not been executed" + (f": {status.executor} runs it" if status.executor else "")


def report_done(app: App, name: str, error: AlreadyDone) -> None:
    """Say that there is nothing to run any more, and what came of it."""
    try:
        status = app.client().once(name).status()
    except KonductorError:
        raise error from None
    report(app, Kind.ONCE, name, _done(name, status), {"phase": "Done", "executor": status.executor, "ran": False})


def _done(name: str, status: OnceStatus) -> str:
    return f"{ref(Kind.ONCE, name)} is done by {status.executor}{_result(status)}"


def _result(status: OnceStatus) -> str:
    return f": {status.result}" if status.result else ""


def _fields(status: OnceStatus) -> list[tuple[str, str]]:
    return [
        ("Phase", status.phase),
        ("Executor", status.executor),
        ("Result", status.result or ""),
        ("Done", since(status, status.done_ms)),
        ("Waiting", str(status.waiting)),
        ("Listening", str(status.listening) if status.listening else ""),
        ("Failures", f"{status.failures}, the last by {status.failed_by}: {status.reason}" if status.failures else ""),
        ("Failed", since(status, status.failed_ms)),
        ("TTL", ttl_text(status)),
    ]


def _tables(status: OnceStatus, out: Output) -> list[str]:
    return [*holder_tables(status, out), *listener_tables(status, status.listeners, status.listening, out)]


VIEW = View(
    columns=(
        Column("EXECUTOR", lambda status: status.executor or "-"),
        Column("PHASE", lambda status: str(status.phase)),
        Column("WAITING", lambda status: str(status.waiting), wide=True),
        Column("FAILURES", lambda status: str(status.failures), wide=True),
        Column("RESULT", lambda status: status.result or "-", wide=True),
    ),
    fields=_fields,
    tables=_tables,
)
