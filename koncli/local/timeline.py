"""The end of a run on one page: each pod's waiting and working as a bar. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from koncli.local.state import SUCCEEDED
from konductor_core.durations import SECOND, to_text

if TYPE_CHECKING:
    from koncli.local.pod import Pod

WAITING, WORKING = "░", "█"


@dataclass(frozen=True, slots=True)
class Row:
    """One pod: when it started, its app containers began and it ended, in seconds since the run's start."""

    name: str
    outcome: str
    begin: float
    working: float | None
    end: float

    def bar(self, total: float, columns: int) -> str:
        """Return the pod's life on a scale of `total` seconds in so many columns; at least one column long."""
        scale = columns / total if total > 0 else 0.0
        begin, end = int(self.begin * scale), max(round(self.end * scale), int(self.begin * scale) + 1)
        working = end if self.working is None else min(round(self.working * scale), end - 1)
        working = max(working, begin)
        return (" " * begin + WAITING * (working - begin) + WORKING * (end - working))[:columns]


def rows(pods: list[Pod], origin: float, now: float) -> list[Row]:
    """Return a row for every pod that started, in the order in which they began to work."""
    made = []
    for pod in pods:
        if pod.started is not None:
            working = pod.app_started
            made.append(
                Row(
                    name=pod.name,
                    outcome=_outcome(pod),
                    begin=pod.started - origin,
                    working=None if working is None else working - origin,
                    end=(pod.ended or now) - origin,
                )
            )
    return sorted(made, key=lambda row: (row.end if row.working is None else row.working, row.begin))


def lines(table: list[Row], width: int) -> list[tuple[str, str, str]]:
    """(text, bar, outcome) for each row, made to fit `width` columns; the first is the scale."""
    if not table:
        return []
    total = max(row.end for row in table)
    name = min(max(len(row.name) for row in table), 40)
    columns = max(10, min(60, width - name - 32))
    out = [(f"{'pod':<{name}}  {'waited':>7}  {'worked':>7}", f"0s{seconds(total):>{columns - 2}}", "")]
    for row in table:
        began = row.end if row.working is None else row.working
        text = f"{_cut(row.name, name):<{name}}  {seconds(began - row.begin):>7}  {seconds(row.end - began):>7}"
        out.append((text, f"{row.bar(total, columns):<{columns}}", row.outcome))
    return out


def seconds(value: float) -> str:
    """Return a length of time as `1.4s` or `2m5.3s`."""
    tenths = round(value * 10)
    return f"{tenths / 10:.1f}s" if tenths < 600 else to_text(tenths * SECOND // 10)


def _outcome(pod: Pod) -> str:
    if pod.phase == SUCCEEDED:
        return "ok"
    return "stopped" if pod.deleted else pod.phase.lower()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
