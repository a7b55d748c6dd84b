"""What all kinds share: the group of a kind with its verbs get, list, status, delete, reset and watch.

A kind's module makes its group with `kind_group`, adds `create` and the verbs of its own, and exports its `VIEW`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from koncli.app import App, pass_app
from koncli.options import VerbGroup, verb
from koncli.parameters import ignore_not_found_option, name_argument, timeout_option
from konductor_core.errors import NotFound
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from koncli.app import Defined

KINDS: tuple[Kind, ...] = (
    Kind.BARRIER,
    Kind.SEMAPHORE,
    Kind.LEASE,
    Kind.MUTEX,
    Kind.RWMUTEX,
    Kind.ONCE,
    Kind.WAITGROUP,
    Kind.GATE,
)
"""The kinds that have a module; everything that goes through all kinds goes through these."""


def ref(kind: Kind, name: str) -> str:
    """`barrier/extract-complete`: how messages and `-o name` call an object."""
    return f"{kind.key}/{name}"


def kind_group(kind: Kind, text: str) -> VerbGroup:
    """Return the command group of a kind with all shared verbs; `text` is its help."""
    group = VerbGroup(kind.key, help=text)
    for add in (_add_get, _add_list, _add_status, _add_delete, _add_reset, _add_watch):
        add(group, kind)
    group.last = frozenset(group.commands)
    return group


def report_defined(app: App, kind: Kind, name: str, defined: Defined) -> None:
    """Say what `create` did: created, updated or unchanged."""
    report(app, kind, name, f"{ref(kind, name)} {defined.action}", {"action": defined.action})


def report(app: App, kind: Kind, name: str, text: str, fields: dict[str, object]) -> None:
    """Print the result of a verb: a line of text, or the object's name and the fields as JSON or YAML."""
    document = {"kind": str(kind), "name": name, "namespace": app.settings.namespace, **fields}
    app.out.show(lambda: document, lambda: text, [ref(kind, name)])


def _add_get(group: click.Group, kind: Kind) -> None:
    @verb(group, "get", example=f"koncli {kind.key} get my-{kind.key} -o yaml")
    @click.argument("names", nargs=-1, metavar="[NAME]...")
    @selector_option
    @pass_app
    def get(app: App, names: tuple[str, ...], selector: str | None) -> None:
        """Show objects as a table; with -o json or yaml as manifests that `koncli apply -f -` accepts."""
        from koncli.get import show_objects

        show_objects(app, [kind], names, selector)


def _add_list(group: click.Group, kind: Kind) -> None:
    @verb(group, "list", example=f"koncli {kind.key} list -l pipeline=etl-demo")
    @selector_option
    @pass_app
    def list_(app: App, selector: str | None) -> None:
        """List all objects of this kind in the namespace."""
        from koncli.get import show_objects

        show_objects(app, [kind], (), selector)


def _add_status(group: click.Group, kind: Kind) -> None:
    @verb(group, "status", example=f"koncli {kind.key} status my-{kind.key} -o json | jq -r .phase")
    @name_argument(kind)
    @click.option("--wait-for-update", is_flag=True, help="Wait for the next change, then show it.")
    @timeout_option("How long to wait for an update; without it, without end.")
    @pass_app
    def status(app: App, name: str, *, wait_for_update: bool, timeout: str | None) -> None:
        """Show one object: its phase, its counts, who holds and who waits."""
        from koncli.status import show_status

        show_status(app, kind, name, wait_for_update=wait_for_update, timeout=timeout)


def _add_delete(group: click.Group, kind: Kind) -> None:
    @verb(group, "delete", example=f"koncli {kind.key} delete my-{kind.key}")
    @name_argument(kind, many=True)
    @ignore_not_found_option
    @pass_app
    def delete(app: App, names: tuple[str, ...], *, ignore_not_found: bool) -> None:
        """Delete objects of this kind. Waiters are told, and go on waiting until the object is made again."""
        delete_objects(app, [(kind, name, None) for name in names], ignore_not_found=ignore_not_found)


def _add_reset(group: click.Group, kind: Kind) -> None:
    @verb(group, "reset", example=f"koncli {kind.key} reset my-{kind.key}")
    @name_argument(kind)
    @pass_app
    def reset(app: App, name: str) -> None:
        """Start the object anew: nothing is carried over but its spec."""
        app.handle(kind, name).reset()
        report(app, kind, name, f"{ref(kind, name)} reset", {"action": "reset"})


def _add_watch(group: click.Group, kind: Kind) -> None:
    @verb(group, "watch", example=f"koncli {kind.key} watch my-{kind.key}")
    @click.argument("name", required=False)
    @timeout_option("How long to watch; without it, until interrupted.")
    @pass_app
    def watch(app: App, name: str | None, timeout: str | None) -> None:
        """Print a line for every change of one object, or of all objects of this kind."""
        from koncli.watch import watch_objects

        watch_objects(app, kind, name, timeout)


def delete_objects(app: App, objects: list[tuple[Kind, str, str | None]], *, ignore_not_found: bool) -> None:
    """Delete (kind, name, namespace) one after the other; an object that can't be deleted doesn't stop the rest."""
    done: list[tuple[Kind, str, str, str]] = []

    def delete(kind: Kind, name: str, namespace: str | None) -> None:
        where = namespace or app.settings.namespace
        if app.handle(kind, name, where).delete():
            done.append((kind, name, where, "deleted"))
        elif ignore_not_found:
            done.append((kind, name, where, "absent"))
        else:
            raise NotFound(
                f"{ref(kind, name)} does not exist in namespace {where}",
                hint="--ignore-not-found makes that no error",
            )

    try:
        failed = for_each(app, [partial(delete, *each) for each in objects])
    finally:
        show_actions(app, done)
    if failed:
        click.get_current_context().exit(failed)


def show_actions(app: App, done: list[tuple[Kind, str, str, str]]) -> None:
    """Print what was done to several objects: a line each, or one JSON list of them."""
    app.out.show(
        lambda: [{"kind": str(k), "name": n, "namespace": where, "action": what} for k, n, where, what in done],
        lambda: "\n".join(f"{ref(kind, name)} {what}" for kind, name, _, what in done),
        [ref(kind, name) for kind, name, _, _ in done],
    )


def for_each(app: App, actions: list[Callable[[], None]]) -> int:
    """Run all actions; a refused one is printed and the next one tried. Returns the first one's exit code, else 0.

    A Redis that can't be reached ends it at once: the rest would fare no better.
    """
    from koncli.failures import print_error
    from konductor_core.errors import KonductorError, Unavailable

    failed = 0
    for action in actions:
        try:
            action()
        except Unavailable:
            raise
        except KonductorError as error:
            print_error(error, as_json=app.out.mode == "json")
            failed = failed or error.exit_code
    return failed


selector_option = click.option(
    "-l", "--selector", metavar="SELECTOR", help="Only objects whose labels match: a=b, a!=b, 'a in (b,c)', a, !a."
)
