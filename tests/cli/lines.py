"""Runs command lines of koncli, read from stdin, each in a fork of one process that has imported what they need.

Prints for each line a JSON list: its exit code, and what it printed, messages included.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from tempfile import TemporaryFile

import konductor_core.client  # noqa: F401 - to have it imported before the forks
from koncli.main import main
from koncli.root import COMMANDS, root


def run(line: str) -> tuple[int, str]:
    with TemporaryFile() as printed:
        pid = os.fork()
        if pid == 0:
            for number in (1, 2):
                os.dup2(printed.fileno(), number)
            sys.argv = ["koncli", *shlex.split(line)]
            os._exit(main())
        _, status = os.waitpid(pid, 0)
        printed.seek(0)
        return os.waitstatus_to_exitcode(status), printed.read().decode()


if __name__ == "__main__":
    for command in COMMANDS:
        root.get_command(root.make_context("koncli", [], resilient_parsing=True), command)
    for each in sys.stdin:
        sys.stdout.write(json.dumps(run(each)) + "\n")
        sys.stdout.flush()  # or a fork would print it once more
