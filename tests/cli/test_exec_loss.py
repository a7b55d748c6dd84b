"""`koncli exec` and a lease that is lost: the command, and all that it started, is gone before the lease's end."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import cli_on
from tests.cli.test_exec import HOLD, noted, started, witness
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.running import Cli, Running
    from tests.conftest import FreshServer
    from tests.servers import Server

TTL = 2.0


@pytest.fixture
def own(fresh_server: FreshServer) -> Server:
    return fresh_server("valkey")


@pytest.fixture
def s(own: Server, tmp_path: Path) -> Iterator[Cli]:
    """Koncli on a server of the test's own, beside a semaphore of one permit and a TTL of two seconds."""
    with cli_on(own.url, tmp_path) as cli:
        cli.k.semaphore("s").define(1, ttl=f"{TTL}s")
        yield cli


def alive(path: Path) -> list[float]:
    """The moments at which a witness noted that it lives."""
    return [float(line) for line in noted(path) if line[0].isdigit()]


def gone(pid: int) -> bool:
    """Whether the process has ended, collected by its parent or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def expiry(s: Cli) -> float:
    """The end of the lease, as of now, by this machine's monotonic clock, rather too late."""
    status = s.k.semaphore("s").status()
    expires_ms = status.holders[0].expires_ms
    assert expires_ms is not None
    return time.monotonic() + (expires_ms - status.now_ms) / 1000


def hold(s: Cli, *ways: str, witnesses: int = 1) -> tuple[Running, Path, list[int]]:
    log = s.cwd / "log"
    running = s.start(*HOLD, *witness(log, *ways))
    return running, log, started(log, witnesses)


def test_the_lease_is_renewed_as_long_as_the_command_runs(s: Cli) -> None:
    running, log, _ = hold(s)
    token = s.k.semaphore("s").status().holders[0].token
    until(lambda: s.k.semaphore("s").status().counters["renewals"] >= 4, "it was renewed beyond its TTL")
    assert s.k.semaphore("s").status().holders[0].token == token
    assert running.end(signal.SIGTERM).code == 7
    assert noted(log)[-1] == "SIGTERM"


def test_a_command_whose_lease_was_taken_away_may_clean_up(s: Cli) -> None:
    running, log, _ = hold(s)
    s.k.semaphore("s").force_release(s.k.semaphore("s").status().holders[0].holder)
    ended = running.end()
    assert ended.code == 6
    assert ended.err.splitlines()[:2] == [
        "semaphore/s: the lease is lost: ending the command, and killing it in 0.7s",
        "error: lost the lease on semaphore/s while the command ran: it ended with exit code 7",
    ]
    assert noted(log)[-1] == "SIGTERM"


def test_a_command_that_does_not_end_is_killed_with_all_it_started(s: Cli) -> None:
    running, log, pids = hold(s, "ignore", "children", witnesses=3)
    s.k.semaphore("s").reset()
    ended = running.end()
    assert ended.code == 6
    assert "it was killed" in ended.err
    assert noted(log).count("SIGTERM") == 3
    assert all(gone(pid) for pid in pids)


def test_with_redis_away_the_kill_comes_before_the_end_of_the_lease(s: Cli, own: Server) -> None:
    running, log, pids = hold(s, "ignore", "children", witnesses=3)
    until(lambda: s.k.semaphore("s").status().counters["renewals"] >= 1, "it was renewed")
    end = expiry(s)
    own.pause()
    until(lambda: all(gone(pid) for pid in pids), "all are gone")
    assert alive(log)[-1] < end
    assert noted(log).count("SIGTERM") == 3
    ended = running.end()
    assert ended.code == 6
    assert "cannot be renewed in time" in ended.err
    assert time.monotonic() < end + 1


def test_an_outage_that_is_shorter_does_no_harm(s: Cli, own: Server) -> None:
    running, log, _ = hold(s)
    renewals = s.k.semaphore("s").status().counters["renewals"]
    own.pause()
    running.said("could not be renewed yet")
    own.resume()
    running.said("renewed again")
    until(lambda: s.k.semaphore("s").status().counters["renewals"] > renewals + 2, "it is renewed")
    assert "SIGTERM" not in noted(log)
    assert running.end(signal.SIGTERM).code == 7


