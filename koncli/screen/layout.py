"""Tables that fit: columns give way when the screen is narrow, rows when it is low. Pure text, drawn elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from koncli.failures import one_line
from koncli.output import pad, width

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = 2
"""Spaces between columns."""

NARROWEST = 16
"""Columns that a name keeps before other columns give way to it."""

HEADER, DIM, ALERT = "bold", "dim", "bold red"


@dataclass(frozen=True, slots=True)
class Span:
    """Text in one style; a style is a word or two that rich understands."""

    text: str
    style: str = ""


Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. The highest `drop` goes first on a narrow screen, 0 never; a `flexible` one may be cut."""

    header: str
    drop: int = 0
    flexible: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A table under its headers; `total` rows exist, listed or not, and `rest` is the word for those not shown."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Span]]
    total: int
    rest: str = "more"


def cut(text: str, columns: int) -> str:
    """Return the text in at most so many columns of a terminal, with an ellipsis where it ends early.

    Characters that would move the cursor are made visible: other clients may write what ours refuse.
    """
    if not text.isprintable():
        text = one_line(text)
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[:-1]
    return text + "…" if columns > 0 else ""


def fit(columns: Sequence[Column], natural: Sequence[int], room: int) -> dict[int, int]:
    """Return which columns to show and how wide each: `natural` are their wishes, `room` is the screen's width."""
    wanted = dict(enumerate(natural))

    def total(least: int) -> int:
        sizes = (min(wish, least) if columns[i].flexible else wish for i, wish in wanted.items())
        return sum(sizes) + GAP * (len(wanted) - 1)

    while total(NARROWEST) > room:
        droppable = [i for i in wanted if columns[i].drop]
        if not droppable:
            break
        del wanted[max(droppable, key=lambda i: columns[i].drop)]
    flexible = [i for i in wanted if columns[i].flexible]
    while flexible and total(room) > room and max(wanted[i] for i in flexible) > 1:
        widest = max(flexible, key=lambda i: wanted[i])
        wanted[widest] -= 1
    return wanted


def share(needs: Sequence[int], room: int) -> list[int]:
    """Divide `room` rows: each gets what it needs or a fair part, so that one long list does not hide the others."""
    given = [0] * len(needs)
    while room > 0:
        open_ = [i for i, need in enumerate(needs) if given[i] < need]
        if not open_:
            break
        part = max(1, room // len(open_))
        for i in open_:
            more = min(part, needs[i] - given[i], room)
            given[i] += more
            room -= more
    return given


def _table(section: Section, room: int, rows: int) -> list[Line]:
    """Return the headers and as many lines of rows as given; the last one says what was left out."""
    natural = [
        max(width(column.header), *(width(row[i].text) for row in section.rows), 0)
        for i, column in enumerate(section.columns)
    ]
    sizes = fit(section.columns, natural, room)
    last = max(sizes)

    def line(cells: Sequence[Span]) -> Line:
        spans: list[Span] = []
        for i, size in sizes.items():
            text = cut(cells[i].text, size)
            spans.append(Span(text if i == last else pad(text, size + GAP), cells[i].style))
        return _cut_line(tuple(spans), room)  # where even the fixed columns don't fit

    fits = section.total <= rows and len(section.rows) == section.total
    shown = section.rows if fits else section.rows[: max(0, rows - 1)]
    lines = [line([Span(column.header, HEADER) for column in section.columns]), *(line(row) for row in shown)]
    if len(shown) < section.total and rows > 0:
        lines.append((Span(cut(f"… {section.total - len(shown)} {section.rest}", room), DIM),))
    return lines


def _needs(section: Section) -> int:
    return len(section.rows) + (len(section.rows) < section.total)


def page(head: Sequence[Line], sections: Sequence[Section], room: int, height: int | None) -> list[Line]:
    """Return the lines of the whole screen, at most `height` of them; None is as many as there are."""
    lines = [_cut_line(line, room) for line in head]
    kept = list(sections)
    if height is None:
        parts = [_needs(section) for section in kept]
    else:
        while kept and len(lines) + 3 * len(kept) > height:  # a blank line, the headers and one row each
            kept.pop()
        parts = share([_needs(section) for section in kept], height - len(lines) - 2 * len(kept))
    for section, part in zip(kept, parts, strict=True):
        lines += [(), *_table(section, room, part)]
    return lines if height is None else lines[:height]


def _cut_line(line: Line, room: int) -> Line:
    spans: list[Span] = []
    for span in line:
        text = cut(span.text, room)
        room -= width(text)
        if text:
            spans.append(Span(text, span.style))
    return tuple(spans)


def plain(lines: Sequence[Line]) -> str:
    """Return the lines as text without styles."""
    return "\n".join("".join(span.text for span in line).rstrip() for line in lines)
