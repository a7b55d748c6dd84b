"""The installed `koncli` in subprocesses: run to the end, or in the background."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from konductor_core.client import Konductor

KONCLI = str(Path(sys.executable).with_name("koncli"))
PATIENCE = 30.0
"""Seconds after which something that should happen within moments counts as never."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one run of koncli left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The message of the one error line; fails if there is a traceback or anything else."""
        lines = self.err.splitlines()
        assert lines, self
        assert lines[0].startswith("error: "), self
        assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: ")), self
        return lines[0].removeprefix("error: ")


class Running:
    """A koncli in the background; its stderr is collected line by line, so that a test can wait for one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._out: list[str] = []
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(process.stderr, self.lines), daemon=True),
            threading.Thread(target=self._read, args=(process.stdout, self._out), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            with self._news:
                lines.append(line.rstrip("\n"))
                self._news.notify_all()

    def said(self, text: str) -> str:
        """Wait until a line of stderr or stdout has the text; return the line."""
        deadline = time.monotonic() + PATIENCE
        with self._news:
            while True:
                for line in (*self.lines, *self._out):
                    if text in line:
                        return line
                left = deadline - time.monotonic()
                assert left > 0, f"never said {text!r}: {self.lines} {self._out}"
                self._news.wait(left)

    def over(self, seconds: float) -> bool:
        """Wait so long for the end; tell whether it came."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, signum: int | None = None) -> Result:
        """Send a signal if one is given, and wait for the end."""
        if signum is not None:
            self.process.send_signal(signum)
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return Result(code, "\n".join(self._out), "\n".join(self.lines))


@dataclass
class Cli:
    """Runs koncli with an environment and a working directory of the test's own."""

    env: dict[str, str]
    cwd: Path
    k: Konductor
    """The library on the same server and namespace: faster than a process to prepare things and to look at them."""
    running: list[Running] = field(default_factory=list)

    def __call__(self, *arguments: str, stdin: str | bytes | None = None, **env: str) -> Result:
        done = subprocess.run(
            [KONCLI, *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=self.env | env,
            cwd=self.cwd,
            timeout=PATIENCE,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *arguments: str, stdin: str | bytes | None = None, **env: str) -> Result:
        """Run koncli and expect exit code 0."""
        result = self(*arguments, stdin=stdin, **env)
        assert result.code == 0, result
        return result

    def lines(self, lines: list[str]) -> list[Result]:
        """Run many lines one after the other, each cheaply in a fork; messages are among what they print."""
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("lines.py"))],
            input="".join(f"{line}\n" for line in lines),
            env=self.env,
            cwd=self.cwd,
            capture_output=True,
            timeout=PATIENCE,
            check=True,
            text=True,
        )
        return [Result(code, out, "") for code, out in map(json.loads, done.stdout.splitlines())]

    def shell(self, script: str) -> Result:
        """Run a line of shell with koncli on the PATH."""
        done = subprocess.run(
            ["bash", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self.env,
            cwd=self.cwd,
            timeout=PATIENCE,
            check=False,
            text=True,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **env: str) -> Running:
        """Start koncli in the background; it ends with the test."""
        process = subprocess.Popen(
            [KONCLI, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.env | env,
            cwd=self.cwd,
            text=True,
        )
        running = Running(process)
        self.running.append(running)
        return running

    def close(self) -> None:
        """End what still runs."""
        for running in self.running:
            if running.process.poll() is None:
                running.end(signal.SIGKILL)
            for stream in (running.process.stdout, running.process.stderr):
                if stream is not None:
                    stream.close()
