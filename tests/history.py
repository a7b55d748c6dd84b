"""What really happened: a server's own history of an object, read while it grows, and what clients wrote down.

The stream of an object keeps the last 500 events or so, so that a `Recorder` has to follow it. At the end it compares
the number of events it read with the number that the server says it has added: a history with a gap proves nothing.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterable

    import redis

__all__ = ["Event", "Recorder", "server_ms", "stream_of"]


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


class Recorder:
    """Follows streams in a thread of its own, from their first entry on, until the `with` block ends."""

    def __init__(self, client: redis.Redis, streams: Iterable[str]) -> None:
        self._client = client
        self._last = dict.fromkeys(streams, b"0-0")
        self._events: dict[str, list[Event]] = {stream: [] for stream in self._last}
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def events(self, stream: str) -> list[Event]:
        """Return what a stream has had up to now, in the server's order."""
        return list(self._events[stream])

    def complete(self, stream: str) -> list[Event]:
        """Return the whole history of a stream; raise `AssertionError` if any of it was missed."""
        added = int(self._client.xinfo_stream(stream)["entries-added"])
        until(lambda: self._failure or len(self._events[stream]) >= added, f"{stream} is read to its end")
        assert self._failure is None, self._failure
        assert len(self._events[stream]) == added, f"{stream}: read {len(self._events[stream])} of {added} events"
        return self.events(stream)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _follow(self) -> None:
        try:
            while not self._ending.is_set():
                news: Any = self._client.xread(cast("Any", self._last), block=100)
                for stream, rows in news or ():
                    self._take(stream.decode(), rows)
        except BaseException as error:  # noqa: BLE001 - said by complete()
            self._failure = error

    def _take(self, stream: str, rows: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        self._events[stream] += [Event.of(entry, fields) for entry, fields in rows]
        self._last[stream] = rows[-1][0]
