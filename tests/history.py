"""What really happened: a server's own history of an object, read while it grows, and what clients wrote down.

The stream of an object keeps the last 500 events or so, so that a `Recorder` has to follow it. At the end it compares
the number of events it read with the number that the server says it has added: a history with a gap proves nothing.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tests.servers import until

if TYPE_CHECKING:
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
    """Follows one stream in a thread of its own, from its first entry on, until the `with` block ends."""

    def __init__(self, client: redis.Redis, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._events: list[Event] = []
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def events(self) -> list[Event]:
        """Return what there has been up to now, in the server's order."""
        return list(self._events)

    def find(self, kind: str, holder: str = "", timeout: float = 10.0) -> Event:
        """Return the first event of a type about a holder, waiting for it."""

        def found() -> Event | None:
            return next((event for event in self.events() if (event.type, event.holder) == (kind, holder)), None)

        until(found, f"{self._stream} has {kind} {holder}", timeout=timeout)
        event = found()
        assert event is not None
        return event

    def complete(self) -> list[Event]:
        """Return the whole history; raise `AssertionError` if any of it was missed."""
        added = int(self._client.xinfo_stream(self._stream)["entries-added"])
        until(lambda: self._failure or len(self._events) >= added, f"{self._stream} is read to its end")
        assert self._failure is None, self._failure
        assert len(self._events) == added, f"{self._stream}: read {len(self._events)} of {added} events"
        return self.events()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _follow(self) -> None:
        last = b"0-0"
        try:
            while not self._ending.is_set():
                news: Any = self._client.xread({self._stream: last}, block=100)
                for _, rows in news or ():
                    self._events += [Event.of(entry, fields) for entry, fields in rows]
                    last = rows[-1][0]
        except BaseException as error:  # noqa: BLE001 - said by complete()
            self._failure = error
