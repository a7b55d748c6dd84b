"""The guardian: the process between koncli and the command. It ends the command before the lease does.

It knows the lease's end and needs nobody to tell it: whether Redis is away, koncli is stopped, killed or hangs, TERM
comes early enough that after the grace KILL comes before the TTL is over. It adopts whatever the command leaves, so
nothing below the command escapes, and it never stops with the terminal's Ctrl-Z: a command that is stopped too long is
killed as it lies.

All three processes share a process group, so the command meets the terminal as if it had been started alone. A signal
that koncli got is passed on unless the guardian got it as well: then it went to the whole group, as Ctrl-C does, and the
command has it already.
"""

from __future__ import annotations

import errno
import math
import os
import select
import signal
from typing import TYPE_CHECKING, NoReturn

from koncli.execution import processes
from koncli.execution.processes import clock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from koncli.execution.channel import Channel, Message

FORWARDED = tuple(
    getattr(signal, name)
    for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGCONT", "SIGTSTP", "SIGWINCH")
)
"""Signals that koncli passes on."""

_ENDS = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM})
_CHANGED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)

GROUP_DELAY = 0.02
"""Seconds in which a signal that went to the whole group reaches the guardian, too."""
GROUP_MEMORY = 1.0
"""Seconds for which the guardian expects koncli to tell of a signal that itself has got."""
LONGEST_NAP = 5.0
"""Seconds after which the clock is looked at in any case: a machine that slept wakes nobody."""
KILL_PATIENCE = 5.0
"""Seconds in which killed processes end; what waits for a dead disk never does."""