def _stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("attack", [_kill, _stop])
def test_if_koncli_is_killed_or_stopped_nothing_runs_beyond_the_lease(s: Cli, attack: Callable[[int], None]) -> None:
    running, log, pids = hold(s, "ignore", "children", witnesses=3)
    end = expiry(s)
    attack(running.process.pid)
    until(lambda: all(gone(pid) for pid in pids), "all are gone")
    assert alive(log)[-1] < end + 0.05  # the clock of the test looked after the server's
    assert noted(log).count("SIGTERM") == 3


def test_if_koncli_was_stopped_it_tells_of_the_loss_when_it_goes_on(s: Cli) -> None:
    running, _, pids = hold(s)
    _stop(running.process.pid)
    until(lambda: gone(pids[0]), "it is gone")
    os.kill(running.process.pid, signal.SIGCONT)
    assert running.end().code == 6


def guardian_of(running: Running) -> int:
    """The pid of koncli's one child."""
    koncli = running.process.pid
    (child,) = Path(f"/proc/{koncli}/task/{koncli}/children").read_text().split()
    return int(child)


def test_if_the_guardian_is_killed_the_command_dies_with_all_it_started(s: Cli) -> None:
    running, _, pids = hold(s, "ignore", "children", witnesses=3)
    _kill(guardian_of(running))
    assert running.end().code == 137
    assert all(gone(pid) for pid in pids)
    assert s.k.semaphore("s").status().in_use == 0


def test_if_the_guardian_is_stopped_koncli_does_its_work(s: Cli, own: Server) -> None:
    running, _, pids = hold(s, "ignore", "children", witnesses=3)
    _stop(guardian_of(running))
    own.pause()
    assert running.end().code == 6
    assert all(gone(pid) for pid in pids)


def test_not_even_koncli_killed_and_its_guardian_stopped_leave_the_command_alone(s: Cli) -> None:
    running, _, pids = hold(s, "ignore", "children", witnesses=3)
    _stop(guardian_of(running))
    _kill(running.process.pid)
    until(lambda: all(gone(pid) for pid in pids), "all are gone")


def test_a_stopped_command_is_killed_as_it_lies(s: Cli, own: Server) -> None:
    """Without a terminal koncli goes on renewing for a stopped command; once it can't, the command never runs again."""
    running, log, pids = hold(s, "ignore")
    _stop(pids[0])
    until(lambda: s.k.semaphore("s").status().counters["renewals"] >= 4, "it is renewed all the same")
    own.pause()
    assert running.end().code == 6
    assert "SIGTERM" not in noted(log)
    assert gone(pids[0])


def test_a_lease_that_was_lost_unnoticed_is_told_at_the_end(s: Cli) -> None:
    s.k.semaphore("s").define(1, ttl="1m")
    running, log, pids = hold(s)
    s.k.semaphore("s").force_release(s.k.semaphore("s").status().holders[0].holder)
    assert alive(log)
    os.kill(pids[0], signal.SIGTERM)
    ended = running.end()
    assert (ended.code, ended.err.splitlines()[0]) == (
        6,
        "error: lost the lease on semaphore/s while the command ran: it ended with exit code 7",
    )


def test_redis_away_at_the_end_does_not_keep_the_exit_code_back(s: Cli, own: Server) -> None:
    s.k.semaphore("s").define(1, ttl="3s")
    running, _, pids = hold(s)
    own.pause()
    os.kill(pids[0], signal.SIGTERM)
    before = time.monotonic()
    assert running.end().code == 7
    assert time.monotonic() - before < 4


def test_a_grace_longer_than_the_ttl_allows_is_cut(s: Cli) -> None:
    done = s.ok(*HOLD, "--grace", "5s", "--", "true")
    assert done.err == "semaphore/s: its TTL is 2s, so --grace is cut to half of that\n"
