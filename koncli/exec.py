"""`koncli exec`: hold permits while a command runs, and end the command before anybody else could have them."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from koncli.app import App, pass_app
from koncli.failures import print_error
from koncli.kinds import ref
from koncli.leases import ttl_option
from koncli.options import Verb
from koncli.output import message
from koncli.parameters import DURATION, HOLDER, PRIORITY, Checked, must_exist_option, timeout_option
from koncli.progress import Waiting
from konductor_core.amounts import amount_of, leased_object, mode_of, parse_amount
from konductor_core.durations import to_ms, to_text
from konductor_core.errors import Denied, InvalidInput, KonductorError, LeaseLost
from konductor_core.identity import Kind, arrival_id, check_count, check_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from koncli.execution.keeper import Ended, Keeper
    from koncli.execution.release import Release
    from konductor_core.lease import Lease

GRACE_MS = 10_000

F = TypeVar("F", bound="Callable[..., Any]")


def _held_option(kind: Kind, metavar: str, text: str) -> Callable[[F], F]:
    """Return the option that names an object of the kind, and how much of it to hold."""

    def parse(value: str, what: str) -> tuple[str, int]:
        name, equals, amount = value.partition("=")
        label = ref(kind, check_name(name, what))
        return label, amount_of(kind, amount, what) if equals else parse_amount(label)[1]

    return click.option(
        f"--{kind.key}",
        f"{kind.key}_held",
        type=Checked(kind.key, parse),
        multiple=True,
        metavar=metavar,
        help=text,
        callback=_note_held,
        expose_value=False,
    )


def _note_held(ctx: click.Context, _param: click.Parameter, value: tuple[tuple[str, int], ...]) -> None:
    ctx.meta.setdefault(_HELD, []).extend(value)


_HELD = "koncli.exec.held"


def _wanted(ctx: click.Context) -> tuple[str, int]:
    """Return the one object to hold, and how much of it. Raises `UsageError`, `InvalidInput`."""
    held: list[tuple[str, int]] = ctx.meta.get(_HELD, [])
    if not held:
        raise click.UsageError("what is to be held? Name it with --semaphore, --lease, --mutex or --rwmutex")
    if len(held) > 1:
        raise InvalidInput(
            f"exec holds one object, not {' and '.join(ref for ref, _ in held)}",
            hint="for more, run koncli exec within koncli exec, always in the same order",
        )
    return held[0]


def _exit_code(value: str, what: str) -> int:
    return check_count(int(value) if value.isdigit() and len(value) < 9 else 256, what, 0, 255)


@click.command(
    "exec",
    cls=Verb,
    context_settings={"allow_interspersed_args": False},
    example=(
        "koncli exec --semaphore load-concurrency -- ./load.sh customers\n"
        "koncli exec --mutex schema-migration --timeout 10m -- ./migrate.sh\n"
        "koncli exec --lease scheduler-leader --ttl 30s -- ./scheduler\n"
        "koncli exec --semaphore api=2 --ttl 30s --timeout 10m -- curl -fO https://example.org/data"
    ),
)
@_held_option(Kind.SEMAPHORE, "NAME[=PERMITS]", "Hold permits of a semaphore, 1 unless more are named.")
@_held_option(Kind.LEASE, "NAME", "Hold a lease, a leader's for example.")
@_held_option(Kind.MUTEX, "NAME", "Hold a mutex.")
@_held_option(Kind.RWMUTEX, "NAME[=read|write]", "Hold an RWMutex, to write unless it says read.")
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
    ttl: str | None,
    conflict_exit_code: int | None,
    grace: str | None,
    command: tuple[str, ...],
    **ask: Any,  # noqa: ANN401 - the other options are what acquire calls them
) -> None:
    """Run a command while holding permits of a semaphore, a lease or a lock.

    The lease is renewed as long as the command runs, and released when it ends. The exit code is the command's own,
    128 + n if signal n ended it, 127 if there is no such command, 126 if it can't be run. Signals are passed on.

    If the lease is lost, or can't be renewed in time, the command and everything it started get SIGTERM, and SIGKILL
    before the lease's end: the exit code is 6 then. That holds as well if koncli itself is killed or stopped. After
    Ctrl-Z nothing is renewed: go on before the TTL is over, or the command is killed.

    The command finds KONDUCTOR_TOKEN (the fencing token), KONDUCTOR_HOLDER, KONDUCTOR_NAMESPACE,
    KONDUCTOR_LEASE_TTL and the name as KONDUCTOR_LEASE_SEMAPHORE, _LEASE, _MUTEX or _RWMUTEX in its environment; of a
    semaphore also KONDUCTOR_LEASE_PERMITS, of an RWMutex KONDUCTOR_LEASE_MODE.

    A service that is to have one leader runs under --lease: its replicas wait, one runs, and when that one loses the
    lease or ends, another takes over. What keeps services running starts the one that ended anew, to wait again.
    """
    from koncli.execution.keeper import Keeper
    from koncli.execution.program import find_program
    from koncli.execution.release import Release

    label, permits = _wanted(click.get_current_context())
    check_grace(grace, ttl)
    path = find_program(command[0], app.env)
    with Keeper.of(path, command, lambda text: message(f"{label}: {text}")) as keeper:
        lease = _acquire(app, keeper, conflict_exit_code, label, permits=permits, ttl=ttl, **ask)
        release = Release(lease, label)
        try:
            ended = keeper.run(lease, variables_of(app, *leased_object(label), lease), grace_of(grace, lease, label))
        finally:
            keeper.close()
            release.perform()
    leave(app, ended, release, path)


def _acquire(app: App, keeper: Keeper, conflict_exit_code: int | None, label: str, **ask: Any) -> Lease:  # noqa: ANN401
    """Wait for what is to be held; leaves with the chosen exit code of a refusal."""
    try:
        with Waiting(label) as progress:
            # The client comes after the guardian's fork, which is to have no thread and no connection of ours.
            handle = app.client().permits(label)
            return handle.take(renew=True, on_progress=progress, on_lost=keeper.note_loss, **ask)
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
        "KONDUCTOR_LEASE_TTL": to_text(lease.ttl_ms),
    }
    if kind is Kind.SEMAPHORE:
        variables["KONDUCTOR_LEASE_PERMITS"] = str(lease.permits)
    if kind is Kind.RWMUTEX:
        variables["KONDUCTOR_LEASE_MODE"] = mode_of(lease.permits)
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
