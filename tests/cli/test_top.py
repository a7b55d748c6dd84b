"""`koncli top`: what it reads, how it fits the screen, and the terminal it gives back."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from koncli.output import width
from koncli.screen.board import Board, Happened, Picture, Seen
from koncli.screen.layout import Column, cut, fit, page, plain, share
from koncli.screen.sections import head, sections
from konductor_core.identity import Kind
from konductor_core.models import Event, SemaphoreSpec, SemaphoreStatus
from konductor_core.models.semaphore import Holder, Waiter
from tests.cli.conftest import cli_on
from tests.cli.terminal import CTRL_C, CTRL_Z, PROMPT, Shell
from tests.cli.test_start import modules
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.running import Cli
    from tests.conftest import FreshServer

LEFT = b"\x1b[?1049l"
"""What gives back the screen as it was before."""


def semaphore(name: str, holders: int = 2, waiters: int = 1) -> SemaphoreStatus:
    """A full semaphore at the server's second 100; holders since 90 until 130, waiters since 95."""
    return SemaphoreStatus(
        namespace="etl",
        name=name,
        epoch="e",
        owner="cli",
        created_ms=0,
        now_ms=100_000,
        next_change_ms=-1,
        spec=SemaphoreSpec(permits=holders),
        in_use=holders,
        waiting=waiters,
        holders_total=holders,
        holders=tuple(
            Holder(holder=f"worker-pod-{i:05}", permits=1, token=i, since_ms=90_000, expires_ms=130_000)
            for i in range(holders)
        ),
        waiters=tuple(
            Waiter(holder=f"waiting-pod-{i:05}", permits=1, position=i + 1, since_ms=95_000, request=str(i))
            for i in range(waiters)
        ),
    )


def picture(*statuses: SemaphoreStatus, events: int = 2, trouble: str = "") -> Picture:
    """A picture of semaphores, all read at our second 50."""
    objects = tuple(Seen(Kind.SEMAPHORE, status.name, status, 50.0) for status in statuses)
    happened = tuple(
        Happened(Kind.SEMAPHORE, "s", Event(at_ms=99_000 - i, id=f"{i}-0", type="granted", holder="a", token=1))
        for i in range(events)
    )
    return Picture("etl", "redis://there", objects, happened, trouble, 45.0 if trouble else 0.0)


def screen(shown: Picture, columns: int, lines: int | None, now: float = 50.0) -> list[str]:
    return plain(page(head(shown, now), sections(shown, now), columns, lines)).split("\n")


def test_it_shows_objects_holders_waiters_and_events() -> None:
    text = "\n".join(screen(picture(semaphore("load")), 120, 40))
    assert re.search(r"^etl  1 object, 2 holders, 1 waiter  00:01:40 UTC  redis://there$", text, re.MULTILINE)
    assert re.search(r"^semaphore/load +Full +permits 2, in-use 2, waiting 1 +1m40s$", text, re.MULTILINE)
    assert re.search(r"^worker-pod-00000 +semaphore/load +1 +10s +30s$", text, re.MULTILINE)
    assert re.search(r"^waiting-pod-00000 +semaphore/load +1 +1 +0 +5s$", text, re.MULTILINE)
    assert re.search(r"^00:01:39 +granted +semaphore/s +a$", text, re.MULTILINE)


def test_durations_count_on_between_readings() -> None:
    shown = picture(semaphore("load"))
    assert any(re.search(r" 18s +22s$", line) for line in screen(shown, 120, 40, 58.0))
    assert any(re.search(r" 1m30s +due$", line) for line in screen(shown, 120, 40, 130.0))


def test_no_line_is_wider_and_no_page_longer_than_the_screen() -> None:
    shown = picture(*(semaphore(f"s{i}-資料庫", 7, 5) for i in range(9)), events=30, trouble="gone")
    for columns in (1, 2, 5, 11, 20, 33, 47, 60, 80, 119, 200):
        for lines in (1, 2, 3, 5, 8, 10, 13, 24, 50, 200):
            drawn = screen(shown, columns, lines)
            assert len(drawn) <= lines
            assert max(map(width, drawn)) <= columns, (columns, lines)


def test_a_narrow_screen_drops_the_least_important_columns() -> None:
    shown = picture(semaphore("load-concurrency-of-the-night"))
    row = "worker-pod-00000  semaphore/load-concurrency-of-the-night  1        10s    30s"
    assert row in screen(shown, 120, 40)
    narrow = "\n".join(screen(shown, 60, 40))
    assert "EXPIRES IN" in narrow
    assert "POSITION" in narrow
    assert "PRIORITY" not in narrow
    assert "worker-pod-00000  semaphore/load-concu…  1        30s" in narrow


