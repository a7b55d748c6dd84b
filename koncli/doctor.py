"""`koncli doctor`: whether Redis, and what this user may do there, is what Konductor needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from koncli.app import App, pass_app
from koncli.checks.findings import Finding, Verdict, bad, hidden, worst
from koncli.options import Verb
from konductor_core.errors import KonductorError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from koncli.checks.probe import Probe

NOT_REACHED: Final = hidden("not looked at: there is no connection", "see to the connection first")
UNREACHABLE: Final = Unavailable.exit_code
FAILED: Final = 6
COLORS: Final[dict[Verdict, str]] = {"ok": "green", "warn": "yellow", "fail": "red", "unknown": "yellow"}
SUMMARIES: Final[dict[Verdict, str]] = {
    "ok": "Konductor can rely on this Redis",
    "unknown": "nothing is wrong with what this user may see",
    "warn": "Konductor works here; see the warnings",
    "fail": "Konductor does not work as it should here",
}


def _checks() -> dict[str, Callable[[Probe], Finding]]:
    from koncli.checks import clock, durability, rights, server

    return {
        "connection": server.connection,
        "server": server.server,
        "topology": server.topology,
        "memory": durability.memory,
        "persistence": durability.persistence,
        "replicas": durability.replicas,
        "clock": clock.clock,
        "rights": rights.rights,
        "channel": rights.channel,
        "scripts": rights.scripts,
    }


@click.command("doctor", cls=Verb, example="koncli doctor -n etl")
@pass_app
def doctor(app: App) -> None:
    """Check that Redis is what Konductor needs, and say what to do where it is not.

    Each check ends with a verdict: ok, warn (works, with less safety or speed), fail, or unknown (this user may not
    look). Nothing is changed but a key of the doctor's own, which is removed.

    Exit codes: 0 nothing fails, 5 Redis cannot be reached or refuses this user, 6 a check fails.
    """
    found, reached = _examine(app)
    verdict = worst(found.values())
    app.out.show(
        lambda: {"verdict": verdict, "checks": [_document(name, finding) for name, finding in found.items()]},
        lambda: _text(app, found, verdict),
        [verdict],
    )
    if verdict == "fail":
        click.get_current_context().exit(FAILED if reached else UNREACHABLE)


def _examine(app: App) -> tuple[dict[str, Finding], bool]:
    """Make every check; return what each found, and whether the server answered to the end."""
    from koncli.checks.probe import Probe, RefusedError

    probe = Probe(app.client())
    found: dict[str, Finding] = {}
    reached = True
    for name, check in _checks().items():
        if not reached:
            found[name] = NOT_REACHED
            continue
        try:
            found[name] = check(probe)
        except KonductorError as error:
            found[name] = bad(error.message, error.hint or "try again in a moment")
            reached = False
        except RefusedError as error:
            found[name] = bad(error.failure.message, error.failure.hint or "see the server's log")
    return found, reached


def _document(name: str, finding: Finding) -> dict[str, str]:
    document = {"name": name, "verdict": finding.verdict, "message": finding.message}
    return document | ({"remedy": finding.remedy} if finding.remedy else {})


def _text(app: App, found: dict[str, Finding], verdict: Verdict) -> str:
    """Return a line for each check, its remedy below it, and the verdict on all."""
    lines = []
    for name, finding in found.items():
        if finding is NOT_REACHED:
            continue
        word = app.out.paint(f"{finding.verdict:<7}", COLORS[finding.verdict])
        lines.append(f"{word}  {name:<11}  {finding.message}")
        if finding.remedy:
            lines.append(f"{'':22}→ {finding.remedy}")
    skipped = sum(finding is NOT_REACHED for finding in found.values())
    summary = SUMMARIES[verdict] + (f"; {skipped} checks were left out" if skipped else "")
    return "\n".join([*lines, f"{app.out.paint(verdict, COLORS[verdict])}: {summary}"])
