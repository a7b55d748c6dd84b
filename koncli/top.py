"""`koncli top`: a live screen of a namespace: its objects, who holds, who waits, what happened."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from koncli.app import App, pass_app
from koncli.kinds import ref
from koncli.options import Verb
from konductor_core.errors import InvalidInput

if TYPE_CHECKING:
    from koncli.output import Document
    from koncli.screen.board import Picture

PLAIN_WIDTH = 120
"""Columns of the plain text: nobody knows how wide the reader's screen is."""


@click.command("top", cls=Verb, example="koncli top --once")
@click.option("--once", is_flag=True, help="Print it once as plain text and end, as it does without a terminal.")
@pass_app
def top(app: App, *, once: bool) -> None:
    """Show objects, holders, waiters and recent events, live. The key q ends it."""
    if once or app.out.mode not in ("text", "wide") or not _is_terminal(app):
        _print_once(app)
        return
    try:
        from koncli.screen.live import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "rich":
            raise
        raise InvalidInput(
            "the live screen needs rich, which is not installed",
            hint="pip install 'konductor[local]', or koncli top --once",
        ) from None
    run(app)


def _is_terminal(app: App) -> bool:
    """Whether stdout is a terminal that can be drawn on."""
    stdout = sys.stdout
    return stdout is not None and stdout.isatty() and app.env.get("TERM", "dumb") not in ("dumb", "unknown", "")


def _print_once(app: App) -> None:
    import time

    from koncli.screen.board import Board
    from koncli.screen.layout import page, plain
    from koncli.screen.sections import head, sections

    board = Board(app.client())
    board.read_all()
    picture, now = board.picture(), time.monotonic()
    app.out.show(
        lambda: _document(picture),
        lambda: plain(page(head(picture, now), sections(picture, now), PLAIN_WIDTH, None)),
        [ref(seen.kind, seen.name) for seen in picture.objects],
    )


def _document(picture: Picture) -> Document:
    return {
        "namespace": picture.namespace,
        "objects": [seen.status.to_dict() for seen in picture.objects],
        "events": [
            {"kind": str(each.kind), "name": each.name, **each.event.to_dict()} for each in reversed(picture.events)
        ],
    }
