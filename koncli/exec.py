"""`koncli exec`: hold permits while a command runs, and end the command before anybody else could have them."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, NoReturn

import click

from koncli.app import App, pass_app
from koncli.failures import print_error
from koncli.kinds import ref
from koncli.leases import ttl_option
from koncli.options import Verb
from koncli.output import message
from koncli.parameters import DURATION, HOLDER, PRIORITY, Checked, must_exist_option, timeout_option
from koncli.progress import Waiting
from konductor_core.durations import to_ms, to_text
from konductor_core.errors import Denied, InvalidInput, KonductorError, LeaseLost
from konductor_core.identity import Kind, arrival_id, check_count, check_name

if TYPE_CHECKING:
    from koncli.execution.keeper import Ended, Keeper
    from koncli.execution.release import Release
    from konductor_core.lease import Lease

GRACE_MS = 10_000


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
@click.option("--wait", is_flag=True, expose_value=False, help="Wait without end, as without --timeout.")
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
    help="How long the command has between TERM and KILL if the lease is lost: 10s, at most a third of the TTL.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND [ARGUMENT]...")
@pass_app
def exec_(
    app: App,
    /,
    *,
    semaphores: tuple[tuple[str, int], ...],
    ttl: str | None,
    conflict_exit_code: int | None,
    grace: str | None,
    command: tuple[str, ...],
    **ask: Any,  # noqa: ANN401 - the other options are what acquire calls them
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
    from koncli.execution.keeper import Keeper
    from koncli.execution.program import find_program
    from koncli.execution.release import Release

    if len(semaphores) > 1:
        raise InvalidInput(
            "exec holds permits of one semaphore",
            hint="for more, run koncli exec within koncli exec, always in the same order",
        )
    name, permits = semaphores[0]
    label = ref(Kind.SEMAPHORE, name)
    check_grace(grace, ttl)
    path = find_program(command[0], app.env)
    with Keeper.of(path, command, lambda text: message(f"{label}: {text}")) as keeper:
        lease = _acquire(app, keeper, conflict_exit_code, name, permits=permits, ttl=ttl, **ask)
        release = Release(lease, label)
        try:
            ended = keeper.run(lease, variables_of(app, Kind.SEMAPHORE, name, lease), grace_of(grace, lease, label))
        finally:
            keeper.close()
            release.perform()
    leave(app, ended, release, path)


def _acquire(app: App, keeper: Keeper, conflict_exit_code: int | None, name: str, **ask: Any) -> Lease:  # noqa: ANN401
    """Wait for the permits; leaves with the chosen exit code of a refusal."""
    try:
        with Waiting(ref(Kind.SEMAPHORE, name)) as progress:
            # The client comes after the guardian's fork, which is to have no thread and no connection of ours.
            semaphore = app.client().semaphore(name)
            return semaphore.acquire(renew=True, on_progress=progress, on_lost=keeper.note_loss, **ask)
    except Denied as error:
        if conflict_exit_code is None:
            raise
        print_error(error, as_json=app.out.mode == "json")
        click.get_current_context().exit(conflict_exit_code)
    except KeyboardInterrupt:
        if keeper.has_terminal:
            message("interrupted")
            die_of_interrupt()
        raise


def check_grace(grace: str | None, ttl: str | None) -> None:
    """Refuse a grace that leaves too little of the TTL for renewing."""
    if grace is not None and ttl is not None and 0 < to_ms(ttl) < 2 * to_ms(grace):
        raise InvalidInput(f"--grace {grace} is more than half of --ttl {ttl}: no time would be left to renew")


def grace_of(grace: str | None, lease: Lease, label: str) -> float:
    """Return the seconds between TERM and KILL."""
    if grace is None:
        return min(GRACE_MS, lease.ttl_ms / 3 if lease.ttl_ms else GRACE_MS) / 1000
    wanted = to_ms(grace)
    if lease.ttl_ms and wanted > lease.ttl_ms / 2:
        message(f"{label}: its TTL is {to_text(lease.ttl_ms)}, so --grace is cut to half of that")
        wanted = lease.ttl_ms // 2
    return wanted / 1000


def variables_of(app: App, kind: Kind, name: str, lease: Lease) -> dict[str, str]:
    """Return what the command finds in its environment: the lease, and where and as whom koncli is to work there."""
    variables = {
        "KONDUCTOR_TOKEN": str(lease.token),
        "KONDUCTOR_HOLDER": lease.holder,
        # The holder is another one each time; an arrival must stay the same when the command is run again.
        "KONDUCTOR_ARRIVAL_ID": arrival_id(app.env, app.holder),
        "KONDUCTOR_NAMESPACE": app.settings.namespace,
        f"KONDUCTOR_LEASE_{kind.key.upper()}": name,
        "KONDUCTOR_LEASE_PERMITS": str(lease.permits),
        "KONDUCTOR_LEASE_TTL": to_text(lease.ttl_ms),
    }
    if app.flags.redis_url is not None:
        variables["KONDUCTOR_REDIS_URL"] = app.flags.redis_url
    return variables


def leave(app: App, ended: Ended, release: Release, path: str) -> NoReturn:
    """End as the command did, or say why not."""
    try:
        code = _verdict(ended, release, path)
    except KonductorError as error:
        if not release.hangs:
            raise
        print_error(error, as_json=app.out.mode == "json")
        code = error.exit_code
    if release.hangs:
        os._exit(code)  # closing a connection under a thread that reads from it makes it fail, loudly
    click.get_current_context().exit(code)


def _verdict(ended: Ended, release: Release, path: str) -> int:
    """Return the exit code; raises what else there is to tell."""
    if ended.failed:
        from koncli.execution.program import not_started

        raise not_started(path, ended.failed)
    if ended.lost or release.lost:
        raise LeaseLost(
            f"lost the lease on {release.label} while the command ran: {ended}",
            hint="others may have held it meanwhile; what the command writes to can refuse its KONDUCTOR_TOKEN",
        )
    if ended.left:
        processes, go = ("process", "goes") if ended.left == 1 else ("processes", "go")
        message(f"{release.label}: released; {ended.left} {processes} that the command left behind {go} on without it")
    if ended.interrupted and ended.signal == signal.SIGINT:
        die_of_interrupt()
    return ended.code


def die_of_interrupt() -> None:
    """End by the signal itself: only that tells the script around us that its user wants to end it, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
