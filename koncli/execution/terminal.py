"""The terminal that koncli was started on, if any, and the modes it had."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any


class Terminal:
    """The controlling terminal as it is now."""

    def __init__(self) -> None:
        import termios

        self._fd = -1
        self._modes: Any = None
        try:
            self._fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
            if self._is_ours():
                self._modes = termios.tcgetattr(self._fd)
        except (OSError, termios.error):
            pass

    @property
    def present(self) -> bool:
        """Whether there is one: then a shell may watch us stop and go on."""
        return self._fd >= 0

    def restore(self) -> None:
        """Set the modes of the beginning again, which a killed editor had no time for; not from the background."""
        if self._modes is None or not self._is_ours():
            return
        import termios

        with suppress(termios.error):
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._modes)

    def _is_ours(self) -> bool:
        """Whether we are in the foreground, or nobody is any more."""
        foreground = os.tcgetpgrp(self._fd)
        if foreground == os.getpgrp():
            return True
        try:
            os.killpg(foreground, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False
