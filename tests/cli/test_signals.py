"""Signals and closed streams: a wait that is ended gives back its place, quietly."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.running import KONCLI, PATIENCE
from tests.servers import until

if TYPE_CHECKING:
    from tests.cli.running import Cli

ENDS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated"), (signal.SIGHUP, 129, "terminated")]


@pytest.mark.parametrize("signum,code,word", ENDS)
def test_a_waiter_that_is_ended_leaves_the_queue_at_once(cli: Cli, signum: int, code: int, word: str) -> None:
    semaphore = cli.k.semaphore("s")
    semaphore.define(1)
    lease = semaphore.acquire(holder="a")
    waiter = cli.start("semaphore", "acquire", "s", "--wait")
    waiter.said("position 1")
    ended = waiter.end(signum)
    assert (ended.code, ended.err.splitlines()[-1]) == (code, word)
    status = semaphore.status()
    assert (status.waiting, status.in_use) == (0, 1)
    lease.release()
    assert semaphore.status().in_use == 0


@pytest.mark.parametrize("signum,code,_word", ENDS)
def test_a_barriers_waiter_that_is_ended_is_not_counted_any_more(cli: Cli, signum: int, code: int, _word: str) -> None:
    barrier = cli.k.barrier("b")
    barrier.define(2)
    waiter = cli.start("barrier", "wait", "b")
    waiter.said("0/2 arrived")
    until(lambda: barrier.status().waiting == 1, "the waiter is counted")
    assert waiter.end(signum).code == code
    assert barrier.status().waiting == 0


def test_a_wait_for_an_absent_redis_ends_at_once_too(cli: Cli) -> None:
    waiter = cli.start("barrier", "wait", "b", "--redis-url", "redis://127.0.0.1:1/0", KONDUCTOR_RETRIES="0")
    waiter.said("trying again")
    assert waiter.end(signal.SIGTERM).code == 143


def test_an_interrupt_in_the_first_moments_is_as_quiet_as_a_later_one(cli: Cli) -> None:
    for delay in (0.02, 0.05, 0.1, 0.15):
        early = cli.start("barrier", "wait", "b")
        early.over(delay)
        ended = early.end(signal.SIGINT)
        # Before koncli's first line it is Python that ends: by the signal itself, or while it makes itself ready.
        if ended.err.startswith("Fatal Python error: init_"):
            continue
        assert ended.code in {130, -signal.SIGINT}
        assert ended.code != 130 or ended.err.splitlines()[-1:] == ["interrupted"], ended


def test_a_reader_that_has_gone_ends_the_program_quietly(cli: Cli) -> None:
    cli.k.barrier("b").define(1)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [KONCLI, "get"], stdout=writing, stderr=subprocess.PIPE, env=cli.env, timeout=PATIENCE, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_full_disk_is_an_error(cli: Cli) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [KONCLI, "version"], stdout=full, stderr=subprocess.PIPE, env=cli.env, timeout=PATIENCE, check=False
        )
    assert done.returncode == 1
    assert done.stderr == b"error: cannot write the output: No space left on device\n"


def test_closed_streams_are_no_error(cli: Cli) -> None:
    assert cli.shell("koncli version >&- 2>&-").code == 0
    assert cli.shell("koncli barrier status missing 2>&-").code == 2


def test_a_terminal_gets_one_live_line_that_is_gone_at_the_end(cli: Cli) -> None:
    cli.k.barrier("b").define(3)
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        [KONCLI, "barrier", "wait", "b", "--timeout", "2h"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=side,
        env={**cli.env, "TERM": "xterm"},
    )
    os.close(side)
    shown = _read_until(terminal, b"0/3 arrived, waiting for 3 more, 2h left")
    for who in "123":
        cli.k.barrier("b").arrive(who)
    shown += _read_until(terminal, None)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert out == b"barrier/b is open: 3/3 arrived\n"
    assert b"\n" not in shown
    assert shown.endswith(b"\r\x1b[K")


def _read_until(terminal: int, text: bytes | None) -> bytes:
    """Read a terminal until the text has come, or until its other end is closed."""
    shown = b""
    while text is None or text not in shown:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # Linux says EIO when the other end is closed
            chunk = b""
        if not chunk:
            break
        shown += chunk
    return shown
