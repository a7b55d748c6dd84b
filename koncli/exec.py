"""`koncli exec`: hold permits while a command runs, and end the command before anybody else could have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from koncli.app import App, pass_app
from koncli.kinds import ref
from koncli.leases import ttl_option
from koncli.options import Verb
from koncli.parameters import DURATION, HOLDER, PRIORITY, Checked, must_exist_option, timeout_option
from konductor_core.amounts import amount_of, parse_amount
from konductor_core.errors import InvalidInput
from konductor_core.identity import Kind, check_count, check_name

if TYPE_CHECKING:
    from collections.abc import Callable

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


def _amounts(ctx: click.Context) -> dict[str, int]:
    """Return what is to be held, and how much of each. Raises `UsageError`, `InvalidInput`."""
    held: list[tuple[str, int]] = ctx.meta.get(_HELD, [])
    if not held:
        raise click.UsageError("what is to be held? Name it with --semaphore, --lease, --mutex or --rwmutex")
    amounts = dict(held)
    if len(amounts) < len(held):
        raise InvalidInput("an object is named twice: name each once, with all that is wanted of it")
    return amounts


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
        "koncli exec --semaphore api=2 --ttl 30s --timeout 10m -- curl -fO https://example.org/data\n"
        "koncli exec --semaphore api=2 --mutex index --rwmutex warehouse=read -- ./load.sh customers"
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
def exec_(app: App, /, **options: Any) -> None:  # noqa: ANN401 - as run_holding calls them
    """Run a command while holding permits of a semaphore, a lease or a lock, or several of these.

    Several are acquired all or none, so that whoever names the same in another order never waits for ever. They are
    renewed as long as the command runs, and released when it ends. The exit code is the command's own, 128 + n if
    signal n ended it, 127 if there is no such command, 126 if it can't be run. Signals are passed on.

    If a lease is lost, or can't be renewed in time, the command and everything it started get SIGTERM, and SIGKILL
    before the first lease's end: the exit code is 6 then. That holds as well if koncli itself is killed or stopped.
    After Ctrl-Z nothing is renewed: go on before the TTL is over, or the command is killed.

    The command finds KONDUCTOR_TOKEN (the fencing token), KONDUCTOR_HOLDER, KONDUCTOR_NAMESPACE,
    KONDUCTOR_LEASE_TTL and the name as KONDUCTOR_LEASE_SEMAPHORE, _LEASE, _MUTEX or _RWMUTEX in its environment; of a
    semaphore also KONDUCTOR_LEASE_PERMITS, of an RWMutex KONDUCTOR_LEASE_MODE. KONDUCTOR_TOKENS has the token of each
    object, like 'mutex/index=1795431284413286 semaphore/gpu=1795431284413287'; with several, KONDUCTOR_TOKEN is empty.

    A service that is to have one leader runs under --lease: its replicas wait, one runs, and when that one loses the
    lease or ends, another takes over. What keeps services running starts the one that ended anew, to wait again.
    """
    from koncli.execution.holding import run_holding

    run_holding(app, _amounts(click.get_current_context()), **options)
