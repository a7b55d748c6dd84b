"""Where script tests work: the library, waiters moved by hand, and raw keys, on one backend with a clock to move.

bench.semaphore(permits=2)              the semaphore `x`, defined
bench.ask("a", permits=2)               a request of holder `a`, not sent yet
request.wait(), .attempt(), .cancel()   send it as a waiter, as a try, or end it; a waiter confirms by `wait()` again
request.messages()                      what scripts have put on its wake list since
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from konductor_core.codes import Code
from konductor_core.flows.permits import Ask
from konductor_core.identity import Kind, Owner
from konductor_core.keys import ObjectKeys
from konductor_core.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis

    from konductor_core import Konductor
    from konductor_core.handles.barrier import Barrier
    from konductor_core.handles.permits import Semaphore
    from konductor_core.models import Event
    from tests.scripts.clock import Clock

__all__ = ["NAMESPACE", "ODD_NAMES", "Bench", "Reply", "Request"]

NAMESPACE: Final = "team"
UID: Final = "3f1c2f9e-0000-4000-8000-000000000001"

ODD_NAMES: Final = (
    "a:b",
    "{braces}",
    "}{",
    "name=5 other=3",
    "semaphore/x=7",
    "with space",
    "%s %d %%1",
    "glob*?[a-z]^$",
    "quote'\"`\\",
    "🦆 emoji",
    "лошадь",
    "lease:x",
    "-inf",
    "0",
    "é" * 126,
)
"""Printable, and allowed: holders and arrival ids are any text."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of `permit_acquire`: `tokens` and `left_ms`, the time to each lease's end, only with a grant."""

    code: str
    next_change_ms: int
    object: str
    position: int
    waiting: int
    in_use: int
    permits: int
    tokens: tuple[int, ...]
    left_ms: tuple[int, ...]

    @property
    def granted(self) -> bool:
        return self.code == Code.GRANTED

    @property
    def token(self) -> int:
        return self.tokens[0]


class Request:
    """One ask, sent as often as the test likes: the same request id every time."""

    def __init__(self, bench: Bench, ask: Ask) -> None:
        self.bench = bench
        self.spec = ask
        self.id = ask.request
        self.holder = ask.holder

    def _send(self, mode: str) -> Reply:
        reply = self.bench.run(self.spec.call(mode))
        code, next_change_ms, name, position, waiting, in_use, permits, *grants = reply
        tokens, left_ms = tuple(map(int, grants[::2])), tuple(grants[1::2])
        return Reply(code, next_change_ms, name, position, waiting, in_use, permits, tokens, left_ms)

    def wait(self) -> Reply:
        """Ask, heartbeat, or confirm."""
        return self._send("wait")

    def attempt(self) -> Reply:
        """Try once."""
        return self._send("try")

    def cancel(self, reason: str = "cancelled") -> str:
        return str(self.bench.run(self.spec.cancel(reason))[0])

    def messages(self) -> list[str]:
        """Take what woke it, oldest first."""
        found: Any = self.bench.client.lpop(self.spec.wake, 1000)
        return found or []


class Bench:
    """One backend: `client` decodes, `k` is the library on it, `clock` moves its time."""

    def __init__(self, client: redis.Redis, k: Konductor, clock: Clock) -> None:
        self.client = client
        self.k = k
        self.clock = clock
        self.kind = Kind.SEMAPHORE
        """Of the object that is asked, where a test does not say."""

    def run(self, call: Any) -> list[Any]:
        """Run one `Call` and return its reply."""
        return self.k.driver.call(call).reply

    def script(self, name: str, keys: Sequence[str], *args: str | int) -> Any:
        """Run a script without the library in between."""
        return self.client.eval(SCRIPTS[name].source, len(keys), *keys, *args)

    def keys(self, name: str = "x", kind: Kind | None = None) -> ObjectKeys:
        return ObjectKeys(NAMESPACE, kind or self.kind, name)

    def semaphore(self, permits: int = 1, name: str = "x", **spec: Any) -> Semaphore:
        """Return a semaphore that exists, with these values of `define`."""
        found = self.k.semaphore(name)
        found.define(permits, **spec)
        return found

    def barrier(self, expected: int, name: str = "b", **spec: Any) -> Barrier:
        """Return a barrier that exists, with these values of `define`."""
        found = self.k.barrier(name)
        found.define(expected, **spec)
        return found

    def ask(
        self,
        holder: str,
        permits: int = 1,
        *,
        ttl_ms: int | None = None,
        priority: int = 0,
        name: str = "x",
        several: dict[str, int] | None = None,
        pod: str = "",
    ) -> Request:
        """Return a request for `permits` of one semaphore, or for the amounts of `several`."""
        wanted = several or {name: permits}
        objects = tuple(self.keys(each) for each in wanted)
        owner = Owner(pod, UID if pod else "", "")
        ask = Ask(objects, tuple(wanted.values()), holder, ttl_ms=ttl_ms, priority=priority, owner=owner)
        return Request(self, ask)

    def queue(self, *holders: str, permits: int = 1) -> list[Request]:
        """Return requests of these holders that all wait, in this order."""
        requests = [self.ask(holder, permits) for holder in holders]
        for request in requests:
            assert request.wait().code == Code.QUEUED
        return requests

    def holders(self, name: str = "x") -> dict[str, int]:
        """Return who holds how many."""
        return {each.holder: each.permits for each in self.k.semaphore(name).status().holders}

    def waiters(self, name: str = "x") -> list[str]:
        """Return who waits, in serving order."""
        return [each.holder for each in self.k.semaphore(name).status().waiters]

    def events(self, name: str = "x") -> list[Event]:
        return self.k.semaphore(name).events(1000)

    def event_types(self, name: str = "x") -> list[str]:
        return [event.type for event in self.events(name)]

    def all_keys(self) -> list[str]:
        return sorted(self.client.scan_iter("*", count=1000))

    def dump(self) -> dict[str, Any]:
        """Return every key with its value, to see that nothing was written."""
        return {key: self.client.dump(key) for key in self.all_keys()}
