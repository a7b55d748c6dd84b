"""What the screen knows: each object's last status and newest events, and whether Redis is there.

One thread reads, another draws: `Board` is shared by them, a `Picture` is what one drawing shows.
"""

from __future__ import annotations

import heapq
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from konductor_core.durations import HEARTBEAT
from konductor_core.errors import NotFound

if TYPE_CHECKING:
    from konductor_core.client import Konductor
    from konductor_core.identity import Kind
    from konductor_core.models import Event, Status

    Key = tuple[Kind, str]

EVENTS = 50
"""The newest events of each object that are kept, and of all that are shown."""

CALM = 0.2
"""Seconds between two readings of one object, however often it changes."""

SOONEST = 0.05
"""Seconds after which an object is read again at the earliest because its own change is due."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One object when it was read; `at` is our monotonic clock then, `status` has the server's."""

    kind: Kind
    name: str
    status: Status
    at: float

    def now_ms(self, now: float) -> int:
        """The server's clock at our moment `now`."""
        return self.status.now_ms + max(0, int((now - self.at) * 1000))


@dataclass(frozen=True, slots=True)
class Happened:
    """One event and its object."""

    kind: Kind
    name: str
    event: Event


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that one drawing shows; `trouble` says why Redis is away since `trouble_at`, monotonic."""

    namespace: str
    where: str
    objects: tuple[Seen, ...] = ()
    events: tuple[Happened, ...] = ()
    trouble: str = ""
    trouble_at: float = 0.0


class Board:
    """The objects of one namespace, read again when a nudge names them or when their own next change is due."""

    def __init__(self, client: Konductor) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._seen: dict[Key, Seen] = {}
        self._events: dict[Key, list[Event]] = {}
        self._due: dict[Key, float] = {}
        self._read_at: dict[Key, float] = {}
        self._all_at = 0.0
        self._trouble = ("", 0.0)
        self._newest: tuple[Happened, ...] | None = None

    def read_all(self) -> None:
        """Read every object now. Raises `Unavailable`."""
        for key in {*self._due, *self._client.objects()}:
            self._due[key] = 0.0
        self._all_at = time.monotonic() + HEARTBEAT / 1000
        self.read_due()
        self.recovered()

    def nudged(self, key: Key) -> None:
        """Note that an object changed; it is read at once, unless it was read only just now."""
        calm = self._read_at.get(key, 0.0) + CALM
        self._due[key] = min(self._due.get(key, calm), calm)

    def read_due(self) -> bool:
        """Read what is to be read by now; tells whether anything was. Raises `Unavailable`."""
        now = time.monotonic()
        if now >= self._all_at:
            self.read_all()
            return True
        due = [key for key, at in self._due.items() if at <= now]
        for key in due:
            self._read(key)
        return bool(due)

    def _read(self, key: Key) -> None:
        kind, name = key
        handle = getattr(self._client, kind.key)(name)
        self._read_at[key] = now = time.monotonic()
        try:
            status: Status | None = handle.status()
        except NotFound:
            status = None
        events = handle.events(limit=EVENTS)
        with self._lock:
            if events:
                self._events[key] = events
                self._newest = None
            if status is None:  # what happened to it stays readable
                self._seen.pop(key, None)
                self._due.pop(key, None)
                return
            self._seen[key] = Seen(kind, name, status, time.monotonic())
        wait = HEARTBEAT / 1000
        if status.next_change_ms >= 0:
            wait = min(wait, max(SOONEST, status.next_change_ms / 1000))
        self._due[key] = now + wait

    def troubled(self, what: str) -> None:
        """Note that Redis is away: everything is to be read again when it is back."""
        with self._lock:
            self._trouble = what, self._trouble[1] or time.monotonic()
        self._all_at = 0.0

    def recovered(self) -> None:
        """Note that Redis has answered."""
        with self._lock:
            self._trouble = "", 0.0

    def picture(self) -> Picture:
        """Return what is known now: objects by kind and name, the newest events first."""
        settings = self._client.settings
        with self._lock:
            objects = tuple(self._seen[key] for key in sorted(self._seen))
            if self._newest is None:
                every = (Happened(*key, event) for key, events in self._events.items() for event in events)
                self._newest = tuple(heapq.nlargest(EVENTS, every, key=lambda each: (each.event.at_ms, each.event.id)))
            return Picture(settings.namespace, settings.redis.display, objects, self._newest, *self._trouble)
