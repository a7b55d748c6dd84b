"""A command for `koncli exec` to run: it notes that it lives, and which signals it gets, in a file, one line each.

    python -S witness.py FILE [ignore] [children]

    start <pid>     at the start, with `children` also by a child, and by a grandchild in a session of its own
    <moment>        every 10 ms, monotonic seconds
    SIGTERM         for each signal

With `ignore` it goes on after a signal, else it ends with exit code 7.
"""

from __future__ import annotations

import os
import signal
import sys
import time


def main(path: str, *ways: str) -> None:
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(text: str) -> None:
        os.write(out, f"{text}\n".encode())

    def got(signum: int, _frame: object) -> None:
        note(signal.Signals(signum).name)
        if "ignore" not in ways and signum not in (signal.SIGCONT, signal.SIGWINCH):
            os._exit(7)

    for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH", "CONT"):
        signal.signal(getattr(signal, f"SIG{name}"), got)
    if "children" in ways and os.fork() == 0 and os.fork() == 0:
        os.setsid()
    note(f"start {os.getpid()}")
    while True:
        note(f"{time.monotonic():.3f}")
        time.sleep(0.01)  # noqa: TID251 - its pulse


if __name__ == "__main__":
    main(*sys.argv[1:])
