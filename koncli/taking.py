"""The verbs of the kinds that grant permits: to acquire or lock, renew, give back, take away, and to see who holds.

Each function adds one verb to a kind's group, under the name that the verb has for that kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from koncli.app import App, pass_app
from koncli.kinds import ref
from koncli.leases import (
    holder_tables,
    ignore_not_held_option,
    report_grant,
    report_release,
    token_option,
    ttl_option,
)
from koncli.options import verb
from koncli.parameters import HOLDER, holder_option, must_exist_option, name_argument, timeout_option
from koncli.progress import Waiting
from konductor_core.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core.handles.permits import PermitHandle
    from konductor_core.identity import Kind

force_option = click.option(
    "--force", is_flag=True, help="Allow --ttl 0 outside a pod: nobody releases it if you don't."
)


def take(
    app: App,
    kind: Kind,
    name: str,
    word: str,
    *,
    permits: int,
    timeout: str | None,
    wait: bool = True,
    holder: str | None,
    **ask: Any,  # noqa: ANN401 - the other arguments of the library
) -> None:
    """Acquire, and report it as `word`; without a timeout and `wait`, try once."""
    with Waiting(ref(kind, name)) as progress:
        handle, limit = app.client().permits(ref(kind, name)), app.limit(timeout, wait=wait)
        lease = handle.take(permits, timeout=limit, holder=holder or app.holder, on_progress=progress, **ask)
    report_grant(app, kind, name, lease, word)


def add_lock(group: click.Group, kind: Kind, name: str, *, permits: int, example: str, text: str) -> None:
    """Add a verb that locks, and waits unless it is given a timeout; `text` is its help."""

    @verb(group, name, example=example)
    @name_argument(kind)
    @ttl_option
    @timeout_option("Wait at most so long (exit 3); 0 tries once (exit 4). Without it, wait without end.")
    @click.option("--wait", is_flag=True, expose_value=False, help="Wait without end, as without --timeout.")
    @holder_option
    @must_exist_option
    @force_option
    @pass_app
    def lock(app: App, /, name: str, **ask: Any) -> None:  # noqa: ANN401 - the options are what take calls them
        take(app, kind, name, "locked", permits=permits, **ask)

    lock.help = text


def add_renew(group: click.Group, kind: Kind, *, example: str) -> None:
    """Add `renew`."""

    @verb(group, "renew", example=example)
    @name_argument(kind)
    @ttl_option
    @holder_option
    @token_option
    @pass_app
    def renew(app: App, name: str, ttl: str | None, holder: str | None, token: int | None) -> None:
        """Give a lease a new expiry, counted from now; exit 6 if it is lost."""
        handle: PermitHandle = getattr(app.client(), kind.key)(name)
        lease = handle.renew(holder=holder or app.holder, token=token, ttl=ttl)
        report_grant(app, kind, name, lease, "renewed")


def add_release(group: click.Group, kind: Kind, name: str, *, word: str, example: str, text: str) -> None:
    """Add the verb that gives back; `word` says that it was done."""

    @verb(group, name, example=example)
    @name_argument(kind)
    @holder_option
    @token_option
    @ignore_not_held_option
    @pass_app
    def release(app: App, name: str, holder: str | None, token: int | None, *, ignore_not_held: bool) -> None:
        who = holder or app.holder
        outcome = give_back(app, kind, name, who, token, ignore_not_held=ignore_not_held)
        report_release(app, kind, name, holder=who, outcome=outcome, word=word, ignore_not_held=ignore_not_held)

    release.help = f"{text}\n\nIn a cleanup that may run twice, use --ignore-not-held."


def give_back(
    app: App, kind: Kind, name: str, holder: str, token: int | None = None, *, ignore_not_held: bool = False
) -> str:
    """Release, and return which it was; of an object that is absent nothing is held, which may be all right."""
    try:
        return str(app.client().permits(ref(kind, name)).release(holder=holder, token=token))
    except NotFound:
        if not ignore_not_held:
            raise
        return "not-held"


def add_force_release(group: click.Group, kind: Kind, *, example: str) -> None:
    """Add `force-release`."""

    @verb(group, "force-release", example=example)
    @name_argument(kind)
    @click.argument("holder_argument", type=HOLDER, required=False, metavar="[HOLDER]")
    @click.option("--holder", type=HOLDER, metavar="TEXT", help="Whose lease; must be given here or as argument.")
    @pass_app
    def force_release(app: App, name: str, holder_argument: str | None, holder: str | None) -> None:
        """End somebody else's lease. Its work is not stopped: protect what it writes to by the fencing token."""
        who = holder_argument or holder
        if who is None:
            raise click.UsageError("whose lease? Give the holder as second argument")
        outcome = str(app.client().permits(ref(kind, name)).force_release(who))
        report_release(app, kind, name, holder=who, outcome=outcome)


def add_holders(group: click.Group, kind: Kind, counts: Callable[[Any], dict[str, int]], *, example: str) -> None:
    """Add `holders`; `counts` are numbers of a status that its JSON shows first."""

    @verb(group, "holders", example=example)
    @name_argument(kind)
    @pass_app
    def holders(app: App, name: str) -> None:
        """Show who holds, with token and expiry, and who waits."""
        status = app.client().permits(ref(kind, name)).status()
        document = {
            "kind": str(kind),
            "name": name,
            "namespace": status.namespace,
            **counts(status),
            "holdersTotal": status.holders_total,
            "holders": [holder.to_dict() for holder in status.holders],
            "waiting": status.waiting,
            "waiters": [waiter.to_dict() for waiter in status.waiters],
        }
        app.out.show(
            lambda: document,
            lambda: "\n\n".join(holder_tables(status, app.out)),
            [holder.holder for holder in status.holders],
            empty=f"nobody holds {ref(kind, name)}",
        )
