"""`koncli top`: a live screen of a namespace: its objects, who holds, who waits, what happened."""

from __future__ import annotations

import click

from koncli.app import App, pass_app
from koncli.kinds import ref
from koncli.options import Verb


@click.command("top", cls=Verb, example="koncli top --once")
@click.option("--once", is_flag=True, help="Print it once, as plain text, and end; so without a terminal.")
@pass_app
def top(app: App, *, once: bool) -> None:  # noqa: ARG001
    """Show objects, holders, waiters and recent events, live; q ends it."""
    found = app.client().objects()
    statuses = [app.handle(kind, name).status() for kind, name in found]
    app.out.show(
        lambda: {"objects": [status.to_dict() for status in statuses]},
        lambda: app.out.table(["OBJECT"], [[ref(kind, name)] for kind, name in found]),
        [ref(kind, name) for kind, name in found],
    )
