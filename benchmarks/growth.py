"""What many holders and many waiters do to the cost of a single acquire and release."""

from __future__ import annotations

from collections import deque
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Line, at_most, line, median, ratios
from benchmarks.harness import NAMESPACE, interleave, quiet
from konductor_core.flows.permits import Ask
from konductor_core.identity import Kind, Owner
from konductor_core.keys import ObjectKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import redis

    from benchmarks.harness import Place
    from konductor_core import Konductor
    from konductor_core.handles.permits import Semaphore

__all__ = ["TITLE", "run"]

TITLE: Final = "Growth"
BATCH: Final = 1_000


def _ask(name: str, holder: str) -> Ask:
    return Ask((ObjectKeys(NAMESPACE, Kind.SEMAPHORE, name),), (1,), holder, owner=Owner(), ttl_ms=None)


def _send(client: redis.Redis, asks: Iterable[Ask]) -> None:
    """Ask for all of these as waiters do, without waiting, many at a time."""
    pipeline = client.pipeline(transaction=False)
    for ask in asks:
        call = ask.call("wait")
        pipeline.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        if len(pipeline) >= BATCH:
            pipeline.execute()
    pipeline.execute()


def _pair(semaphore: Semaphore) -> None:
    semaphore.acquire(timeout=10).release()


def run(place: Place) -> list[Line]:
    """Measure with few, more and many, in turn."""
    client = place.client()
    with place.konductor() as k:
        client.script_load(_ask("any", "any").call("wait").script.source)
        return _holders(place, client, k) + _waiters(place, client, k)


def _holders(place: Place, client: redis.Redis, k: Konductor) -> list[Line]:
    counts = (10, 1_000, place.options.rounds(100_000, 20_000))
    contenders: dict[str, Callable[[], object]] = {}
    for count in counts:
        semaphore = k.semaphore(f"held-by-{count}")
        semaphore.define(count + 1, ttl="1h")
        _send(client, (_ask(semaphore.name, f"holder-{number}") for number in range(count)))
        contenders[f"acquire+release beside {count:,} holders"] = partial(_pair, semaphore)
    seconds = interleave(contenders, rounds=place.options.rounds(60, 15), each=30)
    lines = [line(name, [each * 1e6 for each in times], "µs") for name, times in seconds.items()]
    few, *_, many = seconds.values()
    lines.append(line(f"{counts[-1]:,} holders as a multiple of 10", ratios(many, few), target=at_most(1.5)))
    return lines


class _Queue:
    """A semaphore of one permit with a number of waiters; whoever is granted is released in its turn."""

    def __init__(self, client: redis.Redis, k: Konductor, count: int) -> None:
        self._client = client
        self._semaphore = k.semaphore(f"awaited-by-{count}")
        self._semaphore.define(1, ttl="1h")
        self._next = 0
        self._holders: deque[str] = deque()
        self.join(count + 1)

    def join(self, count: int) -> None:
        """Let so many more wait."""
        names = [f"waiter-{number}" for number in range(self._next, self._next + count)]
        self._next += count
        self._holders.extend(names)
        _send(self._client, (_ask(self._semaphore.name, name) for name in names))

    def release(self) -> float:
        """Return the seconds that a release took, which grants to the next."""
        holder = self._holders.popleft()
        began = monotonic()
        released = self._semaphore.release(holder)
        seconds = monotonic() - began
        if released != "released":
            raise RuntimeError(f"{holder} did not hold: {released}")
        self.join(1)
        return seconds


def _waiters(place: Place, client: redis.Redis, k: Konductor) -> list[Line]:
    counts = (10, 1_000, 10_000)
    queues = {count: _Queue(client, k, count) for count in counts}
    seconds: dict[int, list[float]] = {count: [] for count in counts}
    with quiet():
        for number in range(place.options.rounds(60, 15) + 1):
            for count, queue in queues.items():
                times = [queue.release() for _ in range(10)]
                if number:
                    seconds[count].append(median(times))
    lines = [
        line(f"a release beside {count:,} waiters", [each * 1e6 for each in times], "µs")
        for count, times in seconds.items()
    ]
    lines.append(line(f"{counts[-1]:,} waiters as a multiple of 10", ratios(seconds[counts[-1]], seconds[10])))
    return lines
