"""One trial: a load under faults, its history as the server keeps it, and what the checkers say about both."""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from konductor_core.durations import CLAIM_WINDOW
from konductor_core.errors import KonductorError
from tests.checker import Absence, Rules, check_permits
from tests.checker_clients import check_barrier, check_beliefs
from tests.checker_latches import check_completions, check_waitgroup
from tests.faults.objects import BARRIER, EXPECTED, GROUP, NAMESPACE, ONCE, PERMITTED, SEMAPHORE, TALLY
from tests.history import Event, PatientRecorder, server_ms, stream_of
from tests.races.crew import Crew, Worker, Zygote
from tests.servers import until

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping
    from pathlib import Path

    import redis

    from konductor_core.client import Konductor

__all__ = ["BACK_MS", "GHOSTS_MS", "Trial", "say", "wait_until"]

BACK_MS = 5_000
"""Clients hold again so long after another server took over: one attempt in vain (1 s here), pauses of 2 s at most."""
GHOSTS_MS = 4 * CLAIM_WINDOW
"""For waiters whose end was among the lost writes, to be passed over like dead ones: ten at most, several at a time."""
ONCE_TTL = 0.6
"""Seconds: whoever waits to run what is done once follows a runner that is heard of no more so soon."""


@dataclass(slots=True)
class Trial:
    """An object of each kind, clients that use them through `url`, recorders on `client`.

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
    recorder: PatientRecorder = field(init=False)
    refs: tuple[str, ...] = field(init=False)
    """All objects, the semaphore first, named like `mutex/door`."""
    ahead_ms: float = field(init=False)
    """Server time minus the monotonic clock."""

    def __post_init__(self) -> None:
        self.crew = Crew(self.zygote, url=self.url, namespace=NAMESPACE)
        for ref, permits in PERMITTED.items():
            kind = ref.partition("/")[0]
            options: Any = {"semaphore": {"permits": permits}, "once": {"ttl": ONCE_TTL}}.get(kind, {})
            _handle(self.k, ref).define(**options)
        self.k.barrier(BARRIER).define(expected=EXPECTED, cyclic=True)
        self.k.waitgroup(GROUP).define()
        self.k.waitgroup(TALLY).define()
        refs = [*PERMITTED, f"barrier/{BARRIER}", f"waitgroup/{GROUP}", f"waitgroup/{TALLY}"]
        self.refs = tuple(refs)
        self.recorder = PatientRecorder(self.client, *map(_stream, refs))
        self.ahead_ms = server_ms(self.client) - time.monotonic() * 1000

    def __enter__(self) -> Self:
        self.recorder.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.crew.dismiss()
        self.recorder.__exit__()

    def history(self, ref: str = f"semaphore/{SEMAPHORE}") -> list[Event]:
        """Return the whole history of an object."""
        return self.recorder.complete(_stream(ref))

    def seen(self) -> dict[str, list[Event]]:
        """Return what was read of the history of each object up to now."""
        return {ref: self.recorder.events(_stream(ref)) for ref in self.refs}

    def begin(self, threads: int = 6, tasks: int = 4, **options: Any) -> list[Worker]:
        """Start the load: processes of one thread each, and one process with so many tasks.

        Fewer than the barrier expects could all be waiting for it, with nobody left to arrive.
        """
        plan = {"enough": str(self.enough), "ttl": 1.5, "hold": 0.02} | options
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

    def await_progress(self, number: int = 15, timeout: float = 40.0, *, lossy: bool = False) -> None:
        """Return once clients got so many more leases.

        With `lossy`, arrivals may have been lost for which all clients wait: then somebody else's, two seconds later.
        """
        held, turns = self.held(), itertools.count()
        goal, last_moved = held + number, time.monotonic()

        def reached() -> bool:
            nonlocal held, last_moved
            before, held = held, self.held()
            if held > before:
                last_moved = time.monotonic()
            elif lossy and time.monotonic() > last_moved + 2:
                self._drain(f"help/{held}/{next(turns)}")
            return held >= goal

        try:
            until(reached, f"{number} more leases", timeout=timeout, interval=0.02)
        except AssertionError:
            say(self.standstill())
            raise

    def standstill(self) -> str:
        """What each client did last, and how things stand: to be read when nothing moves any more."""
        last = {str(line.get("holder") or line.get("id")).rpartition("/")[0]: line for line in self.lines()}
        statuses = [_state(_handle(self.k, ref)) for ref in self.refs]
        return "\n".join([*(f"{client}: {line}" for client, line in last.items()), *statuses])

    def first_lease_after(self, moment: float) -> float:
        """Return when a client first got a lease that it asked for after a moment; waits for some more leases."""
        self.await_progress(10, lossy=True)
        lines = self.lines()
        asks = {line["holder"]: line["t"] for line in lines if line["op"] == "asks"}
        return min(float(line["t"]) for line in lines if line["op"] == "held" and asks[line["holder"]] >= moment)

    def moments(self, number: int) -> list[float]:
        """Return that many moments of the load (monotonic seconds), spread at random."""
        start = time.monotonic()
        return sorted(start + self.chance.uniform(0.1, 0.9) * self.seconds for _ in range(number))

    def end(self, patience: float = 40.0) -> None:
        """Let the load end; return once every client has. Help those who still wait after half a second."""
        self.enough.touch()
        over = time.monotonic() + patience
        turn = 0
        load = self.load
        for worker in load:
            while not worker.over.wait(0.05):
                if time.monotonic() > over:
                    say(self.standstill())
                    raise AssertionError(f"stuck after {patience:g} s: {worker.job}")
                if time.monotonic() > over - patience + 0.5:
                    turn += 1
                    self._drain(f"drain/{turn}")
        assert all(worker.lines[-1]["op"] == "over" for worker in load), "a client broke off"

    def still_waited_for(self, k: Konductor) -> list[str]:
        """Return what somebody waits for although the load is over, as another client sees it."""
        return [ref for ref in self.refs if _handle(k, ref).status().waiting]

    def _drain(self, arrival: str) -> None:
        """Arrive for those who have left; take off a member whose own report of its end was lost with a server."""
        self.k.barrier(BARRIER).arrive(holder=arrival)
        group = self.k.waitgroup(GROUP)
        for member in self._gone_members().intersection(each.id for each in group.status().members):
            group.done(member)

    def _gone_members(self) -> set[str]:
        """The members that have said that they are done, whatever came of it."""
        saying: set[str] = set()
        gone: set[str] = set()
        for line in self.lines():
            if line["op"] == "finishes":
                saying.add(line["id"])
            elif line["op"] == "finished":
                gone.add(line["id"])
            elif line["op"] == "refused" and line["holder"] in saying:
                gone.add(line["holder"])
        return gone

    def lines(self) -> list[dict[str, Any]]:
        return self.crew.lines()

    def violations(self, *, late_ms: int, script_ms: int, away: Mapping[str, list[Absence]] | None = None) -> list[str]:
        """Let the checkers judge everything."""
        histories = {ref: self.history(ref) for ref in self.refs}
        rules, found = Rules(late_ms=late_ms, script_ms=script_ms, away=away or {}), []
        for ref, events in histories.items():
            found += [f"{ref}: {violation}" for violation in self._judge(ref, events, rules)]
        return [*found, *(f"{late:.0f} ms after its moment: {line}" for late, line in self._late() if late > late_ms)]

    def _judge(self, ref: str, events: list[Event], rules: Rules) -> list[str]:
        lines = [line for line in self.lines() if line.get("object") == ref]
        if ref in PERMITTED:
            done = check_completions(events, lines) if ref == f"once/{ONCE}" else []
            return [*check_permits(events, rules), *check_beliefs(lines, PERMITTED[ref]), *done]
        if ref != f"barrier/{BARRIER}":
            return check_waitgroup(events, lines)
        counted = Counter(event.holder for event in events if event.type == "arrived")
        twice = [f"counted in {number} cycles: {arrival}" for arrival, number in counted.items() if number > 1]
        return [*check_barrier(events, lines, EXPECTED), *twice]

    def _late(self) -> list[tuple[float, dict[str, Any]]]:
        """How long after the server's moment clients learned of their grants and openings, in ms."""
        moments = {
            (ref, event.token if event.type == "granted" else int(event.detail.partition("=")[2])): event.at_ms
            for ref, events in self.seen().items()
            for event in events
            if event.type in {"granted", "opened"} or (event.type, event.holder) == ("done", "")
        }
        late = []
        for line in self.lines():
            now = line["t"] * 1000 + self.ahead_ms
            told = line["token"] if line["op"] == "held" else line.get("cycle") if line["op"] == "opened" else None
            if (line.get("object"), told) in moments:
                began = line.get("since", 0) * 1000 + self.ahead_ms
                late.append((now - max(began, moments[line["object"], told]), line))
        return late

    def worst_ms(self) -> float:
        """The longest that a client took to learn of its grant or of an opening."""
        return max((late for late, _ in self._late()), default=0.0)

    def summary(self) -> str:
        """One line on what happened."""
        lines = Counter(line["op"] for line in self.lines())
        events = Counter(event.type for events in self.seen().values() for event in events)
        refused = Counter(line["code"] for line in self.lines() if line["op"] == "refused")
        return (
            f"{lines['held']} held, {lines['arrived']} arrived, {lines['opened']} opened, "
            f"{lines['completed']} completed, {lines['finished']} finished; refused {dict(refused)}; "
            f"lapsed {events['lapsed']}, expired {events['expired']}; worst {self.worst_ms():.0f} ms"
        )


def _handle(k: Konductor, ref: str) -> Any:
    kind, _, name = ref.partition("/")
    return getattr(k, kind)(name)


def _state(handle: Any) -> str:
    try:
        return str(handle.status().to_dict() | {"counters": ...})
    except KonductorError as error:
        return str(error)


def _stream(ref: str) -> str:
    return stream_of(NAMESPACE, *ref.split("/"))


def say(text: str) -> None:
    """Leave a line in the test's output: pytest shows it when the test fails, and with -rP."""
    sys.stdout.write(f"{text}\n")


def wait_until(moment: float) -> None:
    """Return at a moment of the monotonic clock."""
    until(lambda: time.monotonic() >= moment, "the moment has come", timeout=60)
