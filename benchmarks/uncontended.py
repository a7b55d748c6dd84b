"""One process acquires and releases: beside the least that two scripts cost, and beside peers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.figures import Line, at_least, line, ratios
from benchmarks.harness import NAMESPACE, Place, interleave
from benchmarks.peers import EVAL, LOCK, PY_LOCK, TTL, eval_semaphore, python_redis_lock
from konductor_core.flows.steps import Call
from konductor_core.keys import index
from konductor_core.scripts import Script

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core import Konductor

__all__ = ["TITLE", "run"]

TITLE: Final = "Uncontended acquire and release, one process"

NOTHING: Final = "return 1"
OURS: Final = "Konductor"
FLOOR: Final = "two no-op scripts, redis-py"
WIRE: Final = "two no-op scripts, Konductor's own wire path"


def run(place: Place) -> list[Line]:
    """Time one pair after the other."""
    client = place.client()
    sha = client.script_load(NOTHING)
    lock = client.lock("lock", timeout=TTL)

    def floor() -> None:
        client.evalsha(sha, 0)
        client.evalsha(sha, 0)

    def redis_py() -> None:
        lock.acquire()
        lock.release()

    def redis_lock() -> None:
        with python_redis_lock(client, "other"):
            pass

    def semaphore_eval() -> None:
        with eval_semaphore(client, "semaphore", 4):
            pass

    with place.konductor() as k:
        semaphore = k.semaphore("x")
        semaphore.define(4, ttl=TTL)
        contenders: dict[str, Callable[[], object]] = {
            FLOOR: floor,
            OURS: lambda: semaphore.acquire(timeout=10).release(),
            PY_LOCK: redis_py,
            LOCK: redis_lock,
            EVAL: semaphore_eval,
            WIRE: _wire(k),
        }
        seconds = interleave(contenders, rounds=place.options.rounds(60, 15), each=50)
    found = [line(name, [each * 1e6 for each in times], "µs") for name, times in seconds.items()]
    targets = {FLOOR: at_least(0.85), PY_LOCK: at_least(0.75)}
    for name in (FLOOR, PY_LOCK, LOCK, EVAL, WIRE):
        speed = ratios(seconds[name], seconds[OURS])
        found.append(line(f"Konductor's speed as a share of: {name}", speed, target=targets.get(name)))
    return found


def _wire(k: Konductor) -> Callable[[], object]:
    """Return what does nothing twice through the driver that carries Konductor's scripts."""
    script = Script("nothing", "", "", (), NOTHING)
    call = Call(script, (index(NAMESPACE),), ())

    def twice() -> None:
        k.driver.call(call)
        k.driver.call(call)

    return twice
