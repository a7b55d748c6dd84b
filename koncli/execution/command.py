"""The command as its guardian sees it: started with the signals of the beginning, collected, killed with all below."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, NoReturn

from koncli.execution import processes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FORWARDED = tuple(
    getattr(signal, name)
    for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGCONT", "SIGTSTP", "SIGWINCH")
)
"""Signals that koncli passes on."""

_CHANGED = (*FORWARDED, signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that the guardian, or Python, handles in a way that the command is not to inherit."""

KILL_PATIENCE = 5.0
"""Seconds in which killed processes end; what waits for a dead disk never does."""


class Command:
    """A program to run. `ignored` are the signals that it is to ignore, as koncli did when it was started."""

    def __init__(self, path: str, argv: Sequence[str], ignored: frozenset[int]) -> None:
        self.path = path
        self.argv = list(argv)
        self.ignored = ignored
        self.pid = 0
        self.status: int | None = None
        """The wait status, once the command has ended."""
        self.stopped = False
        self.on_stop: Callable[[bool], None] = lambda stopped: None  # noqa: ARG005
        """Is called with True when the command stops, and with False when it goes on or ends."""
        self.has_children = False
        """Whether there is anything to collect: the command, or what it left and we adopted."""

    @property
    def ended_by(self) -> int | None:
        """The signal that ended the command, if one did."""
        return os.WTERMSIG(self.status) if self.status is not None and os.WIFSIGNALED(self.status) else None

    @property
    def code(self) -> int:
        """The exit code, 128 + n for signal n; that of a kill if it cannot be known."""
        if self.status is None:
            return 128 + signal.SIGKILL
        return os.WEXITSTATUS(self.status) if self.ended_by is None else 128 + self.ended_by

    def start(self, variables: Mapping[str, str]) -> int:
        """Fork and execute; returns 0, or the errno for which that failed."""
        guardian = os.getpid()
        failed_read, failed_write = os.pipe()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self.pid = os.fork()
        if self.pid == 0:
            self._become({**os.environ, **variables}, guardian, failed_write, mask)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(failed_write)
        failure = os.read(failed_read, 16)
        os.close(failed_read)
        self.has_children = True
        return int(failure or 0)

    def _become(self, env: Mapping[str, str], guardian: int, failed: int, mask: set[signal.Signals | int]) -> NoReturn:
        """In the fork: execute the program."""
        try:
            signal.set_wakeup_fd(-1)
            for signum in _CHANGED:
                if signum not in self.ignored:
                    signal.signal(signum, signal.SIG_DFL)
            processes.die_with(guardian)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            try:
                os.execve(self.path, self.argv, env)  # noqa: S606 - the user's program
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise
                os.execve("/bin/sh", ["sh", self.path, *self.argv[1:]], env)  # noqa: S606 - as execvp does
        except OSError as error:
            os.write(failed, b"%d" % (error.errno or errno.EINVAL))
        except ValueError:  # a NUL in an argument or a variable
            os.write(failed, b"%d" % errno.EINVAL)
        os._exit(127)

    def collect(self) -> bool:
        """Reap what has ended, and note when the command ends, stops and goes on; tells whether children are left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
                if pid == 0:
                    break
                if pid == self.pid:
                    self._note(status)
        except ChildProcessError:
            self.has_children = False
        return self.has_children

    def _note(self, status: int) -> None:
        stopped = os.WIFSTOPPED(status)
        if not stopped and not os.WIFCONTINUED(status):
            self.status = status
        if stopped != self.stopped:
            self.stopped = stopped
            self.on_stop(stopped)

    def send(self, signum: int) -> None:
        """Send a signal to the command itself."""
        if self.status is None:
            processes.send(self.pid, signum)

    def below(self) -> list[int]:
        """Return the command and everything it started, as far as it runs; without /proc only the command."""
        if processes.LINUX:
            return processes.descendants(os.getpid())
        return [self.pid] if self.pid and self.status is None else []

    def kill(self) -> int:
        """Kill all of it; returns how many processes can't be killed."""
        return processes.kill_all(self.below, self.collect, KILL_PATIENCE) if self.pid else 0
