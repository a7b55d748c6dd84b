"""`koncli apply -f` and `koncli delete`: manifests and objects, everything checked before anything is written."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from koncli.app import App, pass_app
from koncli.kinds import (
    KINDS,
    delete_objects,
    for_each,
    ref,
    selector_option,
    show_actions,
)
from koncli.options import Verb
from koncli.parameters import ignore_not_found_option
from koncli.targets import parse_selector, parse_targets
from konductor_core.errors import InvalidInput, NotFound, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from koncli.targets import Matcher
    from konductor_core.identity import Kind
    from konductor_core.manifests import Manifest

SUFFIXES = (".yaml", ".yml", ".json")

files_option = click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    metavar="FILE",
    help="A manifest, a directory of manifests, or - for stdin; may be repeated.",
)


@click.command("apply", cls=Verb, example="koncli apply -f barriers.yaml")
@files_option
@pass_app
def apply(app: App, files: tuple[str, ...]) -> None:
    """Create or update the objects of manifests. Nothing is written if any of them is not valid."""
    if not files:
        raise InvalidInput("nothing to apply", hint="koncli apply -f FILE, a directory, or - for stdin")
    manifests = load(app, files)
    done: list[tuple[Kind, str, str, str]] = []

    def define(manifest: Manifest) -> None:
        where = manifest.namespace or app.settings.namespace
        handle = app.handle(manifest.kind, manifest.name, where)
        action = handle.define_spec(manifest.spec, labels=manifest.labels).action
        done.append((manifest.kind, manifest.name, where, action))

    try:
        failed = for_each(app, [partial(define, manifest) for manifest in manifests])
    finally:
        show_actions(app, done)
    if failed:
        click.get_current_context().exit(failed)


@click.command("delete", cls=Verb, example="koncli delete barriers -l pipeline=etl-demo")
@click.argument("objects", nargs=-1, metavar="[KIND[/NAME]] [NAME]...")
@files_option
@selector_option
@ignore_not_found_option
@pass_app
def delete(
    app: App, objects: tuple[str, ...], files: tuple[str, ...], selector: str | None, *, ignore_not_found: bool
) -> None:
    """Delete the objects of manifests, named ones, or those of a kind that match a selector."""
    if not objects and not files:
        raise InvalidInput("nothing to delete", hint="koncli delete -f FILE, or koncli delete KIND/NAME")
    chosen: list[tuple[Kind, str, str | None]] = [
        (manifest.kind, manifest.name, manifest.namespace) for manifest in (load(app, files) if files else [])
    ]
    matches = parse_selector(selector)
    for target in parse_targets(objects) if objects else []:
        if target.name is not None:
            chosen.append((target.kind, target.name, None))
        elif selector is None:
            raise InvalidInput(
                f"that would delete every {target.kind.key}",
                hint=f"name them, or choose by label: koncli delete {target.kind.plural} -l KEY=VALUE",
            )
        else:
            chosen += [(target.kind, name, None) for name in _matching(app, target.kind, matches)]
    delete_objects(app, chosen, ignore_not_found=ignore_not_found or not objects)


def _matching(app: App, kind: Kind, matches: Matcher) -> list[str]:
    found = []
    for _, name in app.client().objects(kind):
        try:
            labels = app.handle(kind, name).status().labels
        except NotFound:
            continue
        if matches(labels):
            found.append(name)
    return found


def load(app: App, files: Iterable[str]) -> list[Manifest]:
    """All manifests of the files, checked: known kinds, right fields, one namespace each."""
    from konductor_core.manifests import parse_documents

    manifests: list[Manifest] = []
    for source, text in _sources(files):
        manifests += parse_documents(text, source)
    if not manifests:
        raise InvalidInput(f"no objects in {', '.join(files)}")
    for manifest in manifests:
        _check(app, manifest)
    return manifests


def _check(app: App, manifest: Manifest) -> None:
    if manifest.kind not in KINDS:
        raise InvalidInput(f"this koncli has no kind {manifest.kind}", hint="koncli version shows how old it is")
    flag = app.flags.namespace
    if flag and manifest.namespace and manifest.namespace != flag:
        raise InvalidInput(
            f"{ref(manifest.kind, manifest.name)} is for namespace {manifest.namespace}, not for {quoted(flag)}",
            hint="leave out -n, or the namespace in the manifest",
        )


def _sources(files: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Yield (name for messages, text) of each file; directories give their manifests in order of name."""
    for file in files:
        if file == "-":
            yield "stdin", _decoded("stdin", sys.stdin.buffer.read() if sys.stdin is not None else b"")
            continue
        path = Path(file)
        try:
            paths = sorted(each for each in path.iterdir() if each.suffix in SUFFIXES) if path.is_dir() else [path]
            if not paths:
                raise InvalidInput(
                    f"directory {quoted(file)} has no manifests", hint="their names end in .yaml, .yml or .json"
                )
            for each in paths:
                yield str(each), _decoded(str(each), each.read_bytes())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise InvalidInput(f"cannot read {quoted(file)}: {reason}") from error


def _decoded(source: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{source} is not UTF-8 text: byte {error.start} cannot be read") from error
