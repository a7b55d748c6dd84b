"""A work queue that collapses bursts.

A key is worked on by one worker at a time, at once when it is news, and at growing intervals while the news does not
end.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from konductor_core.errors import KonductorError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Agenda"]

log = logging.getLogger(__name__)

FIRST_RETRY: Final = 0.5
LONGEST_RETRY: Final = 30.0
LONGEST_WORK: Final = 60.0

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Pace:
    """How a key has been going: when it was last begun, how long it must rest after that, failures in a row."""

    begun: float = float("-inf")
    rest: float = 0.0
    failures: int = 0


class Agenda(Generic[K]):
    """Keys and when they are due. All times are seconds of the event loop's clock.

    `work` is called with a key and returns after how many seconds to look again by itself, or None. What it raises is
    logged, and the key is tried again with growing delays, 0.5 s to 30 s. Errors of the types in `outages` concern all
    keys alike: they are logged once until something works again.

    Between two beginnings of the same key there are at least `spacing` seconds; each time that it is poked before those
    are over, they double, up to `longest_spacing`. So a change is seen at once, and a burst of any length costs fewer
    than two calls a second.

    `observe` is told of each call: the key, seconds since it was due, seconds it took, whether it worked.
    """

    def __init__(
        self,
        work: Callable[[K], Awaitable[float | None]],
        *,
        workers: int = 8,
        spacing: float = 0.2,
        longest_spacing: float = 0.6,
        outages: tuple[type[Exception], ...] = (),
        observe: Callable[[K, float, float, bool], None] | None = None,
    ) -> None:
        self._work = work
        self._workers = workers
        self._spacing = spacing
        self._longest_spacing = longest_spacing
        self._outages = outages
        self._observe = observe
        self._due: dict[K, tuple[float, float]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._pushed = 0
        self._running: dict[K, float | None] = {}
        self._pace: dict[K, _Pace] = {}
        self._changed = asyncio.Event()
        self._failing = ""

    def poke(self, key: K, delay: float = 0.0) -> None:
        """Have `key` worked on after `delay` seconds, or earlier if it is due earlier anyway."""
        wanted = asyncio.get_running_loop().time() + delay
        if key in self._running:
            again = self._running[key]
            self._running[key] = wanted if again is None else min(again, wanted)
            return
        pace = self._pace.get(key)
        moment = wanted if pace is None else max(wanted, pace.begun + pace.rest)
        if key not in self._due or moment < self._due[key][0]:
            self._due[key] = moment, wanted
            self._pushed += 1
            heapq.heappush(self._heap, (moment, self._pushed, key))
            self._changed.set()

    def forget(self, key: K) -> None:
        """Drop a key that is gone; if it is being worked on, that goes on, and what it asks for afterwards counts."""
        self._due.pop(key, None)
        self._pace.pop(key, None)

    def backlog(self) -> int:
        """Return how many keys are due now or being worked on."""
        now = asyncio.get_running_loop().time()
        return len(self._running) + sum(moment <= now for moment, _ in self._due.values())

    def overdue(self) -> float:
        """Return for how many seconds the key that has waited longest has been due, or been worked on."""
        now = asyncio.get_running_loop().time()
        moments = [moment for moment, _ in self._due.values()]
        moments += [self._pace[key].begun for key in self._running if key in self._pace]
        return max(0.0, now - min(moments, default=now))

    def __contains__(self, key: K) -> bool:
        return key in self._due or key in self._running

    async def run(self) -> None:
        """Work until cancelled. What is due then stays due for the next run."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    key, wanted = await self._next()
                    self._running[key] = None
                    tasks.create_task(self._handle(key, wanted))
        finally:
            self._running.clear()

    async def _next(self) -> tuple[K, float]:
        """Return the next key that is due, and since when, once a worker is free."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            while self._heap and self._due.get(self._heap[0][2], (None,))[0] != self._heap[0][0]:
                heapq.heappop(self._heap)  # brought forward since, forgotten, or done
            wait: float | None = None
            if self._heap and len(self._running) < self._workers:
                moment, _, key = self._heap[0]
                wait = moment - loop.time()
                if wait <= 0:
                    heapq.heappop(self._heap)
                    return key, self._due.pop(key)[1]
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    async def _handle(self, key: K, wanted: float) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        pace = self._pace.setdefault(key, _Pace())
        had_to_wait = wanted < pace.begun + pace.rest
        pace.rest = min(pace.rest * 2, self._longest_spacing) if had_to_wait else self._spacing
        pace.begun = begun
        try:
            async with asyncio.timeout(LONGEST_WORK):
                look_in = await self._work(key)
        except asyncio.CancelledError:
            self._due.setdefault(key, (begun, wanted))  # for the next run
            heapq.heappush(self._heap, (self._due[key][0], 0, key))
            raise
        except Exception as error:  # noqa: BLE001 - whatever one key raises, the others go on
            look_in = self._failed(key, pace, error)
        else:
            pace.failures, self._failing = 0, ""
        if self._observe is not None:
            self._observe(key, max(0.0, begun - wanted), loop.time() - begun, pace.failures == 0)
        again = self._running.pop(key, None)
        if look_in is not None:
            again = min(again or loop.time() + look_in, loop.time() + look_in)
        if again is not None:
            self.poke(key, again - loop.time())
        self._changed.set()

    def _failed(self, key: K, pace: _Pace, error: Exception) -> float:
        """Log a failure and return after how many seconds to try again."""
        pace.failures += 1
        delay = min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(pace.failures - 1, 10))
        if isinstance(error, self._outages):
            text = f"{type(error).__name__}: {error}"
            if text != self._failing:
                log.warning("%s; trying again until it works", text)
            self._failing = text
        elif pace.failures == 1:
            known = isinstance(error, KonductorError)
            log.warning(
                "%s: %s; again in %.1f s",
                key,
                error if known else repr(error),
                delay,
                exc_info=None if known else error,
            )
        return delay
