"""The `koncli` program: signals, error lines and exit codes around the command tree.

Nothing but the standard library's smallest parts is imported here, so that an interrupt that
comes while the rest is still loading ends the program as quietly as a later one.
"""

import gc
import os
import signal
import sys
from types import FrameType


class TerminatedError(BaseException):
    """A signal asked the program to end; like KeyboardInterrupt, nothing may swallow it.

    `signum` is the signal's number; the exit code is 128 more.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def _terminate(signum: int, _frame: FrameType | None) -> None:
    # One is enough: a second one must not interrupt a wait that is giving back its place.
    signal.signal(signum, signal.SIG_IGN)
    raise TerminatedError(signum)


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    # A second Ctrl-C is from somebody who does not want to wait any more.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    raise KeyboardInterrupt


def _listen_to_signals() -> None:
    """Let signals end waits in order; ignored ones (`nohup`, `&` in a script) stay ignored."""
    for signum, handler in (
        (signal.SIGINT, _interrupt),
        (signal.SIGTERM, _terminate),
        (signal.SIGHUP, _terminate),
    ):
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, handler)


def _silence(number: int) -> None:
    """Send whatever Python still wants to flush to nowhere."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, number)
    os.close(sink)


def _flush(code: int) -> int:
    """Write out what was printed; return the exit code, which changes if that fails after all went well."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _silence(1)
        return code or 128 + signal.SIGPIPE
    except OSError as error:
        _silence(1)
        if code == 0:
            sys.stderr.write(f"error: cannot write the output: {error.strerror}\n")
        return code or 1
    return code


def _ended(how: str, code: int) -> int:
    try:
        sys.stderr.write(how + "\n")
        sys.stderr.flush()
    except (OSError, AttributeError):
        pass  # nobody reads it
    return code


def main() -> int:
    """Run `koncli` with the program's arguments; returns its exit code, never raises."""
    arguments = sys.argv[1:]
    # A short life: looking for garbage while hundreds of modules load, and once more at the end, was a fifth of it.
    gc.set_threshold(100_000)
    try:
        _listen_to_signals()
        from koncli.root import run

        code = run(arguments)
    except KeyboardInterrupt:
        code = _ended("interrupted", 130)
    except TerminatedError as error:
        code = _ended("terminated", 128 + error.signum)
    except BrokenPipeError:
        _silence(1)
        code = 128 + signal.SIGPIPE
    except BaseException as error:  # noqa: BLE001 - the outermost frame: everything becomes one line and a code
        from koncli.failures import report

        code = report(error, arguments)
    gc.freeze()
    return _flush(code)


if __name__ == "__main__":
    sys.exit(main())
