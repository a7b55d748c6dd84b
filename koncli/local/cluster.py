"""What the runner does in the controller's place: objects from manifests, their state, leases of ended pods."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from koncli.kinds import ref
from konductor_core.coordination import Arrive
from konductor_core.durations import HEARTBEAT
from konductor_core.errors import KonductorError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from konductor_core import Konductor
    from konductor_core.identity import Kind
    from konductor_core.manifests import Manifest
    from konductor_core.models import Status

_LOOK_S = 0.1
"""Seconds after which the nudge iterator gives control back; no command is sent for that."""
_RETRY_S = 1.0
_JOIN_S = 5.0


class Cluster:
    """The Konductor objects of a run. Its calls block: the runner makes them in threads."""

    def __init__(self, client: Konductor, objects: list[Manifest]) -> None:
        self._client = client
        self._objects = objects
        self._created: list[tuple[Kind, str]] = []
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.statuses: dict[tuple[Kind, str], Status] = {}
        """The last known status of each object of the manifests."""

    def define(self) -> list[str]:
        """Create or update the objects; a line for each that says what was done. Raises Unavailable without Redis."""
        self._client.objects()  # also where there is nothing to define: the pods will need it
        lines = []
        for manifest in self._objects:
            key = manifest.kind, manifest.name
            action = str(self._handle(*key).define_spec(manifest.spec, labels=manifest.labels).action)
            if action == "created":
                self._created.append(key)
            self.statuses[key] = self._handle(*key).status()
            lines.append(f"{ref(*key)} {action}")
        return lines

    def follow(self, on_change: Callable[[Kind, str, Status], None], on_nudge: Callable[[], None]) -> None:
        """Keep `statuses` up to date in a thread, which calls `on_change` with each new one.

        It calls `on_nudge` when any object of the namespace changes, and when such a change may have been missed.
        """
        self._thread = threading.Thread(target=self._follow, args=(on_change, on_nudge), daemon=True)
        self._thread.start()

    def reclaim(self, uid: str) -> list[str]:
        """Release whatever the ended pod with this uid still holds; a line for each lease."""
        lines = []
        for kind, name in self._client.objects():
            handle = self._handle(kind, name)
            try:
                holders = getattr(handle.status(), "holders", ())
                for holder in [each.holder for each in holders if each.uid == uid]:
                    handle.force_release(holder)
                    lines.append(f"{ref(kind, name)}: released what {holder} still held")
            except NotFound:
                continue
        return lines

    def arrive(self, kind: Kind, name: str, arrival: str) -> str:
        """Arrive for a pod that has ended; a line that says so. Raises what the library's `arrive` raises."""
        done = getattr(self._handle(kind, name), Arrive(kind, name).verb)(arrival)
        again = "" if done.counted else " (had arrived before)"
        return f"{ref(kind, name)}: {done.summary}{again}"

    def refresh(self) -> None:
        """Read all objects of the manifests once more, as far as they can be read."""
        for key in self.statuses:
            self._read(key, lambda *_: None)

    def close(self, *, delete: bool) -> None:
        """Stop following; with `delete`, remove the objects that this run created."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
        for kind, name in self._created if delete else ():
            self._handle(kind, name).delete()

    def _follow(self, on_change: Callable[[Kind, str, Status], None], on_nudge: Callable[[], None]) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(KonductorError):  # Redis is away
                self._listen(on_change, on_nudge)
            self._closing.wait(_RETRY_S)

    def _listen(self, on_change: Callable[[Kind, str, Status], None], on_nudge: Callable[[], None]) -> None:
        due = dict.fromkeys(self.statuses, 0.0)
        heard = True
        for nudge in self._client.nudges(_LOOK_S):
            if self._closing.is_set():
                return
            if nudge is not None or heard:  # the first None says that it listens from now on
                on_nudge()
            heard = False
            if nudge is not None and nudge in due:
                due[nudge] = 0.0
            now = time.monotonic()
            for key, moment in due.items():
                if moment <= now:
                    due[key] = now + self._read(key, on_change) / 1000

    def _read(self, key: tuple[Kind, str], on_change: Callable[[Kind, str, Status], None]) -> int:
        """Read one object; milliseconds until it should be read again without a nudge."""
        try:
            status: Status = self._handle(*key).status()
        except KonductorError:  # deleted, or Redis is away: the view keeps what it knows
            return HEARTBEAT
        self.statuses[key] = status
        on_change(*key, status)
        return min(HEARTBEAT, max(50, status.next_change_ms)) if status.next_change_ms >= 0 else HEARTBEAT

    def _handle(self, kind: Kind, name: str) -> Any:  # noqa: ANN401 - each kind has its own class
        return getattr(self._client, kind.key)(name)
