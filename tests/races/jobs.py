"""What worker processes do. A job gets a `Link` to its test and says there what it learns, with the monotonic clock."""

from __future__ import annotations

import json
import random
import signal
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from konductor_core.client import Konductor
from konductor_core.errors import AlreadyDone, KonductorError
from konductor_core.permit_verbs import several
from tests.servers import until

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from konductor_core.flows.steps import Progress
    from konductor_core.lease import Lease

__all__ = [
    "Link",
    "arrive_once",
    "be_interrupted",
    "compete",
    "compete_for_several",
    "do_once",
    "go_round",
    "serve",
    "take_part",
    "wait_for_barrier",
    "wait_for_group",
]


class Link:
    """A worker's connection to its test: JSON lines in both directions."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._words = connection.makefile("r", encoding="utf-8")
        self._lock = threading.Lock()

    def say(self, op: str, **fields: Any) -> None:
        """Say something, with the moment just before."""
        line = json.dumps({"t": monotonic(), "op": op, **fields})
        with self._lock:
            self._connection.sendall(line.encode() + b"\n")

    def hear(self) -> dict[str, Any] | None:
        """Return the test's next words, or None at the end."""
        line = self._words.readline()
        return json.loads(line) if line else None

    def say_held(self, lease: Lease) -> None:
        """Say what a lease is: `until` is the monotonic moment to which its holder may believe in it."""
        until = lease._hold.deadline
        self.say("held", holder=lease.holder, token=lease.token, permits=lease.permits, until=until)


class _Server:
    """Does what the test says, one thing after the other, with at most one lease."""

    def __init__(self, link: Link, k: Konductor) -> None:
        self._link = link
        self._k = k
        self._lease: Lease | None = None

    def acquire(self, name: str, **options: Any) -> None:
        self._lease = self._k.semaphore(name).acquire(
            **options, on_progress=self._progress, on_lost=lambda lease: self._link.say("lost", token=lease.token)
        )
        self._link.say_held(self._lease)

    def _progress(self, progress: Progress) -> None:
        self._link.say("progress", text=progress.text)

    def renew(self, **options: Any) -> None:
        assert self._lease is not None
        self._lease.renew(**options)
        self._link.say("renewed", holder=self._lease.holder, token=self._lease.token, until=self._lease._hold.deadline)

    def release(self) -> None:
        assert self._lease is not None
        self._link.say("gave", holder=self._lease.holder, token=self._lease.token)
        self._link.say("released", what=str(self._lease.release()))

    def state(self) -> None:
        """Say what the lease knows of itself."""
        assert self._lease is not None
        self._link.say("state", lost=self._lease.lost.is_set(), expires_in=self._lease.expires_in)

    def arrive(self, name: str, **options: Any) -> None:
        done = self._k.barrier(name).arrive(**options)
        self._link.say("arrived", id=options.get("holder"), counted=done.counted, cycle=done.cycle, phase=done.phase)

    def wait(self, name: str, **options: Any) -> None:
        opened = self._k.barrier(name).wait(**options, on_progress=self._progress)
        self._link.say("opened", cycle=opened.cycle)


def serve(link: Link, url: str, namespace: str, holder: str | None = None) -> None:
    """Do what the test says until it hangs up: {"do": <method>, …its arguments}."""
    with Konductor(url, namespace=namespace, holder=holder) as k:
        server = _Server(link, k)
        while order := link.hear():
            act: Callable[..., None] = getattr(server, order.pop("do"))
            try:
                act(**order)
            except KonductorError as error:
                link.say("error", code=error.code, text=str(error))


def compete(
    link: Link,
    *,
    url: str,
    namespace: str,
    name: str,
    base: str,
    seed: int,
    seconds: float,
    amounts: tuple[int, int, int] = (1, 2, 4),
    priorities: tuple[int, int] = (0, 5),
) -> None:
    """Acquire and release at random: amounts, TTLs, priorities, tries, timeouts, and leases left to expire.

    `name` is that of a semaphore, or like `mutex/x`. The first of the `amounts` is the usual one.
    """
    chance = random.Random(seed)
    end = monotonic() + seconds
    with Konductor(url, namespace=namespace) as k:
        handle, turn = k.permits(name if "/" in name else f"semaphore/{name}"), 0
        while monotonic() < end:
            turn += 1
            holder = f"{base}/{turn}"
            link.say("asks", holder=holder)
            try:
                lease = handle.take(
                    chance.choices(amounts, (20, 4, 1))[0],
                    ttl=chance.uniform(0.2, 0.6),
                    timeout=chance.choices((None, 0, 0.5), (8, 1, 1))[0],
                    priority=chance.choices(priorities, (8, 1))[0],
                    holder=holder,
                )
            except KonductorError as error:
                link.say("error", holder=holder, code=error.code)
                continue
            link.say_held(lease)
            _use(link, lease, chance)


