"""The tree of commands. A command's module is imported when the command is used, and no other."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

from koncli.app import App
from koncli.options import VerbGroup
from konductor_core import __version__
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: dict[str, tuple[str, str]] = {
    "barrier": ("koncli.barrier:barrier", "Wait until enough have arrived."),
    "semaphore": ("koncli.semaphore:semaphore", "Share a number of permits."),
    "lease": ("koncli.lease:lease", "Give a role to one holder at a time."),
    "mutex": ("koncli.mutex:mutex", "Lock what one may do at a time."),
    "rwmutex": ("koncli.rwmutex:rwmutex", "Lock to read together, or to write alone."),
    "once": ("koncli.once:once", "Do something once, or wait until it is done."),
    "waitgroup": ("koncli.waitgroup:waitgroup", "Wait until all members are done."),
    "gate": ("koncli.gate:gate", "Wait until conditions hold."),
    "acquire": ("koncli.acquire:acquire", "Take several at once, all or none."),
    "renew": ("koncli.acquire:renew", "Renew what acquire took."),
    "release": ("koncli.acquire:release", "Give back what acquire took."),
    "apply": ("koncli.apply:apply", "Create or update the objects of manifests."),
    "delete": ("koncli.apply:delete", "Delete objects by manifest, name or label."),
    "get": ("koncli.get:get", "Show objects of one, several or all kinds."),
    "status": ("koncli.status:status", "Show one object."),
    "events": ("koncli.events:events", "Print what happened to objects."),
    "exec": ("koncli.exec:exec_", "Run a command while holding permits."),
    "explain": ("koncli.explain:explain", "Say why something waits."),
    "top": ("koncli.top:top", "Show objects, holders, waiters and events, live."),
    "doctor": ("koncli.doctor:doctor", "Check that Redis is what Konductor needs."),
    "local": ("koncli.local.cli:local", "Run manifests on this machine."),
    "version": ("koncli.version:version", "Print versions."),
    "completion": ("koncli.completion:completion", "Print a shell's completion script."),
}
"""Command → where it is and what it does, so that help and completion need not import it."""

ALIASES = {alias: kind.key for kind in Kind for alias in (kind.short, kind.plural) if kind.key in COMMANDS}
"""Short name or plural of a kind → its command."""


class Root(VerbGroup):
    """The group that finds its commands in COMMANDS."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All commands, kinds first."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import a command's module; None if there is no such command."""
        target = COMMANDS.get(ALIASES.get(name, name))
        if target is None:
            return None
        module, _, attribute = target[0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group("koncli", cls=Root)
@click.version_option(__version__, prog_name="koncli", message="%(prog)s %(version)s")
def root() -> None:
    """Coordinate Jobs and Pods: barriers, semaphores, leases and locks in Redis.

    Exit codes: 0 done, 1 unexpected, 2 not found, 3 timed out, 4 denied, 5 Redis unavailable,
    6 failed or lost, 64 usage, 130 and 143 interrupted.
    """


def run(arguments: Sequence[str]) -> int:
    """Parse and run one command line; returns the exit code, raises what went wrong."""
    instruction = os.environ.get("_KONCLI_COMPLETE")
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(root, {}, "koncli", "_KONCLI_COMPLETE", instruction)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            # A holder may have characters that the terminal's encoding lacks.
            stream.reconfigure(errors="backslashreplace")
    app = App()
    try:
        with root.make_context("koncli", list(arguments), obj=app) as ctx:
            root.invoke(ctx)
    finally:
        app.close()
    return 0
