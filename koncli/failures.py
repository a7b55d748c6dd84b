"""Exceptions → one clear line on stderr (or one JSON document) and an exit code.

error: semaphore/load-concurrency does not exist in namespace etl
hint: create it: koncli semaphore create load-concurrency --permits N
"""

import os
import sys
from collections.abc import Sequence
from itertools import takewhile

import click

from konductor_core.errors import InvalidInput, KonductorError

USAGE = 64
LONGEST = 600
"""Characters of a message that are shown; a 10 kB argument stays one readable line."""


def one_line(text: str) -> str:
    """Return the text without line breaks or control characters, cut in the middle if it is too long."""
    flat = " ".join(text.split())
    flat = "".join(c if c.isprintable() else repr(c)[1:-1] for c in flat)
    if len(flat) > LONGEST:
        half = LONGEST // 2
        return f"{flat[:half]} … {flat[-half:]}"
    return flat


def _last_value(arguments: Sequence[str], short: str, long: str) -> str | None:
    """Return the last value of an option, for when click gave up before it had read it."""
    found = None
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument in (short, long) and position + 1 < len(arguments):
            found = arguments[position + 1]
        elif argument.startswith(long + "="):
            found = argument[len(long) + 1 :]
        elif argument.startswith(short) and not argument.startswith("--") and len(argument) > len(short):
            found = argument[len(short) :]
    return found


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether errors are to be printed as JSON: flag, variable, config file."""
    chosen = _last_value(arguments, "-o", "--output")
    if chosen is None:
        from konductor_core.config import Settings

        try:
            chosen = Settings.load().output
        except KonductorError:
            chosen = os.environ.get("KONDUCTOR_OUTPUT")
    return chosen == "json"


def wants_traceback(arguments: Sequence[str]) -> bool:
    """Whether `-v` was given: only then an unexpected error shows its traceback."""
    own = takewhile(lambda argument: argument != "--", arguments)  # the rest is a command's
    return any(a == "--verbose" or (a.startswith("-v") and set(a[1:]) == {"v"}) for a in own)


def print_error(error: KonductorError, *, as_json: bool) -> None:
    """Print one error on stderr; a stderr that is gone changes nothing."""
    if sys.stderr is None:
        return
    try:
        if as_json:
            import json

            text = json.dumps(error.to_dict(), ensure_ascii=False)
        else:
            text = f"error: {one_line(error.message)}"
            if error.hint:
                text += f"\nhint: {one_line(error.hint)}"
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except OSError:
        pass


def _from_click(error: click.ClickException) -> KonductorError:
    """Click's message in our words; the hint names the help page of the command it is about."""
    hint = None
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"see {error.ctx.command_path} --help"
    return InvalidInput(error.format_message(), hint=hint)


def report(error: BaseException, arguments: Sequence[str]) -> int:
    """Tell the user about an exception that ended the program; returns the exit code."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, click.Abort):
        return 130
    if isinstance(error, click.ClickException):
        error = _from_click(error)
    if not isinstance(error, KonductorError):
        error = _unexpected(error, arguments)
    print_error(error, as_json=wants_json(arguments))
    return error.exit_code


def _unexpected(error: BaseException, arguments: Sequence[str]) -> KonductorError:
    if wants_traceback(arguments):
        import traceback

        traceback.print_exception(error)
    what = str(error) or "no message"
    return KonductorError(f"unexpected {type(error).__name__}: {what}", hint="-v shows where it happened")
