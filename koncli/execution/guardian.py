"""The guardian: the process between koncli and the command. It ends the command before the lease does.

It knows the lease's end and needs nobody to tell it: whether Redis is away, koncli is stopped, killed or hangs, TERM
comes early enough that after the grace KILL comes before the TTL is over. It adopts whatever the command leaves, so
nothing below the command escapes, and it never stops with the terminal's Ctrl-Z: a command that is stopped too long is
killed as it lies.

All three processes share a process group, so the command meets the terminal as if it had been started alone. A signal
that koncli got is passed on unless the guardian got it as well: then it went to the whole group, as Ctrl-C does, and
the command has it already.
"""

from __future__ import annotations

import math
import os
import select
import signal
from typing import TYPE_CHECKING, NoReturn

from koncli.execution import processes
from koncli.execution.command import FORWARDED, Command
from koncli.execution.processes import clock

if TYPE_CHECKING:
    from koncli.execution.channel import Channel, Message

_ENDS = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM})

GROUP_DELAY = 0.05
"""Seconds in which a signal that went to the whole group reaches the guardian, too."""
GROUP_MEMORY = 1.0
"""Seconds for which the guardian expects koncli to tell of a signal that it has got itself."""
LONGEST_NAP = 5.0
"""Seconds after which the clock is looked at in any case: a machine that slept wakes nobody."""


class Guardian:
    """One command's guardian; `run` is its life."""

    def __init__(self, channel: Channel, command: Command) -> None:
        self.channel = channel
        self.command = command
        self.keeper = os.getppid()
        self.terminal = False
        """Whether koncli stops and goes on together with the command, for a shell to see."""
        self.until = math.inf
        self.grace = self.margin = 0.0
        self.kill_at = math.inf
        self.ending = self.lost = self.killed = self.killed_stopped = False
        self.left = 0
        self.heard: dict[int, float] = {}
        """Signals that the guardian got itself, and koncli has not told of yet → when."""
        self.due: dict[int, float] = {}
        """Signals that koncli got → when to pass them on."""
        self.group_ended = -math.inf
        """When a signal that ends processes last went to the whole group."""
        command.on_stop = self._mirror

    @property
    def limit(self) -> float:
        """The last moment at which to kill."""
        return self.until - self.margin

    def run(self) -> None:
        """Wait for the order to start, watch the command, report its end."""
        wake = self._listen()
        while not self.command.pid or not self._is_over():
            listened = [wake, self.channel.fileno()] if self.channel.open else [wake]
            ready, _, _ = select.select(listened, [], [], self._nap())
            if wake in ready:
                for signum in os.read(wake, 4096):
                    self._hear(signum)
            if self.channel.fileno() in ready:
                for message in self.channel.receive():
                    self._obey(message)
            if not self.command.pid and not self.channel.open:
                return
            if self.command.pid:
                self._act()
        self._report()

    def _listen(self) -> int:
        """Return a descriptor that can be read when a signal has come."""
        read, write = os.pipe()
        for end in (read, write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for signum in (signal.SIGCHLD, *FORWARDED):
            if signum not in self.command.ignored:
                signal.signal(signum, lambda *_: None)
        for signum in (signal.SIGTTIN, signal.SIGTTOU):
            signal.signal(signum, signal.SIG_IGN)
        return read

    # ---- time

    def _nap(self) -> float:
        moments = [*self.due.values(), min(self.kill_at, self.limit)]
        if not self.ending and not self.command.stopped:
            moments.append(self.limit - self.grace)
        return max(0.0, min(LONGEST_NAP, min(moments) - clock()))

    def _act(self) -> None:
        """Do what is due: pass signals on, begin to end the command, kill it."""
        now = clock()
        if not self.channel.open and not self.ending:
            self._end(lost=True)
        if now >= min(self.kill_at, self.limit):
            self._kill()
            return
        if not self.ending and not self.command.stopped and now >= self.limit - self.grace:
            self._end(lost=True)
        for signum in [signum for signum, moment in self.due.items() if moment <= now]:
            del self.due[signum]
            self.command.send(signum)

    def _is_over(self) -> bool:
        """Whether the command has ended, and with it whatever has to end with it."""
        if self.killed:
            return True
        if self.command.status is None:
            return False
        if not self.command.has_children:
            return True
        if not self.ending and self.command.ended_by is not None:
            self._end(lost=False)
        return not self.ending

    def _end(self, *, lost: bool) -> None:
        """Ask everything below to end, and set the time of the kill. What is stopped does not get to run on."""
        now = clock()
        seconds = 0.0 if self.command.stopped else max(0.0, min(self.grace, self.limit - now))
        self.ending, self.lost = True, self.lost or lost
        self.kill_at = min(self.kill_at, now + seconds)
        if lost:
            self.channel.send({"ending": seconds})
        if not self.command.stopped and (lost or now - self.group_ended > self.grace):
            for pid in self.command.below():
                processes.send(pid, signal.SIGTERM)

    def _kill(self) -> None:
        self.lost = self.lost or not self.ending
        self.killed = True
        self.killed_stopped = self.command.stopped
        self.left = self.command.kill()

    def _report(self) -> None:
        self.channel.send(
            {
                "ended": self.command.code,
                "signal": self.command.ended_by,
                "killed": self.killed,
                "stopped": self.killed_stopped,
                "lost": self.lost,
                "left": self.left or (len(self.command.below()) if self.command.has_children else 0),
            }
        )

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
            failure = self.command.start(message["start"])
            processes.let_go_of_pipes()
            self.channel.send({"failed": failure} if failure else {"started": True})

    def _mirror(self, stopped: bool) -> None:  # noqa: FBT001 - a callback
        """On a terminal, stop koncli with the command, for the shell to see, and let it go on with it."""
        if self.terminal and os.getppid() == self.keeper:
            processes.send(self.keeper, signal.SIGSTOP if stopped else signal.SIGCONT)

    def _expect(self, signum: int) -> None:
        """Koncli got this signal: pass it on unless it went to the whole group."""
        now = clock()
        if now - self.heard.pop(signum, -math.inf) < GROUP_MEMORY:
            self._went_to_group(signum)
        elif self.command.pid:
            self.due.setdefault(signum, now + GROUP_DELAY)

    def _hear(self, signum: int) -> None:
        if signum == signal.SIGCHLD:
            self.command.collect()
        elif self.due.pop(signum, None) is not None:
            self._went_to_group(signum)
        else:
            self.heard[signum] = clock()

    def _went_to_group(self, signum: int) -> None:
        if signum in _ENDS:
            self.group_ended = clock()


def guard(channel: Channel, command: Command) -> NoReturn:
    """Be the guardian until there is nothing left to guard."""
    code = 1
    try:
        processes.call_itself("koncli-guardian")
        processes.adopt_orphans()
        processes.go_on_after_parent()
        Guardian(channel, command).run()
        code = 0
    finally:
        # An error here must neither leave the command alone nor return into koncli's own code.
        if code:
            command.kill()
        os._exit(code)
