"""`koncli get`: objects as tables, or as manifests with their status that `koncli apply -f -` accepts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from koncli.app import App, pass_app
from koncli.kinds import for_each, ref, selector_option
from koncli.options import Verb
from koncli.targets import Target, parse_selector, parse_targets
from koncli.views import view_of
from konductor_core.errors import NotFound
from konductor_core.identity import check_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from konductor_core.identity import Kind
    from konductor_core.models import Status


@click.command("get", cls=Verb, example="koncli get barriers,semaphores -l pipeline=etl-demo")
@click.argument("objects", nargs=-1, metavar="[KIND[/NAME]] [NAME]...")
@selector_option
@pass_app
def get(app: App, objects: tuple[str, ...], selector: str | None) -> None:
    """Show objects of one, several or all kinds; with -o json or yaml as manifests."""
    show(app, parse_targets(objects), selector)


def show_objects(app: App, kinds: Sequence[Kind], names: Sequence[str], selector: str | None) -> None:
    """Show the named objects of the kinds; all of them without a name."""
    if names:
        show(app, [Target(kind, check_name(name)) for kind in kinds for name in names], selector)
    else:
        show(app, [Target(kind, None) for kind in kinds], selector)


def show(app: App, targets: Sequence[Target], selector: str | None) -> None:
    """Print the objects that the targets name and the selector matches; missing ones are errors at the end."""
    matches = parse_selector(selector)
    found: list[tuple[Kind, Status]] = []

    def read(target: Target) -> None:
        names = [target.name] if target.name else [name for _, name in app.client().objects(target.kind)]
        for name in names:
            try:
                status = app.handle(target.kind, name).status()
            except NotFound:
                if target.name:
                    raise
                continue  # deleted since it was listed
            if matches(status.labels):
                found.append((target.kind, status))

    failed = for_each(app, [partial(read, target) for target in targets])
    single = len(targets) == 1 and targets[0].name is not None
    if found or not failed:
        app.out.show(
            lambda: manifest(*found[0]) if single and found else listing(found),
            lambda: tables(app, found),
            [ref(kind, status.name) for kind, status in found],
            empty=f"no objects in namespace {app.settings.namespace}",
        )
    if failed:
        click.get_current_context().exit(failed)


def manifest(kind: Kind, status: Status) -> dict[str, object]:
    """One object as a manifest: apiVersion, kind, metadata, spec and status."""
    from konductor_core.manifests import Manifest

    spec = status.spec
    flat = status.to_dict()
    for field in ("kind", "name", "namespace", "labels", *spec.to_dict()):
        flat.pop(field, None)
    return Manifest(kind=kind, name=status.name, namespace=status.namespace, labels=status.labels, spec=spec).to_dict(
        flat
    )


def listing(found: Sequence[tuple[Kind, Status]]) -> dict[str, object]:
    """Several objects as a Kubernetes List of manifests."""
    return {"apiVersion": "v1", "kind": "List", "items": [manifest(kind, status) for kind, status in found]}


def tables(app: App, found: Sequence[tuple[Kind, Status]]) -> str:
    """Return a table for each kind; names carry their kind if there are several."""
    kinds = list(dict.fromkeys(kind for kind, _ in found))
    printed = []
    for kind in kinds:
        prefix = f"{kind.key}/" if len(kinds) > 1 else ""
        printed.append(view_of(kind).table([status for k, status in found if k is kind], app.out, prefix=prefix))
    return "\n\n".join(printed)
