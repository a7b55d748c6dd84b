"""`koncli exec` of several objects: all or none, all renewed, and the command ends with the first lost lease."""

from __future__ import annotations

import json
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import cli_on
from tests.cli.test_exec import noted, started, witness
from tests.cli.test_exec_loss import alive, gone
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.running import Cli
    from tests.conftest import FreshServer
    from tests.servers import Server

HOLD = ("exec", "--semaphore", "a=2", "--mutex", "b", "--rwmutex", "c=read", "--lease", "d")
HELD = ("semaphore/a", "mutex/b", "rwmutex/c", "lease/d")
TTL = 2.0


@pytest.fixture
def own(fresh_server: FreshServer) -> Server:
    return fresh_server("valkey")


@pytest.fixture
def objects(own: Server, tmp_path: Path) -> Iterator[Cli]:
    """Koncli on a server of the test's own, beside an object of each kind that can be held."""
    with cli_on(own.url, tmp_path) as cli:
        cli.k.semaphore("a").define(3)
        cli.k.mutex("b").define(ttl=f"{TTL}s")
        cli.k.rwmutex("c").define()
        cli.k.lease("d").define()
        cli.k.semaphore("other").define(1)
        yield cli


def held(cli: Cli) -> list[bool]:
    return [bool(cli.k.permits(ref).status().holders) for ref in HELD]


def test_the_command_finds_what_it_holds_of_each(objects: Cli) -> None:
    show = "import os, json; print(json.dumps(dict(os.environ)))"
    env = json.loads(
        objects.ok(*HOLD, "--semaphore", "other", "--", sys.executable, "-c", show, KONDUCTOR_TOKEN="1").out
    )
    assert {name: env[f"KONDUCTOR_LEASE_{name}"] for name in ("SEMAPHORE", "PERMITS", "MUTEX", "RWMUTEX", "MODE")} == {
        "SEMAPHORE": "a other",
        "PERMITS": "2 1",
        "MUTEX": "b",
        "RWMUTEX": "c",
        "MODE": "read",
    }
    tokens = dict(each.split("=") for each in env["KONDUCTOR_TOKENS"].split())
    granted = objects.k.mutex("b").events()[-2]
    assert (tokens["mutex/b"], env["KONDUCTOR_TOKEN"]) == (str(granted.token), "")
    assert list(tokens) == sorted([*HELD, "semaphore/other"])


def test_none_is_held_while_one_is_not_free_and_all_are_given_back(objects: Cli) -> None:
    first = objects.k.lease("d").acquire(holder="first")
    waiting = objects.start(*HOLD, "--", "koncli", "get", "-o", "json")
    waiting.said("position 1 in the queue")
    assert held(objects) == [False, False, False, True]
    refused = objects(*HOLD, "--timeout", "0", "--", "true")
    assert (refused.code, refused.error.partition(":")[0]) == (4, "lease/d would block")
    first.release()
    done = waiting.end()
    shown = {
        each["kind"]: each["status"] for each in json.loads(done.out)["items"] if each["metadata"]["name"] in "abcd"
    }
    assert {kind: len(status["holders"]) for kind, status in shown.items()} == dict.fromkeys(
        ("Semaphore", "Mutex", "RWMutex", "Lease"), 1
    )
    assert held(objects) == [False] * 4


def test_all_are_renewed_as_long_as_the_command_runs(objects: Cli) -> None:
    log = objects.cwd / "log"
    running = objects.start(*HOLD, "--ttl", f"{TTL}s", *witness(log))
    started(log)
    until(lambda: all(objects.k.permits(ref).status().counters["renewals"] >= 3 for ref in HELD), "all are renewed")
    assert running.end(signal.SIGTERM).code == 7
    assert held(objects) == [False] * 4


def test_the_command_ends_with_the_first_lease_that_is_lost(objects: Cli) -> None:
    log = objects.cwd / "log"
    running = objects.start(*HOLD, *witness(log))
    started(log)
    objects.k.mutex("b").force_release(objects.k.mutex("b").status().holders[0].holder)
    ended = running.end()
    label = ", ".join(sorted(HELD))
    assert (ended.code, ended.err.splitlines()[:2]) == (
        6,
        [
            f"{label}: the lease on mutex/b is lost: ending the command, and killing it in 0.7s",
            "error: lost the lease on mutex/b while the command ran: it ended with exit code 7",
        ],
    )
    assert noted(log)[-1] == "SIGTERM"
    assert held(objects) == [False] * 4


def test_the_kill_comes_before_the_end_of_the_shortest_lease(objects: Cli, own: Server) -> None:
    log = objects.cwd / "log"
    running = objects.start(*HOLD, *witness(log, "ignore"))
    (pid,) = started(log)
    until(lambda: objects.k.mutex("b").status().counters["renewals"] >= 1, "it was renewed")
    status = objects.k.mutex("b").status()
    expires_ms = status.holders[0].expires_ms
    assert expires_ms is not None
    end = time.monotonic() + (expires_ms - status.now_ms) / 1000
    own.pause()
    until(lambda: gone(pid), "it is gone")
    assert alive(log)[-1] < end
    ended = running.end()
    assert (ended.code, "cannot be renewed in time" in ended.err) == (6, True)


def test_an_object_is_named_once(objects: Cli) -> None:
    refused = objects("exec", "--mutex", "b", "--mutex", "b", "--", "true")
    assert (refused.code, "named twice" in refused.error) == (64, True)
