"""`koncli explain`: why something waits, from one object and holder to the next, and what can be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from koncli.app import App, pass_app
from koncli.options import Verb
from koncli.parameters import ParamType
from konductor_core.identity import check_holder

if TYPE_CHECKING:
    from typing import Any

    from click.shell_completion import CompletionItem

    from konductor_core.explaining.explanation import Explanation


class Subject(ParamType):
    """An object as KIND/NAME, a pod or a holder; completes from all of them."""

    name = "subject"

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> Any:  # noqa: ANN401
        """Check that there could be such a name."""
        return check_holder(value, "KIND/NAME, POD or HOLDER")

    def shell_complete(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Objects, pods and holders of the namespace; none if Redis doesn't answer."""
        from click.shell_completion import CompletionItem

        from konductor_core.errors import KonductorError
        from konductor_core.explaining.explanation import explainable
        from konductor_core.flows.scenes import read_scene

        app = ctx.find_object(App) or App()
        try:
            client = app.client()
            names = explainable(client.driver.run(read_scene(client.namespace)))
        except KonductorError:
            return []
        finally:
            app.close()
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command("explain", cls=Verb, example="koncli explain semaphore/load-concurrency")
@click.argument("subject", type=Subject(), metavar="KIND/NAME|POD|HOLDER")
@pass_app
def explain(app: App, subject: str) -> None:
    """Say why something waits, what for, who is in its way and what those wait for themselves.

    Name an object, or who waits: a pod or a holder. A ring of waits is called a deadlock, with the ways out of it; one
    that goes through a barrier or through several processes of a pod is called likely. Whether there is one does not
    change the exit code: with -o json, `deadlock` says it, and `certain`.
    """
    found = app.client().explain(subject)
    app.out.show(found.to_dict, lambda: _text(app, found), [found.subject])


def _text(app: App, found: Explanation) -> str:
    """Return the sentences, each reason below what it explains; then the deadlock, and the ways out."""
    lines = ["  " * link.depth + link.text for link in found.chain]
    if found.deadlock is not None:
        lines += ["", app.out.paint(found.ring_text, "red" if found.deadlock.certain else "yellow")]
    if found.remedies:
        lines += ["", "ways out:" if found.deadlock else "what can be done:"]
    for remedy in found.remedies:
        lines.append(f"  {remedy.text}" + (f": {remedy.command}" if remedy.command else ""))
    if found.unread:
        lines += ["", f"{found.unread} more objects of the namespace were not looked at"]
    return "\n".join(lines)
