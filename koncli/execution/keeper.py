"""The keeper: koncli's own process while a command runs. It keeps the leases, and tells the guardian what happens."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from koncli.execution import processes
from koncli.execution.channel import Channel
from koncli.execution.command import FORWARDED, KILL_PATIENCE, Command
from koncli.execution.guardian import guard
from koncli.execution.processes import clock
from koncli.execution.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from koncli.execution.channel import Message
    from konductor_core.lease import Lease
    from konductor_core.leases import Leases

LONGEST_NAP = 5.0
"""Seconds between two looks at the lease's end, at most; with a TTL of less than a minute, a twelfth of it."""


GROUP_DELAY = 0.1
"""Seconds in which a signal that went to the whole group reaches us, too."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended; `left` processes of it go on. With `failed`, an errno, it never started."""

    code: int = 128 + signal.SIGKILL
    signal: int | None = signal.SIGKILL
    killed: bool = False
    stopped: bool = False
    lost: bool = False
    left: int = 0
    failed: int = 0
    interrupted: bool = False
    """Whether koncli got an interrupt, too, on a terminal."""

    def __str__(self) -> str:
        if self.killed and self.left:
            return f"{self.left} of its processes could not even be killed"
        if self.killed:
            return "it was stopped for too long, and killed" if self.stopped else "it was killed"
        if self.signal is not None:
            return f"it was ended by {signal.Signals(self.signal).name}"
        return f"it ended with exit code {self.code}"


class Keeper:
    """One command, held back in its guardian until `run`. Make it before any thread, with `of`."""

    def __init__(self, channel: Channel, guardian: int, say: Callable[[str], None]) -> None:
        self._channel = channel
        self._guardian = guardian
        self._say = say
        self._wake, self._waker = os.pipe()
        for end in (self._wake, self._waker):
            os.set_blocking(end, False)
        self._terminal = Terminal()
        self._ended: Ended | None = None
        self._end_of_lease = float("inf")
        self._interrupted = False
        self._late = False
        self._grace = 0.0
        self._lost = False

    @classmethod
    def of(cls, path: str, argv: Sequence[str], say: Callable[[str], None]) -> Self:
        """Fork the guardian of a command; `say` prints a line for people."""
        processes.load()
        processes.adopt_orphans()
        ignored = frozenset(signum for signum in FORWARDED if signal.getsignal(signum) is signal.SIG_IGN)
        ours, theirs = Channel.pair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            guard(theirs, Command(path, argv, ignored))
        theirs.close()
        return cls(ours, pid, say)

    @property
    def has_terminal(self) -> bool:
        """Whether there is a terminal, from which an interrupt goes to a whole job."""
        return self._terminal.present

    def note_loss(self, _lease: Lease) -> None:
        """For the thread that renews: the lease is gone."""
        os.write(self._waker, b"\0")

    def run(self, leases: Leases, variables: Mapping[str, str], grace: float) -> Ended:
        """Run the command under the leases, to its end; `grace` are the seconds between TERM and KILL."""
        ttl = leases.ttl_ms / 1000
        nap = min(LONGEST_NAP, ttl / 12) if ttl else LONGEST_NAP
        self._grace = grace
        self._listen()
        self._channel.send(
            {
                "start": dict(variables),
                "until": self._until(leases),
                "grace": grace,
                "margin": min(1.0, max(0.02, ttl / 20)),
                "terminal": self._terminal.present,
            }
        )
        while self._ended is None:
            self._look_at(leases)
            ready, _, _ = select.select([self._channel.fileno(), self._wake], [], [], nap)
            if self._wake in ready:
                self._pass_on(os.read(self._wake, 4096))
            if self._channel.fileno() in ready:
                self._hear(leases)
        # Ctrl-C may have met the command, and its end the guardian, before it meets us.
        awaited = self._ended.signal == signal.SIGINT and self._terminal.present and not self._interrupted
        if awaited and select.select([self._wake], [], [], GROUP_DELAY)[0]:
            self._pass_on(os.read(self._wake, 4096))
        signal.set_wakeup_fd(-1)
        if self._ended.lost:
            self._terminal.restore()
        return replace(self._ended, interrupted=self._interrupted)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the guardian end, with the command if it runs; doing so twice does no harm."""
        if not self._guardian:
            return
        self._channel.close()
        with suppress(ChildProcessError):  # if it was killed it has been collected
            os.waitpid(self._guardian, 0)
        self._guardian = 0

    # ---- signals

    def _listen(self) -> None:
        """Have signals written to our pipe from now on; none cuts short what follows the command."""
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for signum in FORWARDED:
            if signal.getsignal(signum) is not signal.SIG_IGN:
                signal.signal(signum, lambda *_: None)
        # What we have to say on a terminal must not stop us.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)

    def _pass_on(self, numbers: bytes) -> None:
        for signum in numbers:
            self._interrupted |= signum == signal.SIGINT and self._terminal.present
            if signum:
                self._channel.send({"signal": signum})

    # ---- the leases: what is so of the one that ends first is so of all

    def _until(self, leases: Leases) -> float | None:
        """Return their end by the common clock, rather too early; None without one."""
        now = clock()
        left = leases.expires_in
        if left > 0:
            self._end_of_lease = now + left
        return None if left == float("inf") else self._end_of_lease

    def _look_at(self, leases: Leases) -> None:
        """Tell the guardian of a renewal or a loss, and people of a renewal that is overdue."""
        left = leases.expires_in
        if left <= 0 and not self._lost:
            self._lost = True
            self._channel.send({"lost": True})
        if self._ended is None and clock() > self._end_of_lease:
            self._take_over()  # the guardian would have killed it long ago: it must have been stopped
        if left <= 0 or left == float("inf"):
            return
        self._channel.send({"until": self._until(leases)})
        late = self._grace < left < leases.ttl_ms / 1000 / 2
        if late and not self._late:
            self._say(f"the lease could not be renewed yet, {left:.0f}s left; trying on")
        elif self._late and left > leases.ttl_ms / 1000 / 2:
            self._say("the lease is renewed again")
        self._late = late

    # ---- the guardian

    def _hear(self, leases: Leases) -> None:
        for message in self._channel.receive():
            self._obey(message, leases)
        if not self._channel.open and self._ended is None:
            self._take_over()  # somebody killed the guardian, and with it died the command

    def _take_over(self) -> None:
        """End everything below, the guardian too, which does not do its work any more."""
        left = processes.kill_all(lambda: processes.descendants(os.getpid()), _collect, KILL_PATIENCE)
        self._ended = Ended(killed=True, left=left, lost=self._lost or clock() > self._end_of_lease)

    def _obey(self, message: Message, leases: Leases) -> None:
        if "started" in message:
            processes.let_go_of_pipes()
        elif "failed" in message:
            self._ended = Ended(code=127, signal=None, failed=message["failed"])
        elif "ending" in message:
            self._say(f"{_loss(leases)}: ending the command, and killing it in {message['ending']:.1f}s")
        elif "ended" in message and self._ended is None:
            self._ended = Ended(
                code=message["ended"],
                signal=message["signal"],
                killed=message["killed"],
                stopped=message["stopped"],
                lost=message["lost"],
                left=message["left"],
            )


def _loss(leases: Leases) -> str:
    """Return in words which lease is lost, or ends first and cannot be renewed."""
    first = min(leases, key=lambda lease: lease.expires_in)
    why = "is lost" if first.lost.is_set() else "cannot be renewed in time"
    return f"the lease {why}" if len(leases) == 1 else f"the lease on {first.ref} {why}"


def _collect() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
