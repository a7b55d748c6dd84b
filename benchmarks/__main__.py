"""Run the benchmarks: a Markdown report to stdout, JSON to a file if wished."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from benchmarks import report
from benchmarks.harness import Options, serving

if TYPE_CHECKING:
    from benchmarks.figures import Line

NAMES: Final = (
    "uncontended",
    "kinds",
    "contended",
    "handover",
    "commands",
    "expiry",
    "barrier",
    "memory",
    "startup",
    "growth",
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES, help="run this one; may be given several times")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: for a look, not for a verdict")
    parser.add_argument("--server", choices=("redis", "valkey"), default="redis")
    parser.add_argument("--transport", choices=("tcp", "unix"), default="tcp", help="default: tcp, on the loopback")
    parser.add_argument(
        "--realtime", action="store_true", help="needs root: run before everything else on a busy machine"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the results here too")
    return parser.parse_args()


def main() -> int:
    """Run what was asked for. Exit code 0, whatever the figures."""
    arguments = _arguments()
    options = Options(arguments.server, arguments.transport == "tcp", arguments.quick, arguments.realtime)
    results: dict[str, list[Line]] = {}
    print(report.heading(options), flush=True)
    for name in arguments.only or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        began = monotonic()
        with serving(options) as place:
            results[name] = module.run(place)
        print(report.section(module.TITLE, results[name]), flush=True)
        print(f"{name}: {monotonic() - began:.0f} s", file=sys.stderr)
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(options, results), indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
