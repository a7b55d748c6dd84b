"""`koncli acquire`, `renew`, `release`: permits, leases and locks of several objects."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from koncli.app import App, pass_app
from koncli.kinds import for_each, ref
from koncli.leases import grant_shown, ignore_not_held_option, release_shown, ttl_option
from koncli.options import Verb
from koncli.parameters import PRIORITY, Checked, holder_option, must_exist_option, timeout_option
from koncli.progress import Waiting
from koncli.taking import force_option, give_back
from konductor_core.amounts import leased_object, parse_amount
from konductor_core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from konductor_core.identity import Kind
    from konductor_core.lease import Lease

    Shown = tuple[str, dict[str, object]]
    """A line of text, and fields of JSON."""

objects_argument = click.argument(
    "objects",
    type=Checked("object", lambda text, _what: leased_object(text)),
    nargs=-1,
    required=True,
    metavar="KIND/NAME...",
)


@click.command(
    "acquire", cls=Verb, example="koncli acquire semaphore/load-concurrency=2 mutex/index rwmutex/warehouse=read --wait"
)
@click.argument(
    "amounts",
    type=Checked("object", lambda text, _what: parse_amount(text)),
    nargs=-1,
    required=True,
    metavar="KIND/NAME[=AMOUNT]...",
)
@ttl_option
@click.option("--wait", is_flag=True, help="Wait without end; without it and --timeout, try once (exit 4).")
@timeout_option("Wait so long (exit 3); 0 tries once.")
@click.option("--priority", type=PRIORITY, default=0, show_default=True, help="Higher goes first, -1000 to 1000.")
@holder_option
@must_exist_option
@force_option
@pass_app
def acquire(
    app: App,
    /,
    *,
    amounts: tuple[tuple[str, int], ...],
    timeout: str | None,
    wait: bool,
    holder: str | None,
    **ask: Any,  # noqa: ANN401 - the other options are what acquire_all calls them
) -> None:
    """Take permits of semaphores, leases and locks of several objects, all of them or none.

    An amount is a number of a semaphore's permits (1), or read or write (which it is without one) of an RWMutex.
    Nothing is held while it waits, so that others who ask for the same in another order never wait for ever.
    koncli release gives them back, under the same holder.
    """
    wanted = dict(amounts)
    if len(wanted) < len(amounts):
        raise InvalidInput("an object is named twice: name each once, with all that is wanted of it")
    with Waiting(", ".join(sorted(wanted))) as progress:
        leases = app.client().acquire_all(
            wanted,
            timeout=app.limit(timeout, wait=wait),
            holder=holder or app.holder,
            on_progress=progress,
            **ask,
        )
    _report(app, leases)


def _report(app: App, leases: Sequence[Lease]) -> None:
    """Print a line for each grant, or one JSON list of them."""
    done = []
    for lease in leases:
        kind, name = leased_object(lease.ref)
        done.append((kind, name, *grant_shown(kind, name, lease, "acquired")))
    _show(app, done)


@click.command("renew", cls=Verb, example="koncli renew semaphore/load-concurrency mutex/index --ttl 30m")
@objects_argument
@ttl_option
@holder_option
@pass_app
def renew(app: App, objects: tuple[tuple[Kind, str], ...], ttl: str | None, holder: str | None) -> None:
    """Give several leases a new expiry, counted from now; exit 6 if one is lost, after all others."""

    def one(kind: Kind, name: str) -> Shown:
        lease = app.client().permits(ref(kind, name)).renew(holder=holder or app.holder, ttl=ttl)
        return grant_shown(kind, name, lease, "renewed")

    _each(app, objects, one)


@click.command("release", cls=Verb, example="koncli release semaphore/load-concurrency mutex/index rwmutex/warehouse")
@objects_argument
@holder_option
@ignore_not_held_option
@pass_app
def release(app: App, objects: tuple[tuple[Kind, str], ...], holder: str | None, *, ignore_not_held: bool) -> None:
    """Give back what this holder holds of several objects: exit 4 if it holds nothing of one, 6 if a lease had expired.

    The others are given back all the same. In a cleanup that may run twice, use --ignore-not-held.
    """
    who = holder or app.holder

    def one(kind: Kind, name: str) -> Shown:
        outcome = give_back(app, kind, name, who, ignore_not_held=ignore_not_held)
        return release_shown(kind, name, holder=who, outcome=outcome, ignore_not_held=ignore_not_held)

    _each(app, objects, one)


def _each(app: App, objects: Sequence[tuple[Kind, str]], act: Callable[[Kind, str], Shown]) -> None:
    """Do it to each, show what was done, and leave with the exit code of the first that was refused."""
    done: list[tuple[Kind, str, str, dict[str, object]]] = []

    def one(kind: Kind, name: str) -> None:
        done.append((kind, name, *act(kind, name)))

    try:
        failed = for_each(app, [partial(one, *each) for each in objects])
    finally:
        _show(app, done)
    if failed:
        click.get_current_context().exit(failed)


def _show(app: App, done: Sequence[tuple[Kind, str, str, dict[str, object]]]) -> None:
    """Print a line of text for each object, or one list of documents."""
    where = app.settings.namespace
    app.out.show(
        lambda: [{"kind": str(kind), "name": name, "namespace": where, **fields} for kind, name, _, fields in done],
        lambda: "\n".join(text for _, _, text, _ in done),
        [ref(kind, name) for kind, name, _, _ in done],
    )