def compete_for_several(
    link: Link, *, url: str, namespace: str, amounts: dict[str, list[int]], base: str, seed: int, seconds: float
) -> None:
    """Take random ones of several objects at once, in random order, hold them for a moment, and give them back.

    `amounts` has what to choose from for each. The library sorts what it asks for, so it is shuffled behind its back.
    """
    chance = random.Random(seed)
    end, turn = monotonic() + seconds, 0
    with Konductor(url, namespace=namespace) as k:
        while monotonic() < end:
            turn += 1
            chosen = chance.sample(sorted(amounts), chance.choice((1, 2, 2, 3)))
            holder = f"{base}/{turn}"
            verbs, among = several(k._caller, {each: chance.choice(amounts[each]) for each in chosen})
            shuffled = dict(chance.sample(list(among.items()), len(among)))
            ask = verbs[0].ask(1, 1, 0, holder, force=False, among=shuffled)
            link.say("asks", holder=holder, objects={keys.id: amount for keys, amount in shuffled.items()})
            k.driver.run(verbs[0].acquire(ask, None, must_exist=True))
            link.say("held", holder=holder, token=0, permits=0, until=0)
            threading.Event().wait(chance.uniform(0, 0.03))
            link.say("gives", holder=holder)
            for ref in chosen:
                k.permits(ref).release(holder)
            link.say("gave", holder=holder, token=0)


def _use(link: Link, lease: Lease, chance: random.Random) -> None:
    """Hold for a moment, or over a renewal, or until the TTL has passed."""
    way = chance.choices(("short", "renewed", "forgotten"), (40, 8, 1))[0]
    if way == "forgotten":
        return
    threading.Event().wait(chance.uniform(0, 0.04 if way == "short" else 0.15))
    if way == "renewed" and lease.expires_in > 0:
        try:
            lease.renew()
        except KonductorError as error:
            link.say("error", holder=lease.holder, code=error.code)
        else:
            link.say("renewed", holder=lease.holder, token=lease.token, until=lease._hold.deadline)
    link.say("gave", holder=lease.holder, token=lease.token)
    lease.release()


class _Strike:
    """Raises an interrupt at the next SIGINT, if it is armed. An Event would block in its own signal handler."""

    def __init__(self) -> None:
        self.armed = self.struck = False
        signal.signal(signal.SIGINT, self._strike)

    def _strike(self, *_: object) -> None:
        self.struck = True
        if self.armed:
            self.armed = False
            raise KeyboardInterrupt


def be_interrupted(link: Link, *, url: str, namespace: str, turns: int) -> None:
    """Acquire under a new holder each turn, while the test interrupts once at any moment of it."""
    strike = _Strike()
    with Konductor(url, namespace=namespace) as k:
        for turn in range(turns):
            strike.struck = False
            link.say("asks", turn=turn)
            lease = None
            try:
                strike.armed = True
                lease = k.semaphore("one").acquire(ttl="30s", timeout="20s", holder=f"turn-{turn}")
                strike.armed = False
            except KeyboardInterrupt:
                pass
            until(lambda: strike.struck, "the test has interrupted", interval=0.001)
            if lease is not None:
                lease.release()
            link.say("held" if lease else "interrupted", turn=turn)


def arrive_once(link: Link, *, url: str, namespace: str, name: str, arrival: str) -> None:
    """Arrive under an id, and say what came of it."""
    with Konductor(url, namespace=namespace) as k:
        link.say("arrives", id=arrival)
        done = k.barrier(name).arrive(arrival)
        link.say("arrived", id=arrival, counted=done.counted, cycle=done.cycle)


def take_part(link: Link, *, url: str, namespace: str, name: str, member: str, unnamed: int) -> None:
    """Add a name and some members without one, then be done with all; do it again if told so, as a restarted pod."""
    with Konductor(url, namespace=namespace) as k:
        group = k.waitgroup(name)
        group.add(member)
        for _ in range(unnamed):
            group.add()
            link.say("added")
        for _ in range(unnamed):
            link.say("finishing")
            group.done()
            link.say("finished")
        group.done(member)
        link.say("done")


def do_once(link: Link, *, url: str, namespace: str, name: str, seed: int, until_failures: int) -> None:
    """Try to do it until it is done: hang beyond the lease, fail, and complete once so many runs have failed."""
    chance = random.Random(seed)
    with Konductor(url, namespace=namespace) as k:
        once = k.once(name)
        while True:
            try:
                run = once.begin(timeout=20)
            except AlreadyDone:
                link.say("done")
                return
            way = chance.choice(("fail", "hang", "complete", "complete"))
            threading.Event().wait(chance.uniform(0, 0.02) + (0.5 if way == "hang" else 0))
            try:
                if way == "fail" or (way == "complete" and once.status().failures < until_failures):
                    run.fail("by chance")
                else:
                    run.complete()
                    link.say("completed", holder=run.holder, token=run.token)
            except KonductorError as error:
                link.say("error", code=error.code)


def wait_for_group(link: Link, url: str, namespace: str, name: str) -> None:
    """Wait until no member is left, and say so."""
    with Konductor(url, namespace=namespace) as k:
        link.say("waits")
        link.say("opened", added=k.waitgroup(name).wait(timeout=60).added)


def go_round(link: Link, *, url: str, namespace: str, name: str, arrival: str, turns: int) -> None:
    """Arrive at each cycle of a barrier and wait until it opens."""
    with Konductor(url, namespace=namespace) as k:
        for _ in range(turns):
            link.say("opened", cycle=k.barrier(name).arrive_and_wait(arrival, timeout=30).cycle)


def wait_for_barrier(link: Link, url: str, namespace: str, name: str) -> None:
    """Wait until the barrier opens, and say so."""
    with Konductor(url, namespace=namespace) as k:
        link.say("waits")
        opened = k.barrier(name).wait(timeout=60)
        link.say("opened", cycle=opened.cycle)
