"""The terminal under the screen: keys one by one, signals at a moment that suits, everything as it was afterwards."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import FrameType

LEAVE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP)
"""Signals that wait until the screen is left; then they do what they always do."""


class Waker:
    """Ends a wait from another thread or a signal handler."""

    def __init__(self) -> None:
        self.read_end, self._write_end = os.pipe()
        for end in (self.read_end, self._write_end):
            os.set_blocking(end, False)

    def wake(self) -> None:
        """End the wait, or the next one."""
        with suppress(BlockingIOError):  # a full pipe wakes as well
            os.write(self._write_end, b"!")

    def clear(self) -> None:
        """Begin anew: what woke us is dealt with."""
        with suppress(BlockingIOError):
            os.read(self.read_end, 65536)


class Terminal:
    """Keys without echo and noted signals between enter and exit. `signum` is the signal that wants us to leave."""

    def __init__(self, waker: Waker) -> None:
        self.signum: int | None = None
        self._waker = waker
        self._keys = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else -1
        self._modes: list[Any] | None = None
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for signum in LEAVE:
            if signal.getsignal(signum) is not signal.SIG_IGN:
                self._handlers[signum] = signal.signal(signum, self._note)
        self._handlers[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, lambda *_: self._waker.wake())
        if self._keys >= 0:
            self._modes = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys, termios.TCSANOW)
        return self

    def __exit__(self, *_: object) -> None:
        if self._modes is not None:
            with suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(self._keys, termios.TCSANOW, self._modes)
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)

    def wait(self, seconds: float) -> str:
        """Return the keys typed, or nothing after so long or when woken. Raises OSError if the terminal is gone."""
        ends = [self._waker.read_end, *([self._keys] if self._keys >= 0 else [])]
        ready, _, _ = select.select(ends, [], [], max(0.0, seconds))
        if self._waker.read_end in ready:
            self._waker.clear()
        if self._keys not in ready:
            return ""
        typed = os.read(self._keys, 1024)
        if not typed:
            raise OSError("the terminal is gone")
        return typed.decode(errors="replace")

    def _note(self, signum: int, frame: FrameType | None) -> None:
        again, self.signum = self.signum is not None, signum
        self._waker.wake()
        handler = self._handlers[signum]
        if again and callable(handler):  # drawing does not get on, it seems
            handler(signum, frame)
