"""Types and decorators of the parameters that several verbs share.

Values are checked here, before anything is sent: the error names the parameter, the value and the remedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from konductor_core import identity
from konductor_core.durations import to_ms
from konductor_core.errors import InvalidInput, KonductorError, quoted

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
    from click.shell_completion import CompletionItem

    from konductor_core.identity import Kind

if not TYPE_CHECKING:
    ParamType = click.ParamType  # generic since click 8.3 only

F = TypeVar("F", bound=Callable[..., Any])

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


def _what(param: click.Parameter | None) -> str:
    """Return the parameter as the user writes it: `--ttl`, `NAME`."""
    if param is None:
        return "value"
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return (param.metavar or param.name or "value").strip("[].").upper()


class Checked(ParamType):
    """A parameter whose text is checked by a function `(value, what) -> value` of the core."""

    def __init__(self, name: str, check: Callable[[str, str], Any]) -> None:
        self.name = name
        self._check = check

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401, ARG002
        """Check the text; a default that is no text is right already."""
        return self._check(value, _what(param)) if isinstance(value, str) else value


def _duration(value: str, what: str) -> str:
    to_ms(value, what=what)
    return value


def whole_number(value: str, what: str) -> int:
    """Return the text as an int; InvalidInput if it is anything else or longer than 18 digits."""
    if not _WHOLE_NUMBER.fullmatch(value):
        raise InvalidInput(f"{what} {quoted(value)} is not a whole number of a sensible size")
    return int(value)


def _count(minimum: int) -> Callable[[str, str], int]:
    return lambda value, what: identity.check_count(whole_number(value, what), what, minimum)


def _label(value: str, what: str) -> tuple[str, str]:
    key, equals, text = value.partition("=")
    if not equals or not key:
        raise InvalidInput(f"{what} {quoted(value)} is not a label", hint="write it like stage=extract")
    from konductor_core.labels import check_labels

    check_labels({key: text}, what)
    return key, text


DURATION = Checked("duration", _duration)
HOLDER = Checked("holder", identity.check_holder)
COUNT = Checked("count", _count(1))
COUNT_FROM_ZERO = Checked("count", _count(0))
INTEGER = Checked("number", whole_number)
PRIORITY = Checked("priority", lambda value, what: identity.check_priority(whole_number(value, what)))
LABEL = Checked("label", _label)


class ObjectName(ParamType):
    """The name of an object; completes from the objects that exist."""

    name = "name"

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401, ARG002
        """Check that an object could have this name."""
        return identity.check_name(value, _what(param))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Names of existing objects; none if Redis doesn't answer."""
        from click.shell_completion import CompletionItem

        from koncli.app import App

        app = ctx.find_object(App) or App()
        try:
            names = [name for _, name in app.client().objects(self._kind)]
        except KonductorError:
            return []
        finally:
            app.close()
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def name_argument(kind: Kind, *, many: bool = False) -> Callable[[F], F]:
    """`NAME` of one object, or `NAMES...` of several."""
    if many:
        return click.argument("names", type=ObjectName(kind), nargs=-1, required=True, metavar="NAME...")
    return click.argument("name", type=ObjectName(kind))


holder_option = click.option(
    "--holder", type=HOLDER, metavar="TEXT", help="Who holds; by default this pod or host, as KONDUCTOR_HOLDER says."
)
must_exist_option = click.option(
    "--must-exist", is_flag=True, help="Exit 2 at once if the object does not exist, instead of waiting for it."
)
label_option = click.option(
    "-l",
    "--label",
    "labels",
    type=LABEL,
    multiple=True,
    metavar="KEY=VALUE",
    help="Label of the object; may be repeated.",
)
ignore_not_found_option = click.option(
    "--ignore-not-found", is_flag=True, help="An object that does not exist is no error."
)


def timeout_option(text: str) -> Callable[[F], F]:
    """`--timeout D`, with what it means for the verb."""
    return click.option("--timeout", type=DURATION, metavar="DURATION", help=text)
