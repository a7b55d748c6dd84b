"""`koncli top` at a terminal: live changes, resize, keys and signals, outages, and a terminal given back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import cli_on
from tests.cli.terminal import CTRL_C, CTRL_Z, PROMPT, Shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.running import Cli
    from tests.conftest import FreshServer

LEFT = b"\x1b[?1049l"
"""What gives back the screen as it was before."""


@pytest.fixture
def shell(cli: Cli) -> Iterator[Shell]:
    """A terminal beside a semaphore `s` of two permits, one of them held."""
    cli.k.semaphore("s").define(2, ttl="30s")
    cli.k.semaphore("s").acquire(holder="worker-7")
    with Shell(cli.env, cli.cwd, columns=100) as shell:
        yield shell


def test_changes_appear_at_once(cli: Cli, shell: Shell) -> None:
    shell.type("koncli top\n")
    shell.expect("worker-7")
    cli.k.barrier("pushed").define(3)
    shell.expect("barrier/pushed")
    cli.k.barrier("pushed").arrive("a")
    shell.expect("arrived 1/3")
    cli.k.semaphore("s").release(holder="worker-7")
    shell.expect("released")


@pytest.mark.parametrize("how,code", [("q", 0), ("ctrl-c", 130), ("term", 143)])
def test_the_terminal_is_given_back_however_it_ends(cli: Cli, shell: Shell, how: str, code: int) -> None:
    before = shell.run("stty -g")
    shell.type("koncli top & echo $! > pid; fg\n" if how == "term" else "koncli top\n")
    shell.expect("q ends")
    if how == "term":
        cli.shell("kill -TERM $(cat pid)")
    else:
        shell.type("q" if how == "q" else CTRL_C)
    shell.expect_raw(LEFT)
    shell.expect(PROMPT)
    assert shell.code() == code
    assert shell.run("stty -g") == before


def test_ctrl_z_gives_the_terminal_back_and_fg_draws_again(cli: Cli, shell: Shell) -> None:
    before = shell.run("stty -g")
    shell.type("koncli top\n")
    shell.expect("q ends")
    shell.type(CTRL_Z)
    shell.expect_raw(LEFT)
    shell.expect("Stopped")
    shell.expect(PROMPT)
    assert shell.run("stty -g") == before
    shell.type("fg\n")
    shell.expect("worker-7")
    shell.type("q")
    shell.expect(PROMPT)
    assert shell.code() == 0


def test_a_resized_terminal_is_drawn_anew(cli: Cli, shell: Shell) -> None:
    for number in range(30):
        cli.k.barrier(f"b{number:02}").define(1)
    shell.type("koncli top\n")
    shell.expect("barrier/b08")
    shell.expect("DETAIL")
    shell.resize(50, 12)
    assert "DETAIL" not in shell.expect("… 30 more") + shell.expect("earlier")
    shell.resize(100, 80)
    shell.expect("barrier/b29")
    shell.type("q")
    shell.expect(PROMPT)


def test_no_color_means_none(cli: Cli, shell: Shell) -> None:
    colored = rb"\x1b\[[0-9;]*(3[0-7]|9[0-7])[0-9;]*m"
    for flag in ("", " --no-color"):
        shell.type(f"koncli top{flag}\n")
        shown = shell.expect_raw(b"worker-7")
        shell.type("q")
        shown += shell.expect_raw(LEFT)
        shell.expect(PROMPT)
        assert bool(re.search(colored, shown)) is not bool(flag)


def test_without_rich_it_says_what_to_install(cli: Cli, shell: Shell) -> None:
    (cli.cwd / "rich.py").write_text("raise ModuleNotFoundError('No module named rich', name='rich')\n")
    shown = shell.run(f"PYTHONPATH={cli.cwd} koncli top")
    assert "error: the live screen needs rich, which is not installed" in shown
    assert "pip install 'konductor[local]'" in shown
    assert shell.code() == 64


def test_it_waits_for_a_server_that_goes_away_and_shows_what_it_knew(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server("valkey")
    with cli_on(server.url, tmp_path) as cli:
        cli.k.barrier("before").define(1)
        with Shell(cli.env, cli.cwd) as shell:
            shell.type("koncli top\n")
            shell.expect("barrier/before")
            server.kill()
            shell.expect("NO CONNECTION")
            shell.expect("barrier/before")
            server.start()
            cli.k.barrier("after").define(1)
            shell.expect("barrier/after")
            shell.expect("0 waiters  ")
            shell.type("q")
            shell.expect(PROMPT)
            assert shell.code() == 0
