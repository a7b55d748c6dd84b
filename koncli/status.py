"""`koncli status KIND NAME` and what the `status` verb of every kind does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from koncli.app import App, pass_app
from koncli.kinds import ref
from koncli.options import Verb
from koncli.parameters import timeout_option
from koncli.targets import parse_one
from koncli.views import view_of
from konductor_core.errors import NotFound, WaitTimeout

if TYPE_CHECKING:
    from konductor_core.identity import Kind
    from konductor_core.models import Status


@click.command("status", cls=Verb, example="koncli status barrier extract-complete")
@click.argument("objects", nargs=-1, metavar="[KIND NAME]")
@click.option("--wait-for-update", is_flag=True, help="Wait for the next change, then show it.")
@timeout_option("How long to wait for an update; without it, without end.")
@pass_app
def status(app: App, objects: tuple[str, ...], *, wait_for_update: bool, timeout: str | None) -> None:
    """Show one object, as `koncli KIND status NAME` does; without one, or with `all`, a line for each."""
    if objects in ((), ("all",)) and not (wait_for_update or timeout):
        from koncli.get import show
        from koncli.targets import parse_targets

        show(app, parse_targets(()), None)
        return
    kind, name = parse_one(objects)
    show_status(app, kind, name, wait_for_update=wait_for_update, timeout=timeout)


def show_status(app: App, kind: Kind, name: str, *, wait_for_update: bool, timeout: str | None) -> None:
    """Print one object's status: a page for people, the flat fields as JSON or YAML."""
    found = next_status(app, kind, name, timeout) if wait_for_update else app.handle(kind, name).status()
    app.out.show(found.to_dict, lambda: view_of(kind).page(kind, found, app.out), [ref(kind, name)])


def next_status(app: App, kind: Kind, name: str, timeout: str | None) -> Status:
    """Wait for the object's next change; NotFound if that is its end or it was never there."""
    from koncli.watch import changes

    seen = False
    for _, found in changes(app, kind, name, timeout):
        if found is None:
            raise NotFound(f"{ref(kind, name)} does not exist in namespace {app.settings.namespace}")
        if seen:
            return found
        seen = True
    raise WaitTimeout(f"{ref(kind, name)} did not change within {timeout}")
