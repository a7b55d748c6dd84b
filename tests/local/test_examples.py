"""The examples of single kinds run to their end, and their objects' histories show the order that they promise."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from koncli.local.linux import children
from konductor_core.amounts import mode_of
from tests.local.test_annotated import EXAMPLES, k, moments, run_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from konductor_core.client import Konductor
    from tests.local.running import Local

__all__ = ["k"]


def run_example(k: Konductor, local: Local, name: str) -> str:
    """Run an example on the test's server; return what it said."""
    done = run_on(k, local, str(EXAMPLES / name), "--timeout", "60s")
    assert done.returncode == 0, done
    return done.stdout


def test_one_of_three_replicas_migrates_and_takes_over_a_migration_that_failed(local: Local, k: Konductor) -> None:
    said = run_example(k, local, "database-migrations")
    events = k.once("schema-v3").events()
    assert len(moments(events, "granted")) == 2
    assert len(moments(events, "failed")) == len(moments(events, "completed")) == 1
    assert said.count("migrated from version 0 to 3") == 1
    assert len(re.findall(r"serves on schema version 3", said)) == 3
    assert said.index("migrated from version 0") < said.index("serves on schema")


def test_migrations_take_turns_at_a_mutex_and_the_shop_waits_for_the_first_success(local: Local, k: Konductor) -> None:
    said = run_example(k, local, "database-migrations/annotated")
    events = k.mutex("schema").events()
    held = moments(events, "granted"), moments(events, "released")
    assert len(held[0]) == len(held[1]) == 3
    assert all(released <= granted for released, granted in zip(held[1], held[0][1:], strict=False))
    assert said.count("migrated from version 0 to 3") == said.count("the schema has version 3 already") == 1
    opened = moments(k.barrier("schema-v3").events(), "opened")
    assert opened[0] >= held[0][1]
    assert said.count("serves on schema version 3") == 3


@pytest.mark.parametrize("style", ["shared-index", "shared-index/annotated"])
def test_no_query_meets_a_build_and_the_disk_bears_what_it_can(style: str, local: Local, k: Konductor) -> None:
    said = run_example(k, local, style)
    held: dict[str | None, int] = {}
    for event in k.rwmutex("index").events():
        if event.type == "granted":
            held[event.holder] = event.permits or 0
            assert len(held) == 1 or "write" not in {mode_of(permits) for permits in held.values()}
        elif event.type == "released":
            del held[event.holder]
    assert not held
    assert k.semaphore("disk").status().counters["grants"] == k.rwmutex("index").status().counters["grants"] == 6
    assert said.count("built version") == 2
    assert len(re.findall(r"query\] (version|no index yet)", said)) == 4


@pytest.mark.parametrize("style", ["map-reduce", "map-reduce/annotated"])
def test_no_reducer_begins_before_the_last_chunk_and_none_adds_up_before_all_have_shuffled(
    style: str, local: Local, k: Konductor
) -> None:
    said = run_example(k, local, style)
    chunks = k.waitgroup("chunks").events()
    assert max(moments(chunks, "added")) <= moments(k.barrier("split").events(), "opened")[0]
    assert moments(k.barrier("split").events(), "opened")[0] <= min(moments(chunks, "done"))
    shuffled, reduced = k.barrier("shuffled").events(), k.barrier("reduced").events()
    assert max(moments(chunks, "done")) <= min(moments(shuffled, "arrived"))
    assert moments(shuffled, "opened")[0] <= min(moments(reduced, "arrived"))
    assert "9,600 words, 10 different ones" in said


def descendants(parent: int) -> Iterator[int]:
    """Process ids of all that a process has started, and of what these have."""
    for child in children(parent):
        yield child
        yield from descendants(child)


def test_another_replica_leads_once_the_leader_is_killed(local: Local) -> None:
    files = (str(EXAMPLES / "leader-election" / name) for name in ("lease.yaml", "storage.yaml", "scheduler.yaml"))
    run = local.start_files(*files, "--path", str(EXAMPLES / "leader-election" / "bin"), "--stay")
    run.wait_for("leads with token")
    programs = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in descendants(run.process.pid)}
    (leader,) = [pid for pid, program in programs.items() if program[1:2] and program[1].endswith(b"/run-schedule")]
    os.kill(leader, signal.SIGKILL)
    run.wait_for("leads with token", times=2)
    run.signal(signal.SIGINT)
    result = run.finish()
    first, second = [line.split() for line in result.said("scheduler") if "leads with token" in line]
    assert first[0] != second[0]
    assert int(first[-1]) < int(second[-1])


@pytest.mark.parametrize("style", ["leader-election", "leader-election/annotated"])
def test_another_replica_leads_once_the_leader_is_deposed(style: str, local: Local, k: Konductor) -> None:
    said = run_example(k, local, style)
    events = k.lease("scheduler-leader").events()
    first, second = [event for event in events if event.type == "granted"][:2]
    (deposed,) = moments(events, "force-released")
    assert first.at_ms <= deposed <= second.at_ms
    assert first.holder != second.holder
    assert (first.token or 0) < (second.token or 0)
    assert [int(each) for each in re.findall(r"leads with token (\d+)", said)][:2] == [first.token, second.token]


@pytest.mark.parametrize("style", ["gated-deployment", "gated-deployment/annotated"])
def test_a_release_is_served_once_the_job_is_complete_and_the_caches_are_warm(
    style: str, local: Local, k: Konductor
) -> None:
    said = run_example(k, local, style)
    (opened,) = moments(k.gate("release").events(), "opened")
    assert moments(k.barrier("caches-warm").events(), "opened")[0] <= opened
    assert said.count(" serves") == 2
    assert said.index("schema is ready") < said.index(" serves")
