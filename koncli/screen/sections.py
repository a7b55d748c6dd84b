"""What a picture shows: a header, then objects, holders, waiters and events as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from koncli.failures import one_line
from koncli.kinds import ref
from koncli.output import PHASE_COLORS
from koncli.screen.layout import ALERT, DIM, HEADER, Column, Line, Section, Span
from koncli.views import view_of
from konductor_core.durations import MINUTE, SECOND, about, rfc3339
from konductor_core.models import PermitStatus, Waiter

if TYPE_CHECKING:
    from koncli.screen.board import Happened, Picture, Seen
    from konductor_core.models import Status

EVENT_COLORS = {
    "failed": "red",
    "expired": "red",
    "force-released": "red",
    "lost": "red",
    "opened": "green",
    "granted": "green",
}


def head(picture: Picture, now: float) -> list[Line]:
    """Where we look, how much there is, the server's time; in red, since when nothing is heard of it."""
    leases = [seen.status for seen in picture.objects if isinstance(seen.status, PermitStatus)]
    counts = ", ".join(
        _count(number, what)
        for number, what in (
            (len(picture.objects), "object"),
            (sum(status.holders_total for status in leases), "holder"),
            (sum(_waiting(seen.status) for seen in picture.objects), "waiter"),
        )
    )
    newest = max(picture.objects, key=lambda seen: seen.at, default=None)
    clock = "" if newest is None or picture.trouble else f"  {rfc3339(newest.now_ms(now))[11:19]} UTC"
    lines: list[Line] = [
        (Span(picture.namespace, HEADER), Span(f"  {counts}{clock}"), Span(f"  {picture.where}", DIM)),
    ]
    if picture.trouble:
        ago = about(int((now - picture.trouble_at) * 1000) // SECOND * SECOND)
        lines.append((Span(f"NO CONNECTION for {ago}, shown is what was known: {picture.trouble}", ALERT),))
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def sections(picture: Picture, now: float) -> list[Section]:
    """Return the tables that have rows, the most important first."""
    made = (_objects(picture, now), _holders(picture, now), _waiters(picture, now), _events(picture))
    return [section for section in made if section.total]


def _objects(picture: Picture, now: float) -> Section:
    columns = (Column("OBJECT", flexible=True), Column("PHASE"), Column("COUNTS", flexible=True), Column("AGE", drop=1))
    rows = []
    for seen in picture.objects:
        cells = {column.header: column.text(seen.status) for column in view_of(seen.kind).columns if not column.wide}
        phase = cells.pop("PHASE", "")
        counts = ", ".join(f"{header.lower()} {text}" for header, text in cells.items() if text != "0")
        age = _round(seen.now_ms(now) - seen.status.created_ms)
        rows.append((Span(_ref(seen)), Span(phase, PHASE_COLORS.get(phase, "")), Span(counts), Span(age)))
    return Section(columns, rows, len(rows))


def _holders(picture: Picture, now: float) -> Section:
    columns = (
        Column("HOLDER", flexible=True),
        Column("OBJECT", flexible=True),
        Column("PERMITS", drop=1),
        Column("SINCE", drop=2),
        Column("EXPIRES IN"),
    )
    rows, total = [], 0
    for seen in picture.objects:
        if not isinstance(seen.status, PermitStatus):
            continue
        total += seen.status.holders_total
        at_ms = seen.now_ms(now)
        for each in seen.status.holders:
            if each.pending:
                left = Span("not confirmed", "yellow")
            elif each.expires_ms is None:
                left = Span("never")
            else:
                ms = each.expires_ms - at_ms
                left = Span(_round(ms) if ms > 0 else "due", "yellow" if ms < 10 * SECOND else "")
            held = Span(_round(at_ms - each.since_ms))
            rows.append((Span(each.holder), Span(_ref(seen)), Span(each.mode or str(each.permits)), held, left))
    return Section(columns, rows, total)


def _waiters(picture: Picture, now: float) -> Section:
    columns = (
        Column("WAITER", flexible=True),
        Column("OBJECT", flexible=True),
        Column("POSITION"),
        Column("PERMITS", drop=1),
        Column("PRIORITY", drop=2),
        Column("SINCE"),
    )
    rows = []
    for seen in picture.objects:
        at_ms = seen.now_ms(now)
        for each in (*getattr(seen.status, "waiters", ()), *getattr(seen.status, "listeners", ())):
            facts = (each.position, each.mode or each.permits, each.priority) if isinstance(each, Waiter) else "---"
            numbers = (Span(str(fact)) for fact in facts)
            rows.append((Span(each.holder), Span(_ref(seen)), *numbers, Span(_round(at_ms - each.since_ms))))
    return Section(columns, rows, sum(_waiting(seen.status) for seen in picture.objects))


def _waiting(status: Status) -> int:
    """Return how many wait for an object: in its queue, and until it opens."""
    return int(getattr(status, "waiting", 0)) + int(getattr(status, "listening", 0))


def _events(picture: Picture) -> Section:
    columns = (
        Column("TIME (UTC)"),
        Column("EVENT"),
        Column("OBJECT", flexible=True),
        Column("HOLDER", drop=1, flexible=True),
        Column("DETAIL", drop=2, flexible=True),
    )
    rows = [
        (
            Span(rfc3339(each.event.at_ms)[11:19], DIM),
            Span(one_line(each.event.type), EVENT_COLORS.get(each.event.type, "")),
            Span(ref(each.kind, each.name)),
            Span(each.event.holder or ""),
            Span(_detail(each), DIM),
        )
        for each in picture.events
    ]
    return Section(columns, rows, len(rows), rest="earlier")


def _detail(each: Happened) -> str:
    detail = one_line(each.event.detail or "")
    if each.event.token and detail.isdigit():
        return f"until {rfc3339(int(detail))[11:19]}"
    return detail


def _ref(seen: Seen) -> str:
    return ref(seen.kind, seen.name)


def _round(ms: int) -> str:
    """Return a duration without parts of a second, which would flicker; from ten minutes on it is rough anyway."""
    return about(ms) if ms >= 10 * MINUTE else about(max(0, ms) // SECOND * SECOND)
