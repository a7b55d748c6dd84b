"""A tree of click commands as Markdown.

It reads the commands' own parameters instead of click's help pages, whose layout differs between versions of click.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = "<!-- Made by `make generate` from the commands themselves. Do not edit. -->\n"


def reference(root: click.Command, name: str) -> str:
    """Return the page for `root`, which is called `name`, and for all commands below it."""
    context = click.Context(root, info_name=name)
    everywhere = {option for param in root.get_params(context) for option in param.opts}
    lines = [HEAD, f"# {name}", ""]
    for each in _walk(context):
        lines += _page(each, set() if each is context else everywhere)
    return "\n".join(lines).rstrip() + "\n"


def _walk(context: click.Context) -> Iterator[click.Context]:
    """Yield a context for the command and, group by group, for all those below it that are not hidden."""
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None and not command.hidden:
                yield from _walk(click.Context(command, info_name=name, parent=context))


def _page(context: click.Context, everywhere: set[str]) -> list[str]:
    """Return the lines about one command; options in `everywhere` are the root's, described there."""
    command = context.command
    depth = context.command_path.count(" ")
    lines = [] if depth == 0 else ["#" * min(depth + 1, 4) + f" {context.command_path}", ""]
    lines += ["```console", f"$ {context.command_path} {_usage(context)}".rstrip(), "```", ""]
    if text := inspect.cleandoc(command.help or "").partition("\f")[0].strip():
        lines += [_paragraphs(text), ""]
    options = [
        param
        for param in command.get_params(context)
        if isinstance(param, click.Option) and not param.hidden and not everywhere & set(param.opts)
    ]
    if options:
        lines += ["| option | meaning |", "|---|---|", *(_row(option) for option in options), ""]
    example = getattr(command, "example", "")
    if example:
        lines += ["```console", *(f"$ {line}" for line in example.splitlines()), "```", ""]
    if isinstance(command, click.Group):
        lines += _contents(context, command)
    return lines


def _usage(context: click.Context) -> str:
    """Return the command's arguments as its usage line shows them."""
    words = []
    for param in context.command.get_params(context):
        if isinstance(param, click.Argument):
            word = (param.metavar or param.human_readable_name.upper()).removesuffix("...")
            word = word if param.required or word.startswith("[") else f"[{word}]"
            words.append(word + ("..." if param.nargs != 1 else ""))
    if isinstance(context.command, click.Group):
        words.append("COMMAND")
    return " ".join(["[OPTIONS]", *words])


def _paragraphs(text: str) -> str:
    """Return help text with each paragraph on one line, unless it was marked as verbatim."""
    blocks = []
    for block in re.split(r"\n\s*\n", text):
        if block.startswith("\b"):
            blocks.append("```\n" + block.removeprefix("\b").strip("\n") + "\n```")
        else:
            blocks.append(" ".join(block.split()))
    return "\n\n".join(blocks)


def _row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len))
    if option.secondary_opts:
        names += " / " + ", ".join(f"`{name}`" for name in option.secondary_opts)
    if not option.is_flag and not option.count:
        metavar = option.metavar or option.type.name.upper()
        names += f" `{metavar}`"
    return f"| {names} | {_cell(option.help or '')} |"


def _contents(context: click.Context, group: click.Group) -> list[str]:
    lines = ["| command | what it does |", "|---|---|"]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            lines.append(f"| `{context.command_path} {name}` | {_cell(command.get_short_help_str(200))} |")
    return [*lines, ""]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
