"""The verbs of `konductor-sidecar`. What a verb needs is imported when it is used."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from konductor_core import __version__, identity
from konductor_core.amounts import parse_amount
from konductor_core.annotations import ARRIVES, WAITS
from konductor_core.durations import to_ms
from konductor_core.errors import InvalidInput, quoted
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sidecar.main import Ending

ON_LOST = ("continue", "signal", "delete-pod")


class Checked(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.3 only
    """A parameter whose text is checked by a function of the text."""

    def __init__(self, name: str, check: Callable[[str], Any]) -> None:
        self.name = name
        self._check = check

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401, ARG002
        """Check the text; a default that is no text is right already."""
        return self._check(value) if isinstance(value, str) else value


def _object(text: str, kinds: Collection[Kind]) -> tuple[Kind, str]:
    """`barrier/NAME` as kind and name."""
    word, slash, name = text.partition("/")
    if not slash:
        raise InvalidInput(f"{quoted(text)} names no object: write it like {min(kinds).key}/NAME")
    kind = Kind.parse(word)
    if kind not in kinds:
        raise InvalidInput(
            f"{quoted(text)} can't be used here: use {' or '.join(f'{each.key}/NAME' for each in kinds)}"
        )
    return kind, identity.check_name(name)


def _duration(text: str) -> str:
    to_ms(text)
    return text


def _priority(text: str) -> int:
    if not text.removeprefix("-").isdecimal() or len(text) > 9:
        raise InvalidInput(f"priority {quoted(text)} is not a whole number: use one from -1000 to 1000")
    return identity.check_priority(int(text))


DURATION = Checked("duration", _duration)
HOLDER = Checked("holder", identity.check_holder)


@click.group("konductor-sidecar")
@click.version_option(__version__, prog_name="konductor-sidecar", message="%(prog)s %(version)s")
def root() -> None:
    """Wait, acquire and hold on behalf of the other containers of a pod.

    The webhook puts it into pods. Connection and identity come from the same variables as koncli's, the volume that the
    containers share is at /var/run/konductor, and exit codes are those of koncli.
    """


@root.command()
@click.argument("target", type=Checked("object", lambda text: _object(text, WAITS)), metavar="KIND/NAME")
@click.option("--timeout", type=DURATION, help="Give up after so long (exit 3), restarts of the container included.")
def wait(target: tuple[Kind, str], timeout: str | None) -> None:
    """Wait until a barrier or a gate is open, or what a wait group or a once is about is done."""
    from sidecar.waiting import wait_for

    wait_for(*target, timeout)


@root.command()
@click.argument(
    "amounts", type=Checked("amount", parse_amount), nargs=-1, required=True, metavar="KIND/NAME[=AMOUNT]..."
)
@click.option("--ttl", type=DURATION, help="How long the leases live unless renewed; by default the objects' own.")
@click.option("--timeout", type=DURATION, help="Give up after so long (exit 3); 0 tries once (exit 4).")
@click.option("--priority", type=Checked("priority", _priority), default=0, help="Higher goes first, -1000 to 1000.")
@click.option("--holder", type=HOLDER, help="Who holds; by default the pod.")
def acquire(amounts: Sequence[tuple[str, int]], **options: Any) -> None:  # noqa: ANN401 - as acquire_all calls them
    """Acquire permits for the pod, all or none, and leave them to the keeper."""
    from sidecar.acquiring import acquire_all

    if len(dict(amounts)) < len(amounts):
        raise InvalidInput("an object is named twice: name each once, with all the permits of it")
    acquire_all(dict(amounts), **options)


@root.command()
@click.option("--on-lost", type=click.Choice(ON_LOST), default="continue", help="What happens when a lease is lost.")
@click.option("--api", is_flag=True, help="Serve the local API: on a socket in the volume, and on loopback.")
@click.option("--no-loopback", is_flag=True, help="Serve it on the socket only, as in the host's network.")
@click.pass_obj
def keep(ending: Ending, /, **options: Any) -> None:  # noqa: ANN401 - as keep_all calls them
    """Renew what was acquired until SIGTERM, then give it back."""
    from sidecar.keeping import keep_all

    keep_all(ending, **options)


@root.command()
def ready() -> None:
    """Tell whether the keeper looks after everything: exit 0, else 1."""
    from sidecar.volume import is_ready

    if not is_ready(os.environ):
        click.get_current_context().exit(1)


@root.command()
@click.argument("target", type=Checked("object", lambda text: _object(text, ARRIVES)), metavar="KIND/NAME")
def arrive(target: tuple[Kind, str]) -> None:
    """Arrive at a barrier, or be done in a wait group; doing so again counts once."""
    from sidecar.waiting import arrive_at

    arrive_at(*target)


def run(arguments: Sequence[str], ending: Ending) -> int:
    """Parse and run one command line; returns the exit code, raises what went wrong."""
    with root.make_context("konductor-sidecar", list(arguments), obj=ending) as ctx:
        root.invoke(ctx)
    return 0
