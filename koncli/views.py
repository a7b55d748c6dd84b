"""How the objects of a kind look in tables, and helpers for the pieces of it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from konductor_core.durations import about, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from koncli.output import Output
    from konductor_core.identity import Kind
    from konductor_core.models import Listener, Status


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its header and how to read its text from a status."""

    header: str
    text: Callable[[Any], str]
    wide: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """A kind's columns (after NAME), the fields of its status page and the tables below them."""

    columns: tuple[Column, ...]
    fields: Callable[[Any], list[tuple[str, str]]]
    tables: Callable[[Any, Output], list[str]]

    def shown(self, *, wide: bool) -> tuple[Column, ...]:
        """Return the columns to print: NAME, the kind's own, with `wide` the further ones, AGE."""
        narrow = tuple(column for column in self.columns if not column.wide)
        further = tuple(column for column in (*self.columns, OWNER, LABELS) if column.wide)
        return (NAME, *narrow, *(further if wide else ()), AGE)

    def table(self, statuses: Iterable[Status], out: Output, *, prefix: str = "") -> str:
        """Return a row for each status; `prefix` stands before each name (`barrier/`)."""
        columns = self.shown(wide=out.wide)
        rows = [[column.text(status) for column in columns] for status in statuses]
        for row in rows:
            row[0] = prefix + row[0]
        return out.table([column.header for column in columns], rows)

    def page(self, kind: Kind, status: Status, out: Output) -> str:
        """Everything about one object, for people."""
        pairs = [
            (str(kind), f"{status.namespace}/{status.name}"),
            *self.fields(status),
            ("Owner", status.owner),
            ("Labels", labels_text(status.labels)),
            ("Age", age(status)),
        ]
        return "\n\n".join([out.fields(pairs), *self.tables(status, out)])


def view_of(kind: Kind) -> View:
    """Return the view of a kind, from its module."""
    view: View = import_module(f"koncli.{kind.key}").VIEW
    return view


def age(status: Status) -> str:
    """How long the object has existed, by the server's clock."""
    return about(max(0, status.now_ms - status.created_ms))


def since(status: Status, at_ms: int | None) -> str:
    """Return a past moment as `2026-01-02T03:04:05.678Z (3m20s ago)`; empty for None."""
    if at_ms is None:
        return ""
    return f"{rfc3339(at_ms)} ({about(max(0, status.now_ms - at_ms))} ago)"


def until(status: Status, at_ms: int | None) -> str:
    """Return a moment to come as `2026-01-02T03:04:05.678Z (in 3m20s)`; empty for None."""
    if at_ms is None:
        return ""
    left = at_ms - status.now_ms
    return f"{rfc3339(at_ms)} ({'in ' + about(left) if left > 0 else 'passed'})"


def labels_text(labels: Mapping[str, str]) -> str:
    """`a=1,b=2`, sorted."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def listener_tables(status: Status, listeners: Iterable[Listener], total: int, out: Output) -> list[str]:
    """Return the table of those who wait until the object opens, if there are any."""
    rows = [
        [each.holder, *([each.pod or "-"] if out.wide else ()), f"{about(max(0, status.now_ms - each.since_ms))} ago"]
        for each in listeners
    ]
    if not rows:
        return []
    rest = more(len(rows), total, "waiters")
    headers = ["WAITER", *(["POD"] if out.wide else ()), "SINCE"]
    return [out.table(headers, rows) + (f"\n{rest}" if rest else "")]


def more(shown: int, total: int, what: str) -> str:
    """Return a line that says that a list was cut; empty if it wasn't."""
    return f"… and {total - shown} more {what}" if total > shown else ""


NAME = Column("NAME", lambda status: str(status.name))
AGE = Column("AGE", age)
OWNER = Column("OWNER", lambda status: str(status.owner), wide=True)
LABELS = Column("LABELS", lambda status: labels_text(status.labels) or "-", wide=True)
