"""The `konductor-sidecar` program: signals, error lines and exit codes around its verbs.

It is the first process of its container, which the kernel ends by no signal that it does not handle itself. Nothing but
the standard library's smallest parts is imported here, so that a signal is heard from the first moment on, and so that
`ready`, which a probe calls again and again, costs next to nothing.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


class TerminatedError(BaseException):
    """A signal asked the program to end; like KeyboardInterrupt, nothing may swallow it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class Ending:
    """Whether a signal has asked the keeper to end, which has things to give back first and is never interrupted."""

    def __init__(self) -> None:
        self.asked = False

    def note(self, _signum: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        self.asked = True


def _terminate(signum: int, _frame: FrameType | None) -> None:
    # One is enough: a second one must not interrupt a wait that is giving back its place.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise TerminatedError(signum)


def _run(arguments: list[str], ending: Ending) -> int:
    keeps = arguments[:1] == ["keep"]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ending.note if keeps else _terminate)
    if arguments == ["ready"]:
        from sidecar.volume import is_ready

        return 0 if is_ready(os.environ) else 1
    from sidecar.cli import run

    return run(arguments, ending)


def main() -> int:
    """Run the program with its arguments; returns its exit code, never raises."""
    gc.set_threshold(100_000)  # else a good part of the start goes into looking for garbage while modules load
    try:
        return _run(sys.argv[1:], Ending())
    except TerminatedError as error:
        sys.stderr.write("terminated\n")
        return 128 + error.signum
    except BaseException as error:  # noqa: BLE001 - the outermost frame: everything becomes one line and a code
        from sidecar.say import report

        return report(error)


if __name__ == "__main__":
    sys.exit(main())
