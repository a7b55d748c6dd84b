"""`koncli exec`: hold what was asked for, run the command, give it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from koncli.execution.ending import die_of_interrupt, leave
from koncli.execution.keeper import Keeper
from koncli.execution.program import find_program
from koncli.execution.release import Release
from koncli.execution.terms import check_grace, grace_of, variables_of
from koncli.failures import print_error
from koncli.output import message
from koncli.progress import Waiting
from konductor_core.errors import Denied

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koncli.app import App
    from konductor_core.leases import Leases


def run_holding(
    app: App,
    amounts: Mapping[str, int],
    *,
    command: tuple[str, ...],
    ttl: str | None,
    grace: str | None,
    conflict_exit_code: int | None,
    timeout: str | None,
    **ask: Any,  # noqa: ANN401 - the other options are what acquire_all calls them
) -> NoReturn:
    """Run the command while holding all of `amounts`, and leave with its exit code."""
    label = ", ".join(sorted(amounts))
    check_grace(grace, ttl)
    path = find_program(command[0], app.env)
    with Keeper.of(path, command, lambda text: message(f"{label}: {text}")) as keeper:
        ask |= {"amounts": amounts, "ttl": ttl, "timeout": app.limit(timeout)}
        leases = _acquire(app, keeper, conflict_exit_code, label, **ask)
        release = Release(leases)
        try:
            ended = keeper.run(leases, variables_of(app, leases), grace_of(grace, leases, label))
        finally:
            keeper.close()
            release.perform()
    leave(app, ended, release, path)


def _acquire(app: App, keeper: Keeper, conflict_exit_code: int | None, label: str, **ask: Any) -> Leases:  # noqa: ANN401
    """Wait for what is to be held; leaves with the chosen exit code of a refusal."""
    try:
        with Waiting(label) as progress:
            # The client comes after the guardian's fork, which is to have no thread and no connection of ours.
            return app.client().acquire_all(renew=True, on_progress=progress, on_lost=keeper.note_loss, **ask)
    except Denied as error:
        if conflict_exit_code is None:
            raise
        print_error(error, as_json=app.out.mode == "json")
        click.get_current_context().exit(conflict_exit_code)
    except KeyboardInterrupt:
        if keeper.has_terminal:
            message("interrupted")
            die_of_interrupt()
        raise
