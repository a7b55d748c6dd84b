"""What a container's log gets: a line for each change of a wait, one or two for an error, all as koncli words them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from konductor_core.durations import about
from konductor_core.errors import InvalidInput, KonductorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core.flows.steps import Progress


def message(text: str) -> None:
    """Print one line on stderr; a log that nobody reads changes nothing."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, AttributeError):
        pass


def progress(label: str) -> Callable[[Progress], None]:
    """Return what prints the steps of one wait, each only if it says something new."""
    last = ""

    def show(step: Progress) -> None:
        nonlocal last
        if step.text == last:
            return
        last = step.text
        line = step.text if label in step.text else f"{label}: {step.text}"
        if step.deadline_in is not None:
            line += f", {about(round(step.deadline_in * 1000))} left"
        message(line)

    return show


def report(error: BaseException) -> int:
    """Say what ended the program; returns the exit code."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.ClickException):
        error = InvalidInput(error.format_message(), hint="see konductor-sidecar --help")
    elif not isinstance(error, KonductorError):
        error = KonductorError(f"unexpected {type(error).__name__}: {error}")
    message(f"error: {' '.join(error.message.split())}")
    if error.hint:
        message(f"hint: {' '.join(error.hint.split())}")
    return error.exit_code
