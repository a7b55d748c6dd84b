"""The Grafana dashboard: what stands where, and the queries behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["PANELS", "Panel", "dashboard"]

_OBJECT: Final = '{namespace=~"$namespace",name=~"$name"}'
_SHOWS: Final = "barrier_expected|waitgroup_counter|gate_conditions|(semaphore|lease|mutex|rwmutex|once)_holders"
"""A metric of each kind, as a pattern: whose namespaces and names can be chosen."""
_WIDTH: Final = 24
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: `queries` has a legend for each query. `width` is of 24."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 7


def _of(metric: str) -> str:
    return f"konductor_{metric}{_OBJECT}"


def _quantile(part: str, metric: str) -> str:
    return f"histogram_quantile({part}, sum by (le) (rate(konductor_{metric}_bucket[$__rate_interval])))"


_NAMED: Final = "{{namespace}}/{{name}}"


def _of_each(part: str, *kinds: str) -> dict[str, str]:
    return {f"{kind} {_NAMED}": _of(f"{kind}_{part}") for kind in kinds}


PANELS: Final = (
    Panel("Active replica", {"{{pod}}": "konductor_active"}, kind="stat", width=6, height=4),
    Panel("Redis", {"answers": "max(konductor_redis_up)"}, kind="stat", width=6, height=4),
    Panel("Kubernetes API", {"answers": "max(konductor_api_up)"}, kind="stat", width=6, height=4),
    Panel("Objects", {"{{kind}}": "sum by (kind) (konductor_objects)"}, kind="stat", width=6, height=4),
    Panel(
        "Semaphores: in use",
        {_NAMED: f"{_of('semaphore_in_use')} / ({_of('semaphore_permits')} > 0)"},
        unit="percentunit",
    ),
    Panel("Semaphores: waiting", {_NAMED: _of("semaphore_waiting")}),
    Panel("Semaphores: holders", {_NAMED: _of("semaphore_holders")}),
    Panel(
        "Grants, refusals, timeouts, expiries",
        {
            name: f"sum(rate({_of(f'semaphore_{name}_total')}[$__rate_interval]))"
            for name in ("grants", "refusals", "timeouts", "expiries")
        },
        unit="ops",
    ),
    Panel(
        "Mean wait for a permit",
        {
            _NAMED: f"rate({_of('semaphore_waited_seconds_total')}[$__rate_interval])"
            f" / (rate({_of('semaphore_grants_total')}[$__rate_interval]) > 0)"
        },
        unit="s",
    ),
    Panel("Longest wait so far", {_NAMED: _of("semaphore_longest_wait_seconds")}, unit="s"),
    Panel(
        "Barriers: arrived of what opens them",
        {_NAMED: f"clamp_max({_of('barrier_arrived')} / {_of('barrier_needed')}, 1)"},
        unit="percentunit",
    ),
    Panel("Barriers: waiting", {_NAMED: _of("barrier_waiting")}),
    Panel(
        "Barriers: open and failed",
        {"open": f"sum({_of('barrier_open')})", "failed": f"sum({_of('barrier_failed')})"},
    ),
    Panel("Leases and locks: held", _of_each("holders", "lease", "mutex", "rwmutex")),
    Panel("Leases and locks: waiting", _of_each("waiting", "lease", "mutex", "rwmutex")),
    Panel(
        "Onces",
        {
            "done": f"sum({_of('once_done')})",
            "running": f"sum({_of('once_holders')})",
            "failed runs": f"sum({_of('once_failures_total')})",
        },
    ),
    Panel("Wait groups: not done yet", {_NAMED: _of("waitgroup_counter")}, width=12),
    Panel("Wait groups: waiting", {_NAMED: _of("waitgroup_waiting")}, width=12),
    Panel(
        "Gates: conditions that hold",
        {_NAMED: f"{_of('gate_met')} / ({_of('gate_conditions')} > 0)"},
        unit="percentunit",
    ),
    Panel("Gates: waiting", {_NAMED: _of("gate_waiting")}),
    Panel(
        "Gates: open, failed, by hand",
        {
            "open": f"sum({_of('gate_open')})",
            "failed": f"sum({_of('gate_failed')})",
            "by hand": f"sum({_of('gate_by_hand')})",
        },
    ),
    Panel(
        "From a change to the custom resource",
        {"median": _quantile("0.5", "lag_seconds"), "99 of 100": _quantile("0.99", "lag_seconds")},
        unit="s",
    ),
    Panel("Time for one object", {"99 of 100": _quantile("0.99", "reconcile_seconds")}, unit="s"),
    Panel("Objects that are due", {"{{pod}}": "konductor_backlog"}),
    Panel(
        "Calls of the Kubernetes API",
        {"{{verb}} {{resource}}": "sum by (verb, resource) (rate(konductor_api_requests_total[$__rate_interval]))"},
        unit="ops",
    ),
    Panel("Nudges", {"{{pod}}": "rate(konductor_nudges_total[$__rate_interval])"}, unit="ops"),
    Panel(
        "What failed",
        {
            "objects": "sum(rate(konductor_reconcile_failures_total[$__rate_interval]))",
            "Redis": "sum(rate(konductor_redis_errors_total[$__rate_interval]))",
        },
        unit="ops",
    ),
)
"""From left to right, and from top to bottom."""


def dashboard() -> str:
    """Return the dashboard as JSON, with the data source, the namespace and the object's name to choose."""
    document = {
        "title": "Konductor",
        "uid": "konductor",
        "tags": ["konductor"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_datasource(), _variable("namespace"), _variable("name")]},
        "panels": _laid_out(),
    }
    return json.dumps(document, indent=1) + "\n"


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _variable(label: str) -> dict[str, Any]:
    """Return a choice among the values of a label; names are those of the chosen namespaces."""
    every = f'__name__=~"konductor_({_SHOWS})"'
    chosen = ',namespace=~"$namespace"' if label == "name" else ""
    return {
        "name": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": f"label_values({{{every}{chosen}}}, {label})",
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
        "sort": 1,
    }


def _laid_out() -> list[dict[str, Any]]:
    """Return the panels with their places: rows of whatever fits beside each other."""
    placed = []
    x = y = below = 0
    for number, panel in enumerate(PANELS, 1):
        if x + panel.width > _WIDTH:
            x, y = 0, below
        placed.append(_panel(number, panel, x, y))
        x, below = x + panel.width, y + panel.height
    return placed


def _panel(number: int, panel: Panel, x: int, y: int) -> dict[str, Any]:
    return {
        "id": number,
        "title": panel.title,
        "type": panel.kind,
        "datasource": _SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }
