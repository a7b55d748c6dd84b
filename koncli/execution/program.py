"""Which file a command's name means, as a shell would find it, and the errors when there is none to run."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from konductor_core.errors import KonductorError, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CommandNotFoundError", "CommandNotRunnableError", "find_program", "not_started"]


class CommandNotFoundError(KonductorError):
    """There is no such program."""

    exit_code = 127
    code = "command-not-found"


class CommandNotRunnableError(KonductorError):
    """There is such a file, and it cannot be run."""

    exit_code = 126
    code = "command-not-runnable"


def find_program(name: str, env: Mapping[str, str]) -> str:
    """Return the path of the program; raises one of the two errors above."""
    if not name:
        raise CommandNotFoundError("the command is empty")
    if "/" in name:
        candidates = [name]
    else:
        folders = env.get("PATH", os.defpath).split(os.pathsep)
        candidates = [os.path.join(folder or ".", name) for folder in folders]  # noqa: PTH118 - pathlib is slow to import
    refused = ""
    for path in candidates:
        if os.path.isdir(path):  # noqa: PTH112
            refused = refused or f"{path} is a directory"
        elif os.access(path, os.X_OK):
            return path
        elif os.path.exists(path):  # noqa: PTH110
            refused = refused or f"{path} is not executable"
    if refused:
        raise CommandNotRunnableError(refused)
    hint = "is the path right?" if "/" in name else "put its folder on the PATH, or write its whole path"
    raise CommandNotFoundError(f"command {quoted(name)} not found", hint=hint)


def not_started(path: str, number: int) -> KonductorError:
    """Return the error for a program that was there and could not be executed, for this errno."""
    if number == errno.ENOENT:
        return CommandNotFoundError(f"{path} cannot be run: it, or the interpreter that it names, is not there")
    return CommandNotRunnableError(f"{path} cannot be run: {os.strerror(number)}")
