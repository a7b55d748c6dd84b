"""How long a wait may still last: counted from its first start, however often its container is started again."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from konductor_core.durations import about, to_ms
from sidecar.clock import boot_id, boot_ms
from sidecar.say import message

if TYPE_CHECKING:
    from sidecar.volume import Volume

__all__ = ["Deadline"]


class Deadline:
    """The deadline called `name`; a `timeout` of None is none, 0 is a single try."""

    def __init__(self, volume: Volume, name: str, timeout: str | None) -> None:
        self._volume = volume
        self._name = name
        self._timeout_ms = None if timeout is None else to_ms(timeout, what="--timeout")
        self._until_ms: int | None = None
        if self._timeout_ms:
            self._until_ms = self._noted()
            if self._until_ms is None:
                self._note(self._timeout_ms)
            else:
                left = about(max(0, self._until_ms - boot_ms()))
                message(f"started again: {left} of {timeout} left")

    @property
    def left(self) -> float | None:
        """Seconds that are left, for a library call; None is no end.

        A deadline that has passed leaves a millisecond: one look, and the answer of a wait, not that of a try.
        """
        if self._timeout_ms is None:
            return None
        return (self._timeout_ms if self._until_ms is None else max(1, self._until_ms - boot_ms())) / 1000

    def forget(self) -> None:
        """Let the next start of the container begin anew."""
        self._volume.remove("deadlines", self._name)

    def _noted(self) -> int | None:
        """Return the moment that an earlier start of this container noted, if the node still counts from there."""
        try:
            boot, moment = json.loads(self._volume.read("deadlines", self._name))
        except (TypeError, ValueError):
            return None
        return moment if boot == boot_id() and isinstance(moment, int) else None

    def _note(self, timeout_ms: int) -> None:
        with suppress(OSError):  # without a volume it counts from each start
            self._volume.write(json.dumps([boot_id(), boot_ms() + timeout_ms]), "deadlines", self._name)
