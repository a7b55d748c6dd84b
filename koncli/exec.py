"""`koncli exec`: hold permits while a command runs, and end the command before anybody else could have them."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, NoReturn

import click

from koncli.app import App, pass_app
from koncli.kinds import ref
from koncli.leases import ttl_option
from koncli.options import Verb
from koncli.output import message
from koncli.parameters import DURATION, HOLDER, INTEGER, PRIORITY, Checked, must_exist_option, timeout_option
from koncli.progress import Waiting
from konductor_core.durations import to_ms, to_text
from konductor_core.errors import Denied, InvalidInput, KonductorError, LeaseLost
from konductor_core.identity import Kind, arrival_id, check_count, check_name

if TYPE_CHECKING:
    from koncli.execution.keeper import Ended, Keeper
    from konductor_core.lease import Lease

GRACE_MS = 10_000
RELEASE_PATIENCE = 5.0
"""Seconds after which a release that gets no answer is left to the TTL."""


def _amount(value: str, what: str) -> tuple[str, int]:
    """`NAME` or `NAME=PERMITS` as both."""
    name, equals, permits = value.partition("=")
    if not equals:
        return check_name(name, what), 1
    if not (permits.isascii() and permits.isdigit()):
        raise InvalidInput(f"{what} {value!r}: the permits after = are not a number", hint=f"write it like {name}=2")
    return check_name(name, what), check_count(int(permits[:12]), f"permits of {what}", 1)


def _exit_code(value: str, what: str) -> int:
    return check_count(int(value) if value.isdigit() and len(value) < 9 else 256, what, 0, 255)


@click.command(
    "exec",
    cls=Verb,
    context_settings={"allow_interspersed_args": False},
    example=(
        "koncli exec --semaphore load-concurrency -- ./load.sh customers\n"
        "koncli exec --semaphore api=2 --ttl 30s --timeout 10m -- curl -fO https://example.org/data"
    ),
)
@click.option(
    "--semaphore",
    "semaphores",
    type=Checked("semaphore", _amount),
    multiple=True,
    required=True,
    metavar="NAME[=PERMITS]",
    help="What to hold, and how many permits of it (1).",
)
@ttl_option
@timeout_option("Wait at most so long (exit 3); 0 tries once (exit 4). Without it, wait without end.")
@click.option("--wait", is_flag=True, help="Wait without end, as without --timeout.")
@click.option("--priority", type=PRIORITY, default=0, show_default=True, help="Higher goes first, -1000 to 1000.")
@click.option("--holder", type=HOLDER, metavar="TEXT", help="Who holds; by default this pod or host and a random part.")
@must_exist_option
@click.option(
    "--conflict-exit-code",
    type=Checked("exit code", _exit_code),
    metavar="NUMBER",
    help="Exit code of a refusal instead of 4, to tell it from the command's own.",
)
@click.option(
    "--grace",
    type=DURATION,
    metavar="DURATION",
    help="How long before the end of a lost lease the command is asked to end: 10s, at most a third of the TTL.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGUMENT]...")
@click.pass_context
def exec_(
    ctx: click.Context,
    *,
    semaphores: tuple[tuple[str, int], ...],
    ttl: str | None,
    timeout: str | None,
    wait: bool,
    priority: int,
    holder: str | None,
    must_exist: bool,
    conflict_exit_code: int | None,
    grace: str | None,
    command: tuple[str, ...],
) -> None:
    """Run a command while holding permits of a semaphore.

    The lease is renewed as long as the command runs, and released when it ends. The exit code is the command's own,
    128 + n if signal n ended it, 127 if there is no such command, 126 if it can't be run. Signals are passed on.

    If the lease is lost, or can't be renewed in time, the command and everything it started get SIGTERM, and SIGKILL
    before the lease's end: the exit code is 6 then. That holds as well if koncli itself is killed or stopped. After
    Ctrl-Z nothing is renewed: go on before the TTL is over, or the command is killed.

    The command finds KONDUCTOR_TOKEN (the fencing token), KONDUCTOR_HOLDER, KONDUCTOR_NAMESPACE,
    KONDUCTOR_LEASE_SEMAPHORE, KONDUCTOR_LEASE_PERMITS and KONDUCTOR_LEASE_TTL in its environment.
    """
