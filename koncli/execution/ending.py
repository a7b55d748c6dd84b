"""How koncli ends after the command it ran: as that did, or saying why not."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn

import click

from koncli.failures import print_error
from koncli.output import message
from konductor_core.errors import KonductorError, LeaseLost

if TYPE_CHECKING:
    from koncli.app import App
    from koncli.execution.keeper import Ended
    from koncli.execution.release import Farewell


def leave(app: App, ended: Ended, farewell: Farewell, path: str) -> NoReturn:
    """End as the command did, or say why not."""
    try:
        code = _verdict(ended, farewell, path)
    except KonductorError as error:
        if not farewell.hangs:
            raise
        print_error(error, as_json=app.out.mode == "json")
        code = error.exit_code
    if farewell.hangs:
        os._exit(code)  # closing a connection under a thread that reads from it makes it fail, loudly
    click.get_current_context().exit(code)


def _verdict(ended: Ended, farewell: Farewell, path: str) -> int:
    """Return the exit code; raises what else there is to tell."""
    if ended.failed:
        from koncli.execution.program import not_started

        raise not_started(path, ended.failed)
    if ended.lost or farewell.lost:
        raise LeaseLost(
            f"lost the lease on {farewell.what_was_lost} while the command ran: {ended}",
            hint="others may have held it meanwhile; what the command writes to can refuse its KONDUCTOR_TOKEN",
        )
    if ended.left:
        processes, go = ("process", "goes") if ended.left == 1 else ("processes", "go")
        message(f"{farewell.label}: released; {ended.left} {processes} that the command left behind {go} on without it")
    if ended.interrupted and ended.signal == signal.SIGINT:
        die_of_interrupt()
    return ended.code


def die_of_interrupt() -> None:
    """End by the signal itself: only that tells the script around us that its user wants to end it, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
