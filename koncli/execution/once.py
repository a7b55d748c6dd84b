"""`koncli once run`: one process runs the command, all others wait until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from koncli.execution.completion import Completion
from koncli.execution.ending import die_of_interrupt, leave
from koncli.execution.keeper import Keeper
from koncli.execution.program import find_program
from koncli.execution.terms import check_grace, grace_of, variables_of
from koncli.kinds import ref
from koncli.once import report_done
from koncli.output import message
from koncli.progress import Waiting
from konductor_core.errors import AlreadyDone
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from koncli.app import App
    from konductor_core.handles.once import Run


def run_once(
    app: App,
    name: str,
    *,
    command: tuple[str, ...],
    ttl: str | None,
    grace: str | None,
    result: str | None,
    timeout: str | None,
    **ask: Any,  # noqa: ANN401 - the other options are what begin calls them
) -> None:
    """Run the command if nobody has done it, and leave with its exit code; return if it was done by another."""
    label = ref(Kind.ONCE, name)
    check_grace(grace, ttl)
    path = find_program(command[0], app.env)
    with Keeper.of(path, command, lambda text: message(f"{label}: {text}")) as keeper:
        try:
            run = _begin(app, keeper, name, ttl=ttl, timeout=app.limit(timeout), **ask)
        except AlreadyDone as error:
            report_done(app, name, error)
            return
        completion = Completion(run, result)
        leases = completion.leases
        try:
            completion.ended = keeper.run(leases, variables_of(app, leases), grace_of(grace, leases, label))
        finally:
            keeper.close()
            completion.perform()
    completion.check()
    leave(app, completion.ended, completion, path)


def _begin(app: App, keeper: Keeper, name: str, **ask: Any) -> Run:  # noqa: ANN401
    """Wait for the turn to run it; the client comes after the guardian's fork."""
    try:
        with Waiting(ref(Kind.ONCE, name)) as progress:
            return app.client().once(name).begin(renew=True, on_progress=progress, on_lost=keeper.note_loss, **ask)
    except KeyboardInterrupt:
        if keeper.has_terminal:
            message("interrupted")
            die_of_interrupt()
        raise