class Guardian:
    """The guardian's state. `path` is the program, `ignored` the signals that the command is to ignore."""

    def __init__(self, channel: Channel, path: str, argv: Sequence[str], ignored: frozenset[int]) -> None:
        self.channel = channel
        self.path = path
        self.argv = list(argv)
        self.ignored = ignored
        self.keeper = os.getppid()
        self.terminal = False
        """Whether koncli stops and goes on together with the command, for a shell to see."""
        self.until = math.inf
        self.grace = self.margin = 0.0
        self.command = 0
        self.status: int | None = None
        self.stopped = False
        self.children = True
        self.kill_at = math.inf
        self.ending = self.lost = self.killed = self.killed_stopped = False
        self.left = 0
        self.heard: dict[int, float] = {}
        """Signals that the guardian got itself, and koncli has not told of yet → when."""
        self.due: dict[int, float] = {}
        """Signals that koncli got → when to pass them on."""
        self.group_ended = -math.inf
        """When a signal that ends processes last went to the whole group."""

    @property
    def limit(self) -> float:
        """The last moment at which to kill."""
        return self.until - self.margin

    # ---- the loop

    def run(self) -> None:
        """Wait for the order to start, watch the command, report its end."""
        wake = self._listen()
        while self.command == 0 or not self._is_over():
            listened = [wake, self.channel] if self.channel.open else [wake]
            ready, _, _ = select.select(listened, [], [], self._nap())
            if wake in ready:
                for signum in os.read(wake, 4096):
                    self._hear(signum)
            if self.channel in ready:
                for message in self.channel.receive():
                    self._obey(message)
            if self.command == 0 and not self.channel.open:
                return
            if self.command:
                self._act()
        self._report()

    def _listen(self) -> int:
        """Return a descriptor that can be read when a signal has come."""
        read, write = os.pipe()
        for end in (read, write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for signum in (signal.SIGCHLD, *FORWARDED):
            if signum not in self.ignored:
                signal.signal(signum, lambda *_: None)
        for signum in (signal.SIGTTIN, signal.SIGTTOU):
            signal.signal(signum, signal.SIG_IGN)
        return read

    def _nap(self) -> float:
        moments = [*self.due.values(), min(self.kill_at, self.limit)]
        if not self.ending and not self.stopped:
            moments.append(self.limit - self.grace)
        return max(0.0, min(LONGEST_NAP, min(moments) - clock()))

    def _act(self) -> None:
        """Do what is due: pass signals on, begin to end the command, kill it."""
        now = clock()
        if not self.channel.open and not self.ending:
            self._end(lost=True)
        if now >= min(self.kill_at, self.limit):
            self.lost = self.lost or not self.ending
            self.ending = self.killed = True
            self.killed_stopped = self.stopped
            self.left = self.kill()
            self.children = False
            if self.status is None:
                self.status = signal.SIGKILL
            return
        if not self.ending and not self.stopped and now >= self.limit - self.grace:
            self._end(lost=True)
        for signum in [signum for signum, moment in self.due.items() if moment <= now]:
            del self.due[signum]
            self._pass_on(signum)

    def _is_over(self) -> bool:
        """Whether the command has ended, and with it whatever has to end with it."""
        if self.status is None:
            return False
        if not self.children:
            return True
        if not self.ending and os.WIFSIGNALED(self.status):
            self._end(lost=False)
        return not self.ending

    def _end(self, *, lost: bool) -> None:
        """Ask everything below to end, and set the time of the kill. What is stopped does not get to run on."""
        now = clock()
        seconds = 0.0 if self.stopped else max(0.0, min(self.grace, self.limit - now))
        self.ending, self.lost = True, self.lost or lost
        self.kill_at = min(self.kill_at, now + seconds)
        if lost:
            self.channel.send({"ending": seconds})
        if not self.stopped and (lost or now - self.group_ended > self.grace):
            for pid in self._below():
                processes.send(pid, signal.SIGTERM)

    def _below(self) -> list[int]:
        """Return all processes below this one; without /proc only the command."""
        if processes.LINUX:
            return processes.descendants(os.getpid())
        return [self.command] if self.status is None else []

    def kill(self) -> int:
        """Kill everything below; returns how many cannot be killed."""
        return processes.kill_all(self._below, self._reap, KILL_PATIENCE) if self.command else 0

    # ---- koncli

    def _obey(self, message: Message) -> None:
        if "until" in message:
            self.until = math.inf if message["until"] is None else message["until"]
        if "signal" in message:
            self._expect(message["signal"])
        if "lost" in message and not self.ending:
            self._end(lost=True)
        if "start" in message:
            self.grace, self.margin, self.terminal = message["grace"], message["margin"], message["terminal"]
            self._start(message["start"])

    def _expect(self, signum: int) -> None:
        """Koncli got this signal: pass it on unless it went to the whole group."""
        now = clock()
        if now - self.heard.pop(signum, -math.inf) < GROUP_MEMORY:
            self._went_to_group(signum)
        elif self.command:
            self.due.setdefault(signum, now + GROUP_DELAY)

    def _hear(self, signum: int) -> None:
        if signum == signal.SIGCHLD:
            self.children = self._reap()
        elif self.due.pop(signum, None) is not None:
            self._went_to_group(signum)
        else:
            self.heard[signum] = clock()

    def _went_to_group(self, signum: int) -> None:
        if signum in _ENDS:
            self.group_ended = clock()

    def _pass_on(self, signum: int) -> None:
        if self.status is None:
            processes.send(self.command, signum)

    def _report(self) -> None:
        status = self.status or 0
        ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        self.channel.send(
            {
                "ended": os.WEXITSTATUS(status) if ended_by is None else 128 + ended_by,
                "signal": ended_by,
                "killed": self.killed,
                "stopped": self.killed_stopped,
                "lost": self.lost,
                "left": self.left or (len(self._below()) if self.children else 0),
            }
        )

    # ---- the command

    def _start(self, variables: Mapping[str, str]) -> None:
        """Fork and execute the command; tell whether that worked."""
        guardian = os.getpid()
        failed_read, failed_write = os.pipe()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pid = os.fork()
        if pid == 0:
            self._become_command({**os.environ, **variables}, guardian, failed_write, mask)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(failed_write)
        failure = os.read(failed_read, 16)
        os.close(failed_read)
        self.command = pid
        processes.let_go_of_pipes()
        self.channel.send({"failed": int(failure), "program": self.path} if failure else {"started": True})

    def _become_command(
        self, env: Mapping[str, str], guardian: int, failed: int, mask: set[signal.Signals | int]
    ) -> NoReturn:
        """Execute the program with the signals as they were when koncli was started."""
        try:
            signal.set_wakeup_fd(-1)
            for signum in (signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU, *FORWARDED, *_CHANGED_BY_PYTHON):
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

    def _reap(self) -> bool:
        """Collect what has ended below, and note when the command ends, stops and goes on; whether any are left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
                if pid == 0:
                    return True
                if pid != self.command:
                    continue
                if os.WIFSTOPPED(status):
                    self._mirror(stopped=True)
                elif os.WIFCONTINUED(status):
                    self._mirror(stopped=False)
                else:
                    self.status = status
                    self._mirror(stopped=False)
        except ChildProcessError:
            return False

    def _mirror(self, *, stopped: bool) -> None:
        """On a terminal, stop koncli with the command, for the shell to see, and let it go on with it."""
        if self.terminal and stopped != self.stopped and os.getppid() == self.keeper:
            processes.send(self.keeper, signal.SIGSTOP if stopped else signal.SIGCONT)
        self.stopped = stopped


def guard(channel: Channel, path: str, argv: Sequence[str], ignored: frozenset[int]) -> NoReturn:
    """Be the guardian until there is nothing left to guard."""
    code = 1
    guardian = Guardian(channel, path, argv, ignored)
    try:
        processes.call_itself("koncli-guardian")
        processes.adopt_orphans()
        guardian.run()
        code = 0
    finally:
        # An error here must neither leave the command alone nor return into koncli's own code.
        if code:
            guardian.kill()
        os._exit(code)
