"""A whole `koncli barrier arrive`, from fork to exit, beside a Python that only imports what koncli needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Line, at_most, line, ratios
from benchmarks.harness import NAMESPACE, interleave

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.harness import Place

__all__ = ["TITLE", "run"]

TITLE: Final = "A whole process"
OURS: Final = "koncli barrier arrive"
FLOOR: Final = 'python -c "import redis, click"'


def run(place: Place) -> list[Line]:
    """Start one after the other. Each arrival is new: ids come from the count of starts."""
    koncli = Path(sys.executable).parent / "koncli"
    environment = {**os.environ, "KONDUCTOR_REDIS_URL": place.url, "KONDUCTOR_NAMESPACE": NAMESPACE}
    started = iter(range(1_000_000))

    def process(*command: str) -> None:
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)

    with place.konductor() as k:
        k.barrier("b").define(1_000_000)
    contenders: dict[str, Callable[[], object]] = {
        FLOOR: lambda: process(sys.executable, "-c", "import redis, click"),
        OURS: lambda: process(str(koncli), "barrier", "arrive", "b", "--arrival-id", f"pod-{next(started)}"),
        "python -c pass": lambda: process(sys.executable, "-c", "pass"),
    }
    seconds = interleave(contenders, rounds=place.options.rounds(40, 10), each=1)
    return [
        *[line(name, [each * 1e3 for each in times], "ms") for name, times in seconds.items()],
        line(f"koncli as a multiple of: {FLOOR}", ratios(seconds[OURS], seconds[FLOOR]), target=at_most(1.2)),
    ]
