"""What the controller costs: API writes for a burst, work for objects at rest, and the time until a status shows.

    python -m benchmarks.controller [--quick]

The controller is a process of its own; the Kubernetes API is emulated in this one, and Redis is a private server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from benchmarks import report
from benchmarks.figures import Line, Target, at_most, line
from konductor_core.identity import Kind
from tests.controller.api import resource_of
from tests.controller.program import Process, process
from tests.controller.stage import Stage, eventually
from tests.servers import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

TITLE: Final = "What the controller costs"
ARRIVALS: Final = 10_000
OBJECTS: Final = 1_000
ARRIVERS: Final = 4

_ARRIVER: Final = """
import asyncio, sys
from konductor_core import AsyncKonductor

async def main(url, first, count):
    async with AsyncKonductor(url, namespace="etl", holder="arriver") as konductor:
        barrier = konductor.barrier("burst")
        pending = iter(range(first, first + count))
        async def arrive():
            for number in pending:
                await barrier.arrive(f"arrival-{number}")
        await asyncio.gather(*(arrive() for _ in range(8)))

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


@contextlib.asynccontextmanager
async def running(url: str, directory: Path) -> AsyncIterator[tuple[Stage, Process]]:
    """Run a controller, and an API that it may call."""
    async with Stage(url) as stage, process(stage, directory) as controller:
        await eventually(controller.is_ready, "the controller is ready", 60)
        yield stage, controller


async def burst(stage: Stage) -> Iterator[Line]:
    """Let many arrive at one barrier, and count the patches of its status."""
    await stage.api.apply(Kind.BARRIER, "burst", {"expected": ARRIVALS})
    await stage.shown("burst", arrived=0)
    before, began = stage.api.patches("burst"), monotonic()
    share = ARRIVALS // ARRIVERS
    arrivers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _ARRIVER, stage.redis_url, str(number * share), str(share)
        )
        for number in range(ARRIVERS)
    ]
    for arriver in arrivers:
        await arriver.wait()
    took = monotonic() - began
    await eventually(lambda: stage.api.status(Kind.BARRIER, "burst").get("phase") == "Open", "it is shown as open", 60)
    last = monotonic() - began - took
    return iter(
        (
            Line(
                f"status patches for {ARRIVALS:,} arrivals", stage.api.patches("burst") - before, "", None, at_most(20)
            ),
            Line("the arrivals took", took, "s"),
            Line("from the last of them until the status showed Open", last * 1000, "ms"),
        )
    )


async def lag(stage: Stage, rounds: int, interval: float, target: Target | None) -> Line:
    """Measure from an arrival until the patched status, with one arrival each `interval` seconds."""
    name = f"every-{interval:g}-s"
    await stage.api.apply(Kind.BARRIER, name, {"expected": 1_000_000})
    await stage.shown(name, arrived=0)
    samples = []
    for number in range(1, rounds + 1):
        await asyncio.sleep(interval * random.uniform(0.8, 1.2))
        began = monotonic()
        await stage.konductor.barrier(name).arrive(f"arrival-{number}")
        await eventually(lambda: stage.api.status(Kind.BARRIER, name).get("arrived") == number, "it shows")  # noqa: B023
        samples.append((monotonic() - began) * 1000)
    return line(f"from a change until the patched status, one change each {interval:g} s", samples, "ms", target)


async def at_rest(stage: Stage, controller: Process, seconds: float) -> Iterator[Line]:
    """Make many objects, and watch the controller while nothing happens to them."""
    for number in range(OBJECTS):
        await stage.api.apply(Kind.SEMAPHORE, f"quiet-{number}", {"permits": 3})
    semaphores = resource_of(Kind.SEMAPHORE)

    def shown() -> int:
        return sum(
            resource == semaphores and "status" in each.raw for (resource, _, _), each in stage.api.objects.items()
        )

    await eventually(lambda: shown() >= OBJECTS, "all have a status", 300)
    await asyncio.sleep(3)
    writes, used = len(stage.api.writes), controller.cpu_seconds()
    await asyncio.sleep(seconds)
    used = (controller.cpu_seconds() - used) / seconds
    return iter(
        (
            Line(
                f"API writes for {OBJECTS:,} objects at rest, in {seconds:g} s",
                len(stage.api.writes) - writes,
                "",
                None,
                at_most(0),
            ),
            Line(f"CPU for {OBJECTS:,} objects at rest", used * 100, "% of a core", None, at_most(2)),
        )
    )


async def measure(url: str, directory: Path, *, quick: bool) -> list[Line]:
    """Return all figures."""
    async with running(url, directory) as (stage, controller):
        figures = list(await burst(stage))
        figures.append(await lag(stage, 10 if quick else 60, 1.5, at_most(250)))
        figures.append(await lag(stage, 10 if quick else 60, 0.3, None))
        figures += await at_rest(stage, controller, 10 if quick else 60)
    return figures


def main() -> int:
    """Run, and print the report. Exit code 0, whatever the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.controller", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds: for a look, not for a verdict")
    parser.add_argument("--server", choices=("redis", "valkey"), default="redis")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="konductor-bench-") as directory,
        Server(arguments.server, Path(tempfile.mkdtemp(prefix="konductor-bench-"))) as server,
    ):
        figures = asyncio.run(measure(server.url, Path(directory), quick=arguments.quick))
    print(report.section(TITLE, figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
