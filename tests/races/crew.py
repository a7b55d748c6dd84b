"""Worker processes of a test: started, told what to do, listened to, stopped, killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Crew", "Worker", "Zygote"]

PATIENCE = 20.0
"""Seconds after which something that should happen within moments counts as never."""
ROOT = Path(__file__).resolve().parents[2]

Line = dict[str, Any]


class Worker:
    """One process, and all that it has said. `over` is set once the process is gone."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rw", encoding="utf-8")
        self._connection = connection
        self._news = threading.Condition()
        self._heard = 0
        self.job = ""
        self.lines: list[Line] = []
        self.over = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        self.pid = int(self.hear("started")["pid"])

    def _read(self) -> None:
        try:
            for line in self._file:
                if line.endswith("\n"):  # a killed process may have left half a line
                    with self._news:
                        self.lines.append(json.loads(line))
                        self._news.notify_all()
        except OSError:
            pass
        with self._news:
            self.over.set()
            self._news.notify_all()

    def tell(self, do: str, **arguments: Any) -> None:
        """Tell a `serve` worker what to do next."""
        self._file.write(json.dumps({"do": do, **arguments}) + "\n")
        self._file.flush()

    def hear(self, *ops: str, timeout: float = PATIENCE) -> Line:
        """Return the next line that is about one of `ops`, skipping others; fail after `timeout` seconds."""
        return self._next(lambda line: line["op"] in ops, f"about {' or '.join(ops)}", timeout)

    def hear_text(self, text: str, timeout: float = PATIENCE) -> Line:
        """Return the next line of progress that has the text."""
        return self._next(lambda line: text in line.get("text", ""), f"with {text!r}", timeout)

    def _next(self, fits: Callable[[Line], bool], what: str, timeout: float) -> Line:
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                while self._heard < len(self.lines):
                    line = self.lines[self._heard]
                    self._heard += 1
                    if fits(line):
                        return line
                left = deadline - time.monotonic()
                assert left > 0, f"nothing {what} within {timeout:g} s: {self.lines}"
                assert not self.over.is_set(), f"gone without a word {what}: {self.lines}"
                self._news.wait(left)

    def ask(self, do: str, *ops: str, timeout: float = PATIENCE, **arguments: Any) -> Line:
        """Tell it what to do, and return what it then says about one of `ops`."""
        self.tell(do, **arguments)
        return self.hear(*ops, timeout=timeout)

    def kill(self) -> None:
        """End the process as a crash does, and wait until it is gone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        assert self.over.wait(PATIENCE), f"{self.pid} does not die"

    def stop(self) -> None:
        """Stop the process (SIGSTOP), and wait until it is."""
        os.kill(self.pid, signal.SIGSTOP)
        until(lambda: self._state() == "T", f"{self.pid} is stopped")

    def go_on(self) -> None:
        """Let a stopped process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def _state(self) -> str:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def hang_up(self) -> None:
        self._connection.close()


class Zygote:
    """The process that workers are forked from; end it with `close`, and with it all workers."""

    def __init__(self, directory: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / "crew"))
        self._listener.listen(200)
        self._listener.settimeout(PATIENCE)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.races.zygote", str(directory / "crew")],
            stdin=subprocess.PIPE,
            cwd=ROOT,
            text=True,
            start_new_session=True,
        )

    def fork(self, job: str, arguments: dict[str, Any]) -> Worker:
        """Start a worker and wait for its first word."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"job": job, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        return Worker(self._listener.accept()[0])

    def close(self) -> None:
        self._process.communicate(timeout=PATIENCE)
        self._listener.close()


class Crew:
    """The workers of one test."""

    def __init__(self, zygote: Zygote, **common: Any) -> None:
        self._zygote = zygote
        self._common = common
        self.workers: list[Worker] = []

    def start(self, job: str = "serve", **arguments: Any) -> Worker:
        """Start a process that does `job`, with these arguments beside the ones that all have."""
        worker = self._zygote.fork(job, {**self._common, **arguments})
        worker.job = job
        self.workers.append(worker)
        return worker

    def lines(self) -> list[Line]:
        """Return what all workers have said up to now, in order of time."""
        return sorted(
            (line for worker in self.workers for line in list(worker.lines)), key=lambda line: float(line["t"])
        )

    def dismiss(self) -> None:
        """Kill whoever is left."""
        for worker in self.workers:
            if not worker.over.is_set():
                worker.kill()
            worker.hang_up()
