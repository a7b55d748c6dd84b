"""The first process of every container.

It makes the namespaces, starts the program, forwards signals, and takes all of the container along when it ends.
`process.py` starts it with two inherited descriptors:

    control   eight hex digits (a size) and that much marshalled spec, then one byte for each signal to forward;
              its end means: kill everything and go
    status    a marshalled dict back: code, signal (or None), and error if the program never started

The runner holds the only other end of `control`, so a runner that vanishes closes it, whatever it died of. With
namespaces the kernel does the same once more: this process is PID 1 of its PID namespace, and dies with its parent.
"""
# ruff: noqa: SIM105, S302 - each start pays for contextlib and json; the spec comes from our own parent

from __future__ import annotations

import marshal
import os
import select
import signal

from koncli.local import isolation, linux

TYPE_CHECKING = False  # type checkers know the name; the module it belongs to is not worth its import
if TYPE_CHECKING:
    from typing import Any

NOT_FOUND, NOT_RUNNABLE = 127, 126

Report = dict[str, object]


def main(control_fd: str, status_fd: str) -> None:
    """Run one container; never returns. This process's own exit code says nothing: read the status."""
    control, status = int(control_fd), int(status_fd)
    try:
        spec = marshal.loads(_read(control, int(_read(control, 8), 16)))
        mode = spec["mode"]
        if mode == isolation.NONE:
            _become_supervisor()
        else:
            _become_first_process(mode)
            isolation.enter(spec["hostname"], spec["mounts"], spec["staging"], spec["cwd"])
        report = _Container(spec, control).run()
    except OSError as error:
        report = {"code": NOT_RUNNABLE, "error": f"the container could not be set up: {error}"}
    try:
        os.write(status, marshal.dumps(report))
    except OSError:  # nobody reads it any more
        pass
    os._exit(0)


def _read(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = os.read(fd, size - len(data))
        if not part:
            os._exit(0)  # the runner is gone before it began
        data += part
    return data


def _become_supervisor() -> None:
    os.setsid()
    if linux.AVAILABLE:
        linux.adopt_orphans()


def _become_first_process(mode: str) -> None:
    """Fork into the new PID namespace. The outer half only waits, so that the runner has a child whose end it sees."""
    os.setsid()
    isolation.unshare(mode)
    linux.die_with_parent(signal.SIGKILL)
    inner = os.fork()
    if inner:
        os.closerange(0, 4096)  # or the pipes would not end with the container
        os.waitpid(inner, 0)
        os._exit(0)
    linux.die_with_parent(signal.SIGKILL)


class _Container:
    """The program and everything it starts, seen by the process above them."""

    def __init__(self, spec: dict[str, Any], control: int) -> None:
        self.argv, self.env, self.cwd = spec["argv"], spec["env"], spec["cwd"]
        self.control = control
        self.alone = spec["mode"] != isolation.NONE
        """Whether the kernel ends the rest when we end (PID namespace)."""

    def run(self) -> Report:
        """Run the program to its end, or until the runner wants it gone."""
        wake_read, wake_write = os.pipe()
        for end in (wake_read, wake_write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)
        program, error = self._start()
        if error is not None:
            os.waitpid(program, 0)
            return error
        ended = self._watch(program, wake_read)
        if not self.alone:
            _kill_the_rest()
        number = os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else None
        return {"code": os.WEXITSTATUS(ended) if number is None else 128 + number, "signal": number}

    def _watch(self, program: int, wake: int) -> int:
        """Return the wait status of the program; that of a kill when we were told to kill everything."""
        while True:
            ready, _, _ = select.select([self.control, wake], [], [])
            if wake in ready:
                _drain(wake)
                ended = _reap(program)
                if ended is not None:
                    return ended
            if self.control in ready:
                orders = os.read(self.control, 64)
                for number in orders or (signal.SIGKILL,):
                    _send(program, number)
                if not orders:
                    return int(signal.SIGKILL)

    def _start(self) -> tuple[int, Report | None]:
        """Fork and exec the program: its pid, and the report if it did not start."""
        failed_read, failed_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._exec(failed_write)
        os.close(failed_write)
        message = b""
        while part := os.read(failed_read, 4096):
            message += part
        os.close(failed_read)
        return pid, marshal.loads(message) if message else None

    def _exec(self, failed: int) -> None:
        """Become the program; never returns."""
        report: Report
        try:
            os.setsid()
            linux.die_with_parent(signal.SIGKILL)
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                try:
                    signal.signal(number, signal.SIG_DFL)
                except OSError:  # the C library keeps some for itself
                    pass
            os.chdir(self.cwd)
            os.execvpe(self.argv[0], self.argv, self.env)  # noqa: S606 - the manifest's program, not a shell
        except FileNotFoundError as error:
            what = f"working directory {self.cwd}" if error.filename == self.cwd else self.argv[0]
            report = {"code": NOT_FOUND, "error": f"{what}: not found"}
        except OSError as error:
            report = {"code": NOT_RUNNABLE, "error": f"{self.argv[0]}: {error.strerror}"}
        except ValueError as error:  # a NUL in an argument
            report = {"code": NOT_RUNNABLE, "error": f"{self.argv[0]}: {error}"}
        os.write(failed, marshal.dumps(report))
        os._exit(NOT_FOUND)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _drain(fd: int) -> None:
    try:
        os.read(fd, 4096)
    except BlockingIOError:
        pass


def _reap(program: int) -> int | None:
    """Collect every ended child; return the wait status of `program` if it was among them."""
    status = None
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == program:
                status = ended[1]
    except ChildProcessError:  # none is left
        pass
    return status


def _kill_the_rest() -> None:
    """Without a PID namespace: kill descendants until none is left; orphans come to us because we adopt them."""
    while True:
        for pid in linux.children(os.getpid()):
            _send(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
