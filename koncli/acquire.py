"""`koncli acquire`: permits, leases and locks of several objects at once, all or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from koncli.app import App, pass_app
from koncli.leases import grant_shown, ttl_option
from koncli.options import Verb
from koncli.parameters import PRIORITY, Checked, holder_option, must_exist_option, timeout_option
from koncli.progress import Waiting
from koncli.taking import force_option
from konductor_core.amounts import leased_object, parse_amount
from konductor_core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from konductor_core.lease import Lease


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
    Nothing is held while it waits, so that others who ask for the same in another order never wait for ever. Each is
    given back by its kind's own verb, under the same holder.
    """
    wanted = dict(amounts)
    if len(wanted) < len(amounts):
        raise InvalidInput("an object is named twice: name each once, with all that is wanted of it")
    with Waiting(", ".join(sorted(wanted))) as progress:
        leases = app.client().acquire_all(
            wanted,
            timeout=timeout if timeout is not None or wait else "0",
            holder=holder or app.holder,
            on_progress=progress,
            **ask,
        )
    _report(app, sorted(wanted), leases)


def _report(app: App, refs: list[str], leases: Sequence[Lease]) -> None:
    """Print a line for each grant, or one JSON list of them."""
    shown = []
    for ref, lease in zip(refs, leases, strict=True):
        kind, name = leased_object(ref)
        text, fields = grant_shown(kind, name, lease, "acquired")
        shown.append((text, {"kind": str(kind), "name": name, "namespace": app.settings.namespace, **fields}))
    app.out.show(lambda: [document for _, document in shown], lambda: "\n".join(text for text, _ in shown), refs)
