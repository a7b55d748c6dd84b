"""Following objects: read once, then again after every nudge, and slowly without one."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from koncli.kinds import ref
from koncli.output import message, pad, width
from koncli.views import view_of
from konductor_core.durations import HEARTBEAT, to_ms
from konductor_core.errors import NotFound, Unavailable
from konductor_core.identity import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from koncli.app import App
    from konductor_core.identity import Kind
    from konductor_core.models import Status

LOOK = 1.0
"""Seconds after which the nudge iterator gives control back; no command is sent for that."""

PAUSE = 2.0
"""Seconds between tries while Redis is away."""

LOOK_AGAIN = object()
"""In the place of a nudge: we listen now, or again, and may have missed some."""

MOVING = frozenset({"observedAt", "counters", "evaluatedAt", "askedAt"})
"""Fields that change without the object having changed."""


def nudges(app: App) -> Iterator[object]:
    """Yield (kind, name) as objects change, `LOOK_AGAIN` at the start and after an outage, None in quiet moments.

    A Redis that goes away later is waited for, saying so; one that is away at the start is `Unavailable`.
    """
    listened = False
    while True:
        try:
            source = app.client().nudges(LOOK)
            next(source)
            listened = True
            yield LOOK_AGAIN
            yield from source
        except Unavailable as error:
            if not listened or not error.passing:
                raise
            message(f"{error.message}, trying again")
            threading.Event().wait(PAUSE)


class Followed:
    """What is known of one object: its status, None if it is absent, and when to read it again without a nudge."""

    __slots__ = ("_facts", "again_at", "status")

    def __init__(self) -> None:
        self.status: Status | None = None
        self.again_at = 0.0
        self._facts: object = LOOK_AGAIN

    def read(self, app: App, kind: Kind, name: str) -> bool:
        """Read the object; tells whether it differs from what was known."""
        try:
            status: Status | None = app.handle(kind, name).status()
        except NotFound:
            status = None
        except Unavailable as error:
            if self.status is None or not error.passing:
                raise
            self.again_at = time.monotonic() + PAUSE
            return False
        self.status = status
        before, self._facts = self._facts, facts(status)
        wait_ms = HEARTBEAT
        if status is not None and status.next_change_ms >= 0:
            wait_ms = min(wait_ms, max(50, status.next_change_ms))
        self.again_at = time.monotonic() + wait_ms / 1000
        return before != self._facts


def facts(status: Status | None) -> dict[str, object] | None:
    """Return what counts as a change of an object."""
    if status is None:
        return None
    return {key: value for key, value in status.to_dict().items() if key not in MOVING}


def changes(app: App, kind: Kind, name: str | None, timeout: str | None) -> Iterator[tuple[str, Status | None]]:
    """Yield (name, status or None for absent) of one object or all of a kind: first as they are, then at each change.

    Ends after `timeout`, which is None for never.
    """
    deadline = None if timeout is None else time.monotonic() + to_ms(timeout) / 1000
    known: dict[str, Followed] = {}
    for nudge in nudges(app):
        if nudge is LOOK_AGAIN:
            names = [name] if name else [each for _, each in app.client().objects(kind)]
            for each in (*known, *names):
                known.setdefault(each, Followed()).again_at = 0.0
        elif isinstance(nudge, tuple) and nudge[0] is kind and name in (None, nudge[1]):
            known.setdefault(nudge[1], Followed()).again_at = 0.0
        now = time.monotonic()
        for each, followed in list(known.items()):
            if followed.again_at <= now and followed.read(app, kind, each):
                yield each, followed.status
        if deadline is not None and time.monotonic() >= deadline:
            return


class Rows:
    """Table lines printed one by one; columns only ever grow, so that lines stay under each other."""

    def __init__(self, headers: list[str]) -> None:
        self.headers = headers
        self._widths = [max(width(header), 8) for header in headers]
        self._widths[0] = max(self._widths[0], 20)

    def line(self, cells: list[str]) -> str:
        """Return the cells as one line."""
        self._widths = [max(columns, width(cell)) for columns, cell in zip(self._widths, cells, strict=True)]
        return "   ".join(pad(cell, columns) for cell, columns in zip(cells, self._widths, strict=True)).rstrip()


def watch_objects(app: App, kind: Kind, name: str | None, timeout: str | None) -> None:
    """Print a line for every change; ends after `timeout` or with the user's interrupt."""
    if name is not None:
        check_name(name)
    columns = view_of(kind).shown(wide=app.out.wide)
    rows = Rows([column.header for column in columns])
    out = app.out
    header_due = for_people = out.mode in ("text", "wide")
    shown: dict[str, list[str]] = {}
    for each, status in changes(app, kind, name, timeout):
        cells = [each, *("-" for _ in columns[1:])] if status is None else [c.text(status) for c in columns]
        if status is None and "PHASE" in rows.headers:
            cells[rows.headers.index("PHASE")] = "absent"
        if for_people and shown.get(each) == cells[:-1]:
            continue  # a renewed lease, say: nothing that the columns show
        shown[each] = cells[:-1]
        line = rows.line(cells)
        if header_due:
            header_due = False
            line = rows.line(rows.headers) + "\n" + line
        gone = {"kind": str(kind), "name": each, "namespace": app.settings.namespace, "phase": "absent"}
        out.stream(gone if status is None else status.to_dict(), line, ref(kind, each))
