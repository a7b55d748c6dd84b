"""A terminal with an interactive shell on it, as a user has one: type, and look at what it shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from typing import TYPE_CHECKING, Self

from tests.cli.running import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CTRL_C, CTRL_Z, CTRL_D = b"\x03", b"\x1a", b"\x04"
PROMPT = "ready> "

_NOISE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|\r")


class Shell:
    """An interactive bash on a terminal of its own; it and its jobs end with the test."""

    def __init__(self, env: Mapping[str, str], cwd: Path, *, columns: int = 120, lines: int = 30) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            shell = {**env, "TERM": "xterm", "PS1": PROMPT, "HISTFILE": ""}
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"], shell)
        self.resize(columns, lines)
        self.seen = b""
        """Everything since the last `expect`, as the terminal got it."""
        self.expect(PROMPT)

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size; its foreground job is told by the kernel."""
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, text: str | bytes) -> None:
        """Type keys; a line of text needs its own newline."""
        os.write(self.terminal, text.encode() if isinstance(text, str) else text)

    def expect(self, text: str) -> str:
        """Wait until the terminal shows the text; return what it showed until then, without colours and movements."""
        return self.expect_raw(text.encode(), plain=True).decode(errors="replace")

    def expect_raw(self, text: bytes, *, plain: bool = False) -> bytes:
        """Wait until these bytes have come; return all that came until then."""
        deadline = time.monotonic() + PATIENCE
        while True:
            shown = _NOISE.sub(b"", self.seen) if plain else self.seen
            at = shown.find(text)
            if at >= 0:
                # With plain, what came after the text is kept without its noise, which does no harm.
                self.seen = shown[at + len(text) :]
                return shown[: at + len(text)]
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.terminal], [], [], max(0.0, left))
            assert ready, f"the terminal never showed {text!r}: {shown!r}"
            try:
                self.seen += os.read(self.terminal, 65536)
            except OSError as error:  # Linux says EIO when the last process has gone
                raise AssertionError(f"the shell ended without {text!r}: {shown!r}") from error

    def run(self, line: str) -> str:
        """Run a command line to its end; return what it showed."""
        self.type(line + "\n")
        self.expect("\n")  # the echo
        return self.expect(PROMPT).removesuffix(PROMPT)

    def code(self) -> int:
        """The exit code of the last command."""
        return int(self.run("echo $?"))

    def hang_up(self) -> None:
        """Close the terminal, as a lost connection does."""
        if self.terminal >= 0:
            os.close(self.terminal)
            self.terminal = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
