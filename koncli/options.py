"""The root options, which work at any position, and the command classes that accept them.

Every command and group of koncli is a `Verb` or a `VerbGroup`: it takes the root options beside its own and
notes them in the `Flags` of the run, so `koncli -o json barrier status x` and
`koncli barrier status x -o json` are the same. A later one wins.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

OUTPUTS = ("text", "wide", "json", "yaml", "name")
LOG_LEVELS = ("debug", "info", "warn", "warning", "error")


@dataclass(slots=True)
class Flags:
    """What the command line said; None where it said nothing."""

    output: str | None = None
    redis_url: str | None = None
    namespace: str | None = None
    log_level: str | None = None
    verbose: int = 0
    no_color: bool = False

    def settings(self) -> dict[str, object]:
        """Return the flags that `Settings.load` puts before variables and the config file."""
        return {
            "redis_url": self.redis_url,
            "namespace": self.namespace,
            "output": self.output,
            "log_level": self.log_level or ("info" if self.verbose else None),
            "no_color": self.no_color or None,
        }


def _note(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Keep a root option's value for the whole run, if it was given here."""
    if ctx.resilient_parsing or param.name is None or value in (None, False, 0):
        return
    setattr(ctx.find_root().obj.flags, param.name, value)


def _root_option(*names: str, **attributes: Any) -> click.Option:  # noqa: ANN401 - click's own signature
    return click.Option(names, expose_value=False, is_eager=True, callback=_note, **attributes)


def _refuse(_ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Refuse an option of the cluster's tools by which somebody means to choose what koncli works on."""
    if value is not None:
        raise click.UsageError(
            f"{param.opts[0]} chooses a cluster, and koncli works on a Redis: name that with --redis-url, "
            "and the namespace with -n"
        )


ROOT_OPTIONS: tuple[click.Option, ...] = (
    _root_option(
        "-o",
        "--output",
        type=click.Choice(OUTPUTS),
        metavar="FORMAT",
        help="text, wide, json, yaml or name. JSON is one document on stdout; messages go to stderr.",
    ),
    _root_option("-n", "--namespace", metavar="NAME", help="Namespace of the objects."),
    _root_option(
        "--redis-url", metavar="URL", help="redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://"
    ),
    _root_option("-v", "--verbose", count=True, help="Say more; show tracebacks of unexpected errors."),
    _root_option("--log-level", type=click.Choice(LOG_LEVELS), metavar="LEVEL", help="debug, info, warning or error."),
    *(
        click.Option((name,), expose_value=False, is_eager=True, hidden=True, callback=_refuse)
        for name in ("--kubeconfig", "--context")
    ),
    _root_option("--no-color", is_flag=True, help="No colours, also where stdout is a terminal."),
)

_POINTER = "Root options work here, too: -o, -n, --redis-url, -v, --log-level, --no-color (see koncli --help)."


class Verb(click.Command):
    """A command that takes the root options beside its own; `example` is shown in its help."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        super().__init__(*args, **kwargs)
        self.example = example

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, then the root options."""
        return [*super().get_params(ctx), *ROOT_OPTIONS]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write only the own options; the root options have their page in `koncli --help`."""
        _write_options(super().get_params(ctx), ctx, formatter)

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example, and a pointer to the root options."""
        if self.example:
            with formatter.section("Example"):
                for line in self.example.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
        formatter.write_paragraph()
        formatter.write_text(_POINTER)


class VerbGroup(click.Group):
    """A group whose commands are `Verb`s; without a command it prints its help and exits 64."""

    command_class = Verb
    group_class = type
    last: frozenset[str] = frozenset()
    """Commands that the help lists after the others."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        kwargs.setdefault("no_args_is_help", False)
        kwargs["invoke_without_command"] = True
        kwargs["callback"] = _want_command
        super().__init__(*args, **kwargs)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the group's own parameters, then the root options."""
        return [*super().get_params(ctx), *ROOT_OPTIONS]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the root options in full on the root's page, own options elsewhere; then the commands."""
        params = self.get_params(ctx) if ctx.parent is None else super().get_params(ctx)
        _write_options(params, ctx, formatter)
        self.format_commands(ctx, formatter)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """In the order they were added, `last` ones last."""
        return sorted(self.commands, key=lambda name: name in self.last)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which ones are close to what was typed."""
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing and not name.startswith("-"):
            ctx.fail(_no_such_command(name, self.list_commands(ctx), ctx.command_path))
        return super().resolve_command(ctx, args)


def _want_command() -> None:
    """Show what there is to a user who named no command."""
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(64)


def _write_options(params: list[click.Parameter], ctx: click.Context, formatter: click.HelpFormatter) -> None:
    options = [param for param in params if isinstance(param, click.Option)]
    records = [record for option in options if (record := option.get_help_record(ctx)) is not None]
    if records:
        with formatter.section("Options"):
            formatter.write_dl(records)


def _no_such_command(name: str, known: list[str], path: str) -> str:
    from difflib import get_close_matches

    shown = name if len(name) <= 60 else name[:59] + "…"
    if name == "operator":
        return (
            f"{path} has no command {shown!r}; kubectl -n konductor-system get pods shows the controller, "
            "and koncli doctor checks Redis"
        )
    close = get_close_matches(name, known, n=1)
    advice = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
    return f"{path} has no command {shown!r}; {advice}"


def verb(group: click.Group, name: str | None = None, *, example: str = "") -> Callable[[Callable[..., Any]], Verb]:
    """Make a function a verb of the group, with an example for its help."""

    def decorate(function: Callable[..., Any]) -> Verb:
        command = click.command(name, cls=Verb, example=example)(function)
        group.add_command(command)
        return command

    return decorate
