"""`koncli top`: what it reads, and how that fits the screen."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from koncli.output import width
from koncli.screen.board import Board, Happened, Picture, Seen
from koncli.screen.layout import Column, cut, fit, page, plain, share
from koncli.screen.sections import head, sections
from konductor_core.identity import Kind
from konductor_core.models import Event, SemaphoreSpec, SemaphoreStatus
from konductor_core.models.permits import Holder, Waiter
from tests.cli.test_start import modules
from tests.scenes import barrier, group, listener, mutex, permits
from tests.servers import until

if TYPE_CHECKING:
    from tests.cli.running import Cli


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


def test_who_waits_for_something_to_open_is_shown_beside_those_in_queues() -> None:
    statuses = (
        barrier("extract", 3, ("a",), ("loader",)),
        group(("m",), 0, ("joiner",)),
        permits(Kind.ONCE, "o", (), (), listeners=(listener("reader"),), listening=1),
        mutex("m", "holder", "locker"),
    )
    shown = Picture("etl", "redis://there", tuple(Seen(each.kind, each.name, each, 50.0) for each in statuses))
    lines = screen(shown, 120, None)
    assert "4 objects, 1 holder, 4 waiters" in lines[0]
    assert [line.split() for line in lines if line.startswith(("loader", "joiner", "reader", "locker"))] == [
        ["loader", "barrier/extract", "-", "-", "-", "2s"],
        ["joiner", "waitgroup/g", "-", "-", "-", "2s"],
        ["reader", "once/o", "-", "-", "-", "2s"],
        ["locker", "mutex/m", "1", "1", "0", "3s"],
    ]


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
