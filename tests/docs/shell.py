"""A shell for the pages' commands: one bash for a page, so that variables, folders and background jobs go on.

`cmd &` runs in the background: what it prints at first is its output here, what it prints later is that of `wait`.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Self

from tests.docs.blocks import matches
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Shell"]

PATIENCE = 60.0


class Shell:
    """A running bash in `directory`; `substitutions` replace text of the pages in every command.

    A command may take `patience` seconds.
    """

    def __init__(
        self,
        directory: Path,
        env: Mapping[str, str],
        substitutions: Mapping[str, str],
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._directory = directory
        self._patience = patience
        self._substitutions = substitutions
        self._background: list[tuple[Path, int]] = []
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd=directory,
            env=dict(env),
            start_new_session=True,
        )

    def check(self, command: str, expected: list[str], where: str) -> None:
        """Run a command as it stands on a page; fail unless it prints what the page shows."""
        text = self.substituted(command)
        if text.rstrip().endswith("&"):
            self._start(text.rstrip().removesuffix("&"), expected, where)
            return
        printed = self.run(text)
        if command == "wait":
            printed = [line for file, shown in self._background for line in _lines(file)[shown:]]
            self._background.clear()
        printed = [self.restored(line) for line in printed]
        if "hgetall" in command:  # in whatever order the hash has them
            expected, printed = _sorted(expected), _sorted(printed)
        assert matches(expected, printed), _difference(where, command, expected, printed)

    def run(self, text: str) -> list[str]:
        """Run a command and return the lines it printed; its status stays that of `$?`."""
        out = self._directory / ".output"  # no pipe: programs can tell that theirs is one
        self._write(f"{{ {text}\n}} < /dev/null > {out} 2>&1; __=$?; echo; (exit $__)\n")
        self._await_end(text, out)
        return _lines(out)

    def _start(self, text: str, expected: list[str], where: str) -> None:
        file = self._directory / f".background-{len(self._background)}-{time.monotonic_ns()}"
        file.touch()
        self.run(f"{text} > {file} 2>&1 &")
        try:
            until(lambda: matches(expected, [self.restored(line) for line in _lines(file)]), "", timeout=self._patience)
        except AssertionError:
            raise AssertionError(_difference(where, text, expected, _lines(file))) from None
        self._background.append((file, len(_lines(file))))

    def substituted(self, text: str) -> str:
        """Return text of a page as it must be here."""
        for page, here in self._substitutions.items():
            text = text.replace(page, here)
        return text

    def restored(self, text: str) -> str:
        """Return text of this machine as a page would show it."""
        for page, here in self._substitutions.items():
            text = text.replace(here, page)
        return text

    def _write(self, text: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(text.encode())
        self._bash.stdin.flush()

    def _await_end(self, text: str, out: Path) -> None:
        """Wait for the empty line that follows a command."""
        assert self._bash.stdout is not None
        ready, _, _ = select.select([self._bash.stdout], [], [], self._patience)
        assert ready, f"it does not end: $ {text}\n" + "\n".join(_lines(out))
        assert self._bash.stdout.readline() == b"\n", "the shell has ended"

    def close(self) -> None:
        """End the shell and all that runs in it."""
        os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.wait()
        for stream in (self._bash.stdin, self._bash.stdout):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def _sorted(rows: list[str]) -> list[str]:
    return sorted(re.sub(r"^ *\d+# ", "", row) for row in rows)


def _difference(where: str, command: str, expected: list[str], printed: list[str]) -> str:
    shown = "\n".join(["", "the page:", *expected, "here:", *printed])
    return f"{where}: $ {command}" + re.sub(r"^", "    ", shown, flags=re.MULTILINE)
