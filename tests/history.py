"""What really happened: a server's own history of an object, read while it grows, and what clients wrote down.

The stream of an object keeps the last 500 events or so, so that a `Recorder` has to follow it. At the end it compares
the number of events it read with the number that the server says it has added: a history with a gap proves nothing.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, Self

import redis

from tests.servers import until

__all__ = ["Event", "PatientRecorder", "Recorder", "server_ahead_ms", "server_ms", "stream_of"]


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of an object's stream; `at_ms` is the server's time, the numbers are None where the field is empty."""

    at_ms: int
    type: str
    holder: str = ""
    token: int | None = None
    permits: int | None = None
    detail: str = ""

    @classmethod
    def of(cls, entry: bytes, fields: dict[bytes, bytes]) -> Event:
        text = {name.decode(): value.decode() for name, value in fields.items()}
        return cls(
            at_ms=int(entry.split(b"-")[0]),
            type=text["type"],
            holder=text["holder"],
            token=int(text["token"]) if text["token"] else None,
            permits=int(text["permits"]) if text["permits"] else None,
            detail=text["detail"],
        )


def stream_of(namespace: str, kind: str, name: str) -> str:
    """Return the key of an object's history, spelled out here once more on purpose."""
    return f"konductor:{{{namespace}}}:{kind}:{name}:events"


def server_ms(client: redis.Redis) -> int:
    """Return the server's time in milliseconds."""
    seconds, micros = client.time()
    return seconds * 1000 + micros // 1000


def server_ahead_ms(client: redis.Redis) -> tuple[float, float]:
    """Return by how much the server's time is ahead of the monotonic clock: at least, and at most."""
    found = []
    for _ in range(20):
        before = time.monotonic() * 1000
        now = server_ms(client)
        found.append((now - time.monotonic() * 1000, now + 1 - before))
    return min(found, key=lambda bounds: bounds[1] - bounds[0])


class Recorder:
    """Follows streams in a thread of its own, from their first entries on, until the `with` block ends.

    A `stream` that is not named is the only one, or the first.
    """

    def __init__(self, client: redis.Redis, *streams: str) -> None:
        self._client = client
        self._events: dict[str, list[Event]] = {stream: [] for stream in streams}
        self._last: dict[str, bytes] = dict.fromkeys(streams, b"0-0")
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def events(self, stream: str | None = None) -> list[Event]:
        """Return what there has been up to now, in the server's order."""
        return list(self._events[stream or next(iter(self._events))])

    def find(self, kind: str, holder: str = "", timeout: float = 10.0) -> Event:
        """Return the first event of a type about a holder, waiting for it."""

        def found() -> Event | None:
            return next((event for event in self.events() if (event.type, event.holder) == (kind, holder)), None)

        until(found, f"{next(iter(self._events))} has {kind} {holder}", timeout=timeout)
        event = found()
        assert event is not None
        return event

    def complete(self, stream: str | None = None) -> list[Event]:
        """Return the whole history; raise `AssertionError` if any of it was missed."""
        stream = stream or next(iter(self._events))
        added = int(self._client.xinfo_stream(stream)["entries-added"])
        until(lambda: self._failure or len(self._events[stream]) >= added, f"{stream} is read to its end")
        assert self._failure is None, self._failure
        events = self.events(stream)
        assert len(events) == added, f"{stream}: read {len(events)} of {added} events"
        return events

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _follow(self) -> None:
        try:
            while not self._ending.is_set():
                self._read()
        except BaseException as error:  # noqa: BLE001 - said by complete()
            self._failure = error

    def _read(self) -> None:
        wanted: dict[Any, Any] = dict(self._last)
        news: Any = self._client.xread(wanted, block=100)
        for name, rows in news or ():
            stream = name.decode()
            self._events[stream] += [Event.of(entry, fields) for entry, fields in rows]
            self._last[stream] = rows[-1][0]


class PatientRecorder(Recorder):
    """A recorder that sits out what happens to its own connection."""

    def _follow(self) -> None:
        while not self._ending.is_set():
            try:
                self._read()
            except (redis.RedisError, OSError):
                self._ending.wait(0.01)
