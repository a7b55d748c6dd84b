"""The screen itself, drawn with rich: again after every reading, every key and resize, and each second."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live
from rich.text import Text

from koncli.screen.board import Board
from koncli.screen.feeder import Feeder
from koncli.screen.layout import DIM, Span, page
from koncli.screen.sections import head, sections
from koncli.screen.terminal import Terminal, Waker
from konductor_core.client import Konductor
from konductor_core.errors import KonductorError

if TYPE_CHECKING:
    from koncli.app import App
    from koncli.screen.board import Picture
    from koncli.screen.layout import Line

TICK = 1.0
"""Seconds between drawings when nothing happens: durations count on."""

FRAME = 0.1
"""Seconds between two drawings at least, however much happens."""


def run(app: App) -> None:
    """Show the screen until q; interrupts end it as they end everything. Raises `Unavailable` only at the start."""
    app.client().objects()  # as patient as every command; from now on each failure is told at once
    client = Konductor(settings=replace(app.settings, retries=0))
    board, waker = Board(client), Waker()
    feeder = Feeder(board, client, waker.wake)
    feeder.start()
    try:
        feeder.ready.wait()
        while (signum := _show(board, feeder, waker, color=app.out.color)) is not None:
            signal.raise_signal(signum)  # only what stopped us comes back here
    finally:
        feeder.stop()
    if feeder.error is not None:
        raise feeder.error


def _show(board: Board, feeder: Feeder, waker: Waker, *, color: bool) -> int | None:
    """Draw until q is typed or the feeder has ended (None), or a signal wants the terminal back."""
    console = Console(file=sys.stdout, no_color=not color, highlight=False, markup=False, emoji=False)
    live = Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    try:
        with Terminal(waker) as terminal, live:
            drawn = 0.0
            while terminal.signum is None and feeder.error is None:
                now = time.monotonic()
                if now >= drawn + FRAME:
                    _draw(live, board.picture(), now)
                    drawn, pause = now, TICK
                else:
                    pause = drawn + FRAME - now
                if set(terminal.wait(pause)) & {"q", "Q"}:
                    return None
            return terminal.signum
    except OSError as error:
        raise KonductorError(f"cannot use the terminal: {error.strerror or error}") from error


def _draw(live: Live, picture: Picture, now: float) -> None:
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    size = ConsoleDimensions(columns or 80, rows or 24)
    live.console.size = size  # not COLUMNS and LINES, which don't follow the terminal
    above = head(picture, now)
    *counts, where = above[0]
    above[0] = (*counts, Span("  q ends", DIM), where)  # a long URL is what the edge may cut
    lines = page(above, sections(picture, now), size.width, size.height)
    live.update(Group(*(_text(line) for line in lines)), refresh=True)


def _text(line: Line) -> Text:
    text = Text(no_wrap=True, overflow="crop")
    for span in line:
        text.append(span.text, span.style)
    return text
