"""One container as a local process: start it, read what it prints, signal it, learn how it ended.

Between the runner and the program stands `init.py`, which sets up namespaces and takes every descendant along at the
end. The pipe to it is a lifeline: however the runner ends, the pipe closes and nothing is left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from koncli.local import isolation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_ROOT = Path(__file__).resolve().parents[2]
_START = (
    "import sys; _, root, *fds, _ = sys.argv; sys.path.insert(0, root); import koncli.local.init as i; i.main(*fds)"
)

LONGEST_LINE = 64 * 1024
"""Bytes after which a line without an end is shown as it is."""

_LAST_WORDS_S = 1.0
_KILL_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start and in which surroundings. `staging` is an empty directory; `mounts` count only with namespaces."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    mode: str = isolation.NONE
    hostname: str = ""
    mounts: Sequence[isolation.Mount] = ()
    staging: str = ""
    label: str = ""
    """What `ps` shows for its first process."""

    def encode(self) -> bytes:
        """Return the spec as `init.py` reads it: eight hex digits, the size, and a marshalled dict."""
        spec = {
            "argv": list(self.argv),
            "env": dict(self.env),
            "cwd": self.cwd,
            "mode": self.mode,
            "hostname": self.hostname,
            "mounts": list(self.mounts),
            "staging": self.staging,
        }
        body = marshal.dumps(spec)
        return b"%08x" % len(body) + body


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended: the exit code (128 + signal if killed by one), and why it never started if it did not."""

    code: int
    signal: int | None = None
    error: str | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return f"did not start: {self.error}"
        if self.signal is not None:
            return f"killed by {signal.Signals(self.signal).name}"
        return f"exit code {self.code}"


KILLED = Exit(128 + signal.SIGKILL, signal.SIGKILL)


@dataclass(slots=True)
class Process:
    """A started container. Make it with `start`."""

    _process: asyncio.subprocess.Process
    _control: int | None
    _status: int
    _exit: asyncio.Task[Exit] = field(init=False)
    _told: bool = field(init=False, default=False)

    @classmethod
    async def start(cls, launch: Launch, on_lines: Callable[[list[str]], None]) -> Process:
        """Start `launch`; `on_lines` gets the lines of its stdout and stderr, as many as came at once.

        Must be called on the main thread: the kernel ties the container's life to the thread that started it.
        """
        control_read, control_write = os.pipe()
        status_read, status_write = os.pipe()
        arguments = (str(_ROOT), str(control_read), str(status_write), launch.label)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-E", "-s", "-S", "-c", _START),
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(control_read, status_write),
                env={},
                cwd="/",
            )
        except BaseException:
            os.close(control_write)
            os.close(status_read)
            raise
        finally:
            os.close(control_read)
            os.close(status_write)
        with contextlib.suppress(BrokenPipeError):  # it ended at once: its status says so
            _write_all(control_write, launch.encode())
        self = cls(process, control_write, status_read)
        self._exit = asyncio.create_task(self._finish(on_lines))
        return self

    async def wait(self) -> Exit:
        """Wait until everything of the container has ended."""
        return await asyncio.shield(self._exit)

    @property
    def running(self) -> bool:
        """Whether the container has not ended yet."""
        return not self._exit.done()

    def signal(self, number: int) -> None:
        """Send a signal to the container's main program; no error if it has ended."""
        if self._control is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._control, bytes([number]))

    async def stop(self, grace_ms: int) -> Exit:
        """TERM, which comes once however often this is called, then KILL after the grace."""
        if not self._told:  # a second one could end a program in the midst of its tidying up
            self._told = True
            self.signal(signal.SIGTERM)
        done, _ = await asyncio.wait([self._exit], timeout=grace_ms / 1000)
        return self._exit.result() if done else await self.kill()

    async def kill(self) -> Exit:
        """KILL everything in the container at once."""
        self._hang_up()
        done, _ = await asyncio.wait([self._exit], timeout=_KILL_PATIENCE_S)
        if not done:  # its first process is stopped or stuck
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        return await self.wait()

    def _hang_up(self) -> None:
        if self._control is not None:
            os.close(self._control)
            self._control = None

    async def _finish(self, on_lines: Callable[[list[str]], None]) -> Exit:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker: we asked for a pipe
        reading = asyncio.create_task(_read_lines(self._process.stdout, on_lines))
        await self._process.wait()
        # Only a process that escaped from its container can keep the pipe open now.
        await asyncio.wait([reading], timeout=_LAST_WORDS_S)
        reading.cancel()
        self._hang_up()
        report = _read_report(self._status)
        os.close(self._status)
        return Exit(report["code"], report.get("signal"), report.get("error")) if report else KILLED


async def _read_lines(stream: asyncio.StreamReader, on_lines: Callable[[list[str]], None]) -> None:
    rest = b""
    while chunk := await stream.read(LONGEST_LINE):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) >= LONGEST_LINE:
            lines.append(rest)
            rest = b""
        if lines:
            on_lines([_text(line) for line in lines])
    if rest:
        on_lines([_text(rest)])


def _text(line: bytes) -> str:
    """Return a line as a terminal would leave it: what came after the last carriage return."""
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _read_report(fd: int) -> dict[str, Any]:
    os.set_blocking(fd, False)
    try:
        data = os.read(fd, 65536)
    except BlockingIOError:
        return {}
    report: dict[str, Any] = marshal.loads(data) if data else {}  # noqa: S302 - from our own child
    return report