def test_a_low_screen_says_how_much_more_there_is_and_still_shows_every_list() -> None:
    drawn = screen(picture(semaphore("load", 40, 30), events=20), 100, 24)
    assert [line.split()[0] for line in drawn if line[:1].isupper()] == ["OBJECT", "HOLDER", "WAITER", "TIME"]
    assert "… 36 more" in drawn
    assert "… 26 more" in drawn
    assert "… 17 earlier" in drawn


def test_a_snapshot_that_lists_some_holders_only_says_so_too() -> None:
    listed = replace(semaphore("load", 3), holders_total=1000)
    assert "… 997 more" in screen(picture(listed), 100, None)


def test_trouble_is_told_in_the_header_and_what_was_known_stays() -> None:
    drawn = screen(picture(semaphore("load"), trouble="no answer"), 120, 40)
    assert drawn[1] == "NO CONNECTION for 5s, shown is what was known: no answer"
    assert any(line.startswith("semaphore/load") for line in drawn)


def test_what_would_move_the_cursor_is_made_visible() -> None:
    assert cut("a\x1b[2Jb\r", 20) == r"a\x1b[2Jb"


def test_rows_and_columns_are_shared_out() -> None:
    assert share([2, 100, 3], 12) == [2, 7, 3]
    assert share([5, 5], 3) == [2, 1]
    assert share([], 5) == []
    columns = (Column("A", flexible=True), Column("B", drop=1), Column("C"))
    assert fit(columns, (30, 8, 6), 60) == {0: 30, 1: 8, 2: 6}
    assert fit(columns, (30, 8, 6), 40) == {0: 22, 1: 8, 2: 6}
    assert fit(columns, (30, 8, 6), 30) == {0: 22, 2: 6}


def test_an_object_is_read_again_when_it_was_named_or_changes_by_itself_and_else_not(cli: Cli) -> None:
    handle = cli.k.semaphore("s")
    handle.define(1)
    board = Board(cli.k)
    board.read_all()
    assert not board.read_due()
    handle.acquire(ttl="300ms")
    assert not board.read_due()
    board.nudged((Kind.SEMAPHORE, "s"))
    until(board.read_due, "the change is read")
    (seen,) = board.picture().objects
    assert isinstance(seen.status, SemaphoreStatus)
    assert seen.status.in_use == 1
    until(board.read_due, "the lease's end is looked at without a nudge", timeout=5)
    (seen,) = board.picture().objects
    assert isinstance(seen.status, SemaphoreStatus)
    assert seen.status.in_use == 0


def test_an_object_that_is_named_all_the_time_is_read_now_and_then(cli: Cli) -> None:
    cli.k.barrier("b").define(1)
    board = Board(cli.k)
    board.read_all()
    for _ in range(1000):
        board.nudged((Kind.BARRIER, "b"))
    assert not board.read_due()
    until(board.read_due, "it is read in the end", timeout=5)
    assert not board.read_due()


def test_a_deleted_object_goes_and_its_events_stay(cli: Cli) -> None:
    cli.k.barrier("b").define(1)
    board = Board(cli.k)
    board.read_all()
    cli.k.barrier("b").delete()
    board.read_all()
    shown = board.picture()
    assert shown.objects == ()
    assert shown.events


def test_once_prints_plain_text_and_needs_no_rich(cli: Cli) -> None:
    cli.k.semaphore("s").define(1)
    cli.k.semaphore("s").acquire(holder="worker-7")
    for arguments in (("top", "--once"), ("top",)):
        printed = cli.ok(*arguments).out
        assert "\x1b" not in printed
        assert re.search(r"^worker-7 +semaphore/s ", printed, re.MULTILINE)
        assert re.search(r"granted +semaphore/s +worker-7 ", printed, re.MULTILINE)
    assert cli.ok("top", "-o", "name").out == "semaphore/s\n"
    document = cli.ok("top", "-o", "json").json
    assert [(each["kind"], each["inUse"]) for each in document["objects"]] == [("Semaphore", 1)]
    assert document["events"][-1]["type"] == "granted"
    loaded = modules(
        "import sys; sys.argv = 'koncli top --once'.split(); from koncli.main import main; main()",
        cli,
    )
    assert "koncli.screen.layout" in loaded
    assert not loaded & {"rich", "koncli.screen.live"}


def test_a_server_that_is_away_at_the_start_is_an_error(cli: Cli) -> None:
    failed = cli("top", KONDUCTOR_REDIS_URL="redis://127.0.0.1:1", KONDUCTOR_RETRIES="0")
    assert failed.code == 5
    assert "cannot be reached" in failed.error


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
