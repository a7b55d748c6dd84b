"""The first process of every container: makes its namespaces, starts the program, forwards signals, and takes all of it along when it ends.

It is started by `process.py` with two inherited descriptors:

    control   eight hex digits (a size) and that much JSON (the spec), then one byte per signal to forward; its end means:
              kill everything and go
    status    one line of JSON back: {"code": n, "signal": n|null} or {"code": 127|126, "error": "why it did not start"}

The runner holds the only other end of `control`, so a runner that vanishes closes it, whatever it died of. With namespaces the
kernel does the same once more: this process is PID 1 of its PID namespace, and dies with its parent. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from typing import Any, NoReturn

from koncli.local import isolation, linux

NOT_FOUND, NOT_RUNNABLE = 127, 126


def main(control: int, status: int) -> NoReturn:
    """Run one container; never returns. Exit code of this process says nothing: read `status`."""
    try:
        spec = json.loads(_read_exactly(control, int(_read_exactly(control, 8), 16)))
        mode = spec["mode"]
        if mode == isolation.NONE:
            _become_supervisor()
        else:
            _become_first_process(mode)
            mounts = [isolation.Mount(*each) for each in spec["mounts"]]
            isolation.enter(spec["hostname"], mounts, spec["staging"], spec["cwd"])
        report = _Container(spec, control).run()
    except OSError as error:
        report = {"code": NOT_RUNNABLE, "error": f"the container could not be set up: {error}"}
    with contextlib.suppress(OSError):
        os.write(status, json.dumps(report).encode() + b"\n")
    os._exit(0)


def _read_exactly(fd: int, size: int) -> bytes:
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
    """The program and everything it starts, from the point of view of the process above them."""

    def __init__(self, spec: dict[str, Any], control: int) -> None:
        self.spec = spec
        self.control = control
        self.alone = spec["mode"] != isolation.NONE
        """True where our own end makes the kernel end the rest (PID namespace)."""

    def run(self) -> dict[str, object]:
        wake_read, wake_write = os.pipe()
        for end in (wake_read, wake_write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)
        main_pid, error = self._start()
        if error is not None:
            os.waitpid(main_pid, 0)
            return error
        ended = self._watch(main_pid, wake_read)
        if not self.alone:
            self._kill_the_rest()
        if ended is None:
            return {"code": 128 + signal.SIGKILL, "signal": int(signal.SIGKILL)}
        killed_by = os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else None
        return {"code": 128 + killed_by if killed_by else os.WEXITSTATUS(ended), "signal": killed_by}

    def _watch(self, main_pid: int, wake: int) -> int | None:
        """Wait status of the main program, or None when we were told to kill everything."""
        while True:
            ready, _, _ = select.select([self.control, wake], [], [])
            if wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake, 4096)
                ended = _reap(main_pid)
                if ended is not None:
                    return ended
            if self.control in ready:
                orders = os.read(self.control, 64)
                if not orders:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(main_pid, signal.SIGKILL)
                    return None
                for number in orders:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(main_pid, number)

    def _start(self) -> tuple[int, dict[str, object] | None]:
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
        return pid, json.loads(message) if message else None

    def _exec(self, failed: int) -> NoReturn:
        argv, env, cwd = self.spec["argv"], self.spec["env"], self.spec["cwd"]
        try:
            os.setsid()
            linux.die_with_parent(signal.SIGKILL)
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                with contextlib.suppress(OSError):
                    signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os.chdir(cwd)
            os.execvpe(argv[0], argv, env)
        except FileNotFoundError as error:
            what = f"working directory {cwd}" if error.filename == cwd else argv[0]
            report = {"code": NOT_FOUND, "error": f"{what}: not found"}
        except OSError as error:
            report = {"code": NOT_RUNNABLE, "error": f"{argv[0]}: {error.strerror}"}
        os.write(failed, json.dumps(report).encode())
        os._exit(NOT_FOUND)

    def _kill_the_rest(self) -> None:
        """Without a PID namespace: kill descendants until none is left; orphans come to us because we adopt them."""
        while True:
            for pid in linux.children(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return


def _reap(main_pid: int) -> int | None:
    """Collect every ended child; the wait status of `main_pid` if it was among them."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == main_pid:
                status = ended[1]
    return status


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
