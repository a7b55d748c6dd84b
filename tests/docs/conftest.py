"""Fixtures of the pages' tests.

pages    runs what a page shows, against a server of its own and in a folder that looks like a clone
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import sysconfig
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.blocks import ROOT, Block, blocks, matches
from tests.docs.shell import Shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import FreshServer
    from tests.servers import Server

_REDIS_CLI = """#!/bin/sh
# Against the test's server, and as on a terminal unless it is part of a pipe.
[ -p /dev/stdout ] || set -- --no-raw "$@"
exec "{program}" -p {port} "$@"
"""
_MAKE = """#!/bin/sh
# The real targets with what is installed already; the tests themselves are not run once more.
case "$1" in demo) dry= ;; *) dry=-n ;; esac
exec "{program}" $dry -o {venv}/.all -o {venv}/.local VENV={venv} "$@"
"""


class Runner:
    """Runs the blocks of one page in order: a shell and a Python namespace that last for the page."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self._namespace: dict[str, Any] = {"__name__": "page"}

    def run(self, page: str) -> None:
        """Run every console and Python block; the text block after one of Python is what that prints."""
        printed: list[str] = []
        for block in (block for block in blocks(page) if not block.cluster):
            where = f"{page}:{block.line}"
            if block.language == "text" or printed:
                assert block.language == "text", f"{where}: before this, the page does not show {printed}"
                assert matches(block.text.splitlines(), printed), f"{where}: here it is {printed}"
                printed = []
            elif block.language == "console":
                for command in block.commands():
                    self.shell.check(command.text, command.expected, f"{page}:{command.line}")
            elif block.language == "python":
                printed = self._execute(page, block)
        assert not printed, f"{page}: its end does not show {printed}"

    def _execute(self, page: str, block: Block) -> list[str]:
        source = "\n" * (block.line - 1) + self.shell.substituted(block.text)
        with redirect_stdout(io.StringIO()) as out:
            exec(compile(source, page, "exec"), self._namespace)
        return [self.shell.restored(line) for line in out.getvalue().splitlines()]


def _script(place: Path, text: str) -> None:
    place.write_text(text, encoding="utf-8")
    place.chmod(0o755)


def _clone(folder: Path) -> Path:
    """Make a folder that looks like a clone after `make demo`."""
    folder.mkdir()
    for name in ("examples", "docs", "Makefile", "pyproject.toml", "koncli", "konductor_core", "lua"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def _tools(folder: Path, server: Server) -> Path:
    """Make a folder of programs that stand before the real ones on the PATH."""
    folder.mkdir()
    if program := shutil.which("redis-cli"):
        _script(folder / "redis-cli", _REDIS_CLI.format(program=program, port=server.port))
    if program := shutil.which("make"):
        _script(folder / "make", _MAKE.format(program=program, venv=sys.prefix))
    return folder


@pytest.fixture
def pages(fresh_server: FreshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    server = fresh_server("valkey", tcp=True)
    programs = [str(_tools(tmp_path / "tools", server)), sysconfig.get_path("scripts"), os.environ["PATH"]]
    env = {
        "PATH": os.pathsep.join(programs),
        "HOME": str(tmp_path),
        "HOSTNAME": "laptop",
        "LANG": "C.UTF-8",
        "KONDUCTOR_REDIS_URL": server.tcp_url,
    }
    for name in [name for name in os.environ if name.startswith(("KONDUCTOR_", "POD_"))]:
        monkeypatch.delenv(name)
    for name in ("HOME", "HOSTNAME", "KONDUCTOR_REDIS_URL"):
        monkeypatch.setenv(name, env[name])
    substitutions = {"localhost:6379": f"127.0.0.1:{server.port}"}
    clone = _clone(tmp_path / "konductor")
    monkeypatch.chdir(clone)
    with Shell(clone, env, substitutions) as shell:
        yield Runner(shell)
