"""A run's results as Markdown for people and as JSON for comparisons."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers import version

if TYPE_CHECKING:
    from benchmarks.figures import Line
    from benchmarks.harness import Options

__all__ = ["as_json", "heading", "section"]

PACKAGES = ("konductor", "redis", "hiredis", "python-redis-lock", "redis-semaphore-eval", "click")


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        rows = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(row.split(":", 1)[1].strip() for row in rows if row.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def surroundings(options: Options) -> dict[str, Any]:
    """Return what the figures depend on: machine, versions, and how they were taken."""
    return {
        "machine": f"{os.cpu_count()} cores, {_processor()}, {platform.system()} {platform.release()}",
        "load": f"{os.getloadavg()[0]:.1f} when the run began",
        "python": platform.python_version(),
        "server": f"{options.server} {version(options.server)} over {'loopback TCP' if options.tcp else 'unix socket'}",
        "packages": {name: _installed(name) for name in PACKAGES},
        "mode": "quick" if options.quick else "full",
        "scheduling": "real-time (SCHED_RR 10) for clients and server alike"
        if options.realtime
        else "the system's default",
    }


def heading(options: Options) -> str:
    """Return the Markdown that stands before the results."""
    found = surroundings(options)
    packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items())
    return "\n".join(
        [
            "# Konductor beside its peers",
            "",
            f"- machine: {found['machine']}; load {found['load']}; scheduling: {found['scheduling']}",
            f"- server: {found['server']}, private, without persistence; Python {found['python']}",
            f"- packages: {packages}",
            f"- {found['mode']} run; contenders take turns round by round; garbage collector off while timing",
            "- medians of rounds; spread: tenth and ninetieth percentile; a ratio is the median of each round's ratio",
        ]
    )


def _number(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def section(title: str, lines: list[Line]) -> str:
    """Return one benchmark's table in Markdown."""
    rows = [f"\n## {title}\n", "| what | median | spread | target | verdict |", "|---|---:|---|---|---|"]
    for each in lines:
        spread = f"{_number(each.spread[0])} to {_number(each.spread[1])}" if each.spread else ""
        unit = f" {each.unit}" if each.unit else ""
        target = str(each.target) if each.target else ""
        rows.append(f"| {each.what} | {_number(each.value)}{unit} | {spread} | {target} | {each.verdict} |")
    return "\n".join(rows)


def as_json(options: Options, results: dict[str, list[Line]]) -> dict[str, Any]:
    """Return everything for a file."""
    return {
        "surroundings": surroundings(options),
        "results": {name: [each.to_dict() for each in lines] for name, lines in results.items()},
    }
