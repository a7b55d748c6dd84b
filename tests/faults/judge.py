"""One trial: a load under faults, its history as the server keeps it, and what the checkers say about both."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import redis

from tests.checker import Absence, Rules, check_permits
from tests.checker_clients import check_barrier, check_beliefs
from tests.history import Event, Recorder, server_ms, stream_of
from tests.races.crew import Crew, Worker, Zygote
from tests.servers import until

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping
    from pathlib import Path

    from konductor_core.client import Konductor

__all__ = ["BARRIER", "NAMESPACE", "SEMAPHORE", "PatientRecorder", "Trial", "say", "wait_until"]

NAMESPACE = "faults"
SEMAPHORE = "dock"
BARRIER = "round"
PERMITS = 3
EXPECTED = 5


class PatientRecorder(Recorder):
    """A recorder that sits out what happens to its own connection."""

    def _follow(self) -> None:
        last = b"0-0"
        while not self._ending.is_set():
            try:
                news: Any = self._client.xread({self._stream: last}, block=100)
                for _, rows in news or ():
                    self._events += [Event.of(entry, fields) for entry, fields in rows]
                    last = rows[-1][0]
            except (redis.RedisError, OSError):
                self._ending.wait(0.01)


@dataclass(slots=True)
class Trial:
    """A semaphore and a cyclic barrier, clients that use them through `url`, recorders on `client`.

    `k` and `client` go to the server directly, whatever stands between it and the clients.
    """

    k: Konductor
    client: redis.Redis
    zygote: Zygote
    url: str
    chance: random.Random
    directory: Path
    seconds: float = 4.0
    """How long a load lasts for which nothing else says when it is enough."""
    crew: Crew = field(init=False)
    semaphore: PatientRecorder = field(init=False)
    barrier: PatientRecorder = field(init=False)
    ahead_ms: float = field(init=False)
    """Server time minus the monotonic clock."""

    def __post_init__(self) -> None:
        self.crew = Crew(self.zygote, url=self.url, namespace=NAMESPACE)
        self.k.semaphore(SEMAPHORE).define(permits=PERMITS)
        self.k.barrier(BARRIER).define(expected=EXPECTED, cyclic=True)
        self.semaphore = PatientRecorder(self.client, stream_of(NAMESPACE, "semaphore", SEMAPHORE))
        self.barrier = PatientRecorder(self.client, stream_of(NAMESPACE, "barrier", BARRIER))
        self.ahead_ms = server_ms(self.client) - time.monotonic() * 1000

    def __enter__(self) -> Self:
        self.semaphore.__enter__()
        self.barrier.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.crew.dismiss()
        self.semaphore.__exit__()
        self.barrier.__exit__()

    def begin(self, threads: int = 6, tasks: int = 4, **options: Any) -> list[Worker]:
        """Start the load: processes of one thread each, and one process with so many tasks.

        Fewer than the barrier expects could all be waiting for it, with nobody left to arrive.
        """
        plan = {
            "semaphore": SEMAPHORE,
            "barrier": BARRIER,
            "enough": str(self.enough),
            "ttl": 1.5,
            "hold": 0.02,
        } | options
        jobs = ["mixed"] * threads + ["mixed_async"] * bool(tasks)
        return [
            self.crew.start(
                f"tests.faults.load:{job}", base=f"{job}-{n}", seed=self.chance.getrandbits(32), members=tasks, **plan
            )
            for n, job in enumerate(jobs)
        ]

    @property
    def load(self) -> list[Worker]:
        """The workers that run a load, and end with it."""
        return [worker for worker in self.crew.workers if worker.job.startswith("tests.faults.load:")]

    @property
    def enough(self) -> Path:
        """The file that ends the load."""
        return self.directory / "enough"

    def held(self) -> int:
        """How many leases clients got up to now."""
        return sum(line["op"] == "held" for line in self.lines())

    def await_progress(self, number: int = 15, timeout: float = 40.0) -> None:
        """Return once clients got so many more leases."""
        goal = self.held() + number
        try:
            until(lambda: self.held() >= goal, f"{number} more leases", timeout=timeout, interval=0.02)
        except AssertionError:
            say("\n".join(f"{worker.job}: {worker.lines[-3:]}" for worker in self.load))
            raise

    def first_lease_after(self, moment: float) -> float:
        """Return when a client first got a lease that it asked for after a moment; waits for some more leases."""
        self.await_progress(10)
        lines = self.lines()
        asks = {line["holder"]: line["t"] for line in lines if line["op"] == "asks"}
        return min(float(line["t"]) for line in lines if line["op"] == "held" and asks[line["holder"]] >= moment)

    def moments(self, number: int) -> list[float]:
        """Return that many moments of the load (monotonic seconds), spread at random."""
        start = time.monotonic()
        return sorted(start + self.chance.uniform(0.1, 0.9) * self.seconds for _ in range(number))

    def end(self, patience: float = 40.0) -> None:
        """Let the load end; return once every client has. Arrive for those who have left, as long as somebody waits."""
        self.enough.touch()
        over = time.monotonic() + patience
        turn = 0
        load = self.load
        for worker in load:
            while not worker.over.wait(0.05):
                assert time.monotonic() < over, f"stuck after {patience:g} s: {worker.lines[-3:]}"
                if time.monotonic() > over - patience + 0.5:
                    turn += 1
                    self.k.barrier(BARRIER).arrive(holder=f"drain/{turn}")
        assert all(worker.lines[-1]["op"] == "over" for worker in load), "a client broke off"

    def lines(self) -> list[dict[str, Any]]:
        return self.crew.lines()

    def violations(self, *, late_ms: int, script_ms: int, away: Mapping[str, list[Absence]] | None = None) -> list[str]:
        """Let the checkers judge everything."""
        events, meetings, lines = self.semaphore.complete(), self.barrier.complete(), self.lines()
        counted = Counter(event.holder for event in meetings if event.type == "arrived")
        rules = Rules(late_ms=late_ms, script_ms=script_ms, away=away or {})
        return [
            *check_permits(events, rules),
            *check_beliefs(lines, PERMITS),
            *check_barrier(meetings, lines, EXPECTED),
            *(f"counted in {number} cycles: {arrival}" for arrival, number in counted.items() if number > 1),
            *(f"{late:.0f} ms after its moment: {line}" for late, line in self._late() if late > late_ms),
        ]

    def _late(self) -> list[tuple[float, dict[str, Any]]]:
        """How long after the server's moment clients learned of their grants and openings, in ms."""
        granted = {event.token: event.at_ms for event in self.semaphore.events() if event.type == "granted"}
        opened = {event.detail: event.at_ms for event in self.barrier.events() if event.type == "opened"}
        late = []
        for line in self.lines():
            now = line["t"] * 1000 + self.ahead_ms
            if line["op"] == "held" and line["token"] in granted:
                late.append((now - granted[line["token"]], line))
            elif line["op"] == "opened":
                late.append((now - opened.get(f"cycle={line['cycle']}", now), line))
        return late

    def worst_ms(self) -> float:
        """The longest that a client took to learn of its grant or of an opening."""
        return max((late for late, _ in self._late()), default=0.0)

    def summary(self) -> str:
        """One line on what happened."""
        lines = Counter(line["op"] for line in self.lines())
        events = Counter(event.type for event in self.semaphore.events())
        refused = Counter(line["code"] for line in self.lines() if line["op"] == "refused")
        return (
            f"{lines['held']} held, {lines['arrived']} arrived, {lines['opened']} opened; refused {dict(refused)}; "
            f"lapsed {events['lapsed']}, expired {events['expired']}; worst {self.worst_ms():.0f} ms"
        )


def say(text: str) -> None:
    """Leave a line in the test's output: pytest shows it when the test fails, and with -rP."""
    sys.stdout.write(f"{text}\n")


def wait_until(moment: float) -> None:
    """Return at a moment of the monotonic clock."""
    until(lambda: time.monotonic() >= moment, "the moment has come", timeout=60)
