"""`koncli events`: what happened, oldest first, in UTC; with -f also what happens from now on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from koncli.app import App, pass_app
from koncli.kinds import ref
from koncli.options import Verb
from koncli.parameters import COUNT, timeout_option
from koncli.targets import Target, parse_targets
from konductor_core.amounts import mode_of
from konductor_core.durations import rfc3339, to_ms
from konductor_core.errors import Unavailable
from konductor_core.identity import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from konductor_core.models import Event

Happened = tuple["Kind", str, "Event"]


@click.command("events", cls=Verb, example="koncli events semaphore/load-concurrency -f")
@click.argument("objects", nargs=-1, metavar="[KIND[/NAME]]...")
@click.option("-f", "--follow", is_flag=True, help="Go on printing new events until interrupted.")
@click.option("--limit", type=COUNT, default=100, show_default=True, help="At most so many events of each object.")
@timeout_option("With --follow: end after this long.")
@pass_app
def events(app: App, objects: tuple[str, ...], *, follow: bool, limit: int, timeout: str | None) -> None:
    """Print the events of objects, or of all: grants, releases, expiries, arrivals, openings."""
    targets = parse_targets(objects)
    if follow:
        _follow(app, targets, limit, timeout)
        return
    found = sorted(_read_all(app, targets, limit, {}), key=_order)
    app.out.show(
        lambda: [_document(app, each) for each in found],
        lambda: "\n".join(_line(each) for each in found),
        dict.fromkeys(ref(kind, name) for kind, name, _ in found),
        empty=f"no events in namespace {app.settings.namespace}",
    )


def _order(each: Happened) -> tuple[int, str]:
    return each[2].at_ms, each[2].id


def _read_all(app: App, targets: Sequence[Target], limit: int, seen: dict[tuple[Kind, str], str]) -> list[Happened]:
    """Return the events of all objects the targets name, each object's since the id in `seen`, which is moved on."""
    found: list[Happened] = []
    for target in targets:
        names = [target.name] if target.name else [name for _, name in app.client().objects(target.kind)]
        for name in names:
            new = _read(app, target.kind, name, limit, seen)
            if target.name and not new and (target.kind, name) not in seen:
                app.handle(target.kind, name).status()  # NotFound, if that is why nothing happened
            found += new
    return found


def _read(app: App, kind: Kind, name: str, limit: int, seen: dict[tuple[Kind, str], str]) -> list[Happened]:
    handle = app.handle(kind, name)
    found: list[Event] = []
    while True:
        since = seen.get((kind, name))
        new = handle.events(limit=limit, since_id=since)
        found += new
        if new:
            seen[kind, name] = new[-1].id
        if since is None or len(new) < limit:
            return [(kind, name, event) for event in found]


def _follow(app: App, targets: Sequence[Target], limit: int, timeout: str | None) -> None:
    """Print what happened, then what happens, until the timeout or an interrupt."""
    import time

    from koncli.watch import LOOK_AGAIN, PAUSE, nudges
    from konductor_core.durations import HEARTBEAT

    deadline = None if timeout is None else time.monotonic() + to_ms(timeout) / 1000
    seen: dict[tuple[Kind, str], str] = {}
    again_at = 0.0
    for nudge in nudges(app):
        now = time.monotonic()
        new: list[Happened] = []
        try:
            if nudge is LOOK_AGAIN or now >= again_at:
                new = _read_all(app, targets, limit, seen)
                again_at = now + HEARTBEAT / 1000
            elif isinstance(nudge, tuple) and any(t.kind is nudge[0] and t.name in (None, nudge[1]) for t in targets):
                new = _read_all(app, [Target(*nudge)], limit, seen)
        except Unavailable as error:
            if not error.passing:
                raise
            again_at = now + PAUSE
        for each in sorted(new, key=_order):
            _print(app, each)
        if deadline is not None and time.monotonic() >= deadline:
            return


def _print(app: App, each: Happened) -> None:
    app.out.stream(_document(app, each), _line(each), ref(each[0], each[1]))


def _line(each: Happened) -> str:
    """`2026-01-02T03:04:05.678Z  semaphore/x  granted  holder=a permits=2 token=17… until=…`."""
    kind, name, event = each
    parts = [rfc3339(event.at_ms), ref(kind, name), event.type]
    detail = event.detail or ""
    if event.token and detail.isdigit():
        detail = f"until={rfc3339(int(detail))}"
    facts = [
        f"holder={event.holder}" if event.holder else "",
        _amount(kind, event),
        f"token={event.token}" if event.token else "",
        detail,
    ]
    return "  ".join(part for part in (*parts, " ".join(fact for fact in facts if fact)) if part)


def _amount(kind: Kind, event: Event) -> str:
    """Return how much it was about, of the kinds where it may differ."""
    if event.permits and kind is Kind.RWMUTEX and event.holder:
        return f"mode={mode_of(event.permits)}"
    return f"permits={event.permits}" if event.permits and kind is Kind.SEMAPHORE else ""


def _document(app: App, each: Happened) -> dict[str, object]:
    kind, name, event = each
    fields = {
        "at": rfc3339(event.at_ms),
        "kind": str(kind),
        "name": name,
        "namespace": app.settings.namespace,
        "id": event.id,
        "type": event.type,
        "holder": event.holder,
        "token": event.token,
        "permits": event.permits if kind in {Kind.SEMAPHORE, Kind.BARRIER} else None,
        "mode": mode_of(event.permits) if event.permits and event.holder and kind is Kind.RWMUTEX else None,
        "detail": event.detail,
    }
    return {key: value for key, value in fields.items() if value not in (None, "")}
