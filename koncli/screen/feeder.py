"""The thread that keeps a board up to date: it listens to nudges, and reads what they name."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from konductor_core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from koncli.screen.board import Board
    from konductor_core.client import Konductor

LOOK = 0.25
"""Seconds after which the nudges give control back; no command is sent for that."""

PAUSE = 1.0
"""Seconds between tries while Redis is away."""


class Feeder:
    """Reads until `stop`; calls `on_change` after every reading. `error` is what ended it, if anything did.

    The client should not retry by itself: a Redis that is away is to be told at once.
    """

    def __init__(self, board: Board, client: Konductor, on_change: Callable[[], None]) -> None:
        self.error: Exception | None = None
        self.ready = threading.Event()
        """Set once everything was read, or could not be."""
        self._board = board
        self._client = client
        self._on_change = on_change
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; close the client if that is possible. An answer that does not come is not waited for."""
        self._stopped.set()
        self._thread.join(2 * LOOK)
        if not self._thread.is_alive():
            self._client.close()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                self._try()
        except Exception as error:  # noqa: BLE001 - the thread that draws raises it
            self.error = error
        self.ready.set()
        self._on_change()

    def _try(self) -> None:
        """Follow until Redis is away, then say so and wait a moment."""
        try:
            self._follow()
        except Unavailable as error:
            if not error.passing or not self.ready.is_set():
                raise
            self._board.troubled(error.message)
            self._on_change()
            self._stopped.wait(PAUSE)

    def _follow(self) -> None:
        missed = True  # what happened before we listened
        asked = time.monotonic()
        with closing(self._client.nudges(LOOK)) as nudges:
            for nudge in nudges:
                if self._stopped.is_set():
                    return
                if nudge is not None:
                    self._board.nudged(nudge)
                elif missed or time.monotonic() - asked < LOOK / 2:  # too early for a quiet moment: a new subscription
                    self._board.read_all()
                    self._on_change()
                    missed = False
                    self.ready.set()
                if self._board.read_due():
                    self._on_change()
                asked = time.monotonic()
