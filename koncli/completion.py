"""`koncli completion`: the script that makes a shell complete koncli's commands, options and object names."""

from __future__ import annotations

import click

from koncli.options import Verb
from koncli.output import write

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", cls=Verb, example="source <(koncli completion bash)")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell, for its start-up file."""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    if script is None:
        ctx.fail(f"no completion for {shell}")
    write(script(ctx.find_root().command, {}, "koncli", "_KONCLI_COMPLETE").source())
