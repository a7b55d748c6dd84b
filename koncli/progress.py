"""How a wait looks: one live line on a terminal, one line for each change in a log. All on stderr.

extract-complete: 2/5 arrived, waiting for 3 more, 1h58m left
"""

import os
import sys
import threading
import time
from types import TracebackType
from typing import Protocol, Self

from konductor_core.durations import about

TICK = 1.0
"""Seconds between two rewrites of the live line, so that its countdown moves."""


class Step(Protocol):
    """What the library reports of a wait (`konductor_core`'s Progress)."""

    @property
    def text(self) -> str:
        """What is waited for and how far it is."""

    @property
    def deadline_in(self) -> float | None:
        """Seconds until the wait gives up, None if it never does."""


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Waiting:
    """The printed progress of one wait: call it with each step, use it as a context manager.

    Nothing is printed before the first step, so a wait that ends at once says only its result.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._text = ""
        self._deadline: float | None = None
        self._live = _is_terminal()
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._ticker is not None:
            self._ticker.join()
            self._write("\r\x1b[K")

    def __call__(self, step: Step) -> None:
        """Show a step of the wait; in a log only if it says something new."""
        changed = step.text != self._text
        self._text = step.text
        self._deadline = None if step.deadline_in is None else time.monotonic() + step.deadline_in
        if self._live:
            self._rewrite()
            self._tick()
        elif changed:
            self._write(self._line() + "\n")

    def _line(self) -> str:
        line = self._text if self._label in self._text else f"{self._label}: {self._text}"
        if self._deadline is not None:
            left = max(0.0, self._deadline - time.monotonic())
            line += f", {about(round(left * 1000))} left"
        return line

    def _rewrite(self) -> None:
        try:
            columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        except (OSError, ValueError):
            columns = 80
        self._write("\r\x1b[K" + self._line()[: max(1, columns - 1)])

    def _tick(self) -> None:
        """Start the thread that keeps the countdown moving between steps."""
        if self._ticker is None:
            self._ticker = threading.Thread(target=self._run, name="koncli-progress", daemon=True)
            self._ticker.start()

    def _run(self) -> None:
        while not self._stop.wait(TICK):
            self._rewrite()

    def _write(self, text: str) -> None:
        # A log that nobody reads any more must not end the wait.
        if sys.stderr is None:
            return
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            pass
