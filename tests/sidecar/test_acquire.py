"""The container that acquires: what it leaves in the volume, what it leaves in Redis when it fails."""

from __future__ import annotations

import os
import signal
import stat
from typing import TYPE_CHECKING

import pytest

from tests.servers import until

if TYPE_CHECKING:
    from tests.sidecar.running import Pod


def test_the_grant_is_written_for_every_user_of_the_pod(pod: Pod) -> None:
    before = os.umask(0o077)
    try:
        done = pod.run("acquire", "semaphore/load=1", "--ttl", "20s")
    finally:
        os.umask(before)
    assert done.code == 0, done
    assert pod.grant("load", "token") == str(pod.token("load"))
    assert pod.grant("load", "holder") == "load-1"
    assert pod.grant("load", "state") == "held"
    assert pod.grant("load", "expires-at").endswith("Z")
    folder = pod.volume / "grants" / "semaphore-load"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o644}
    assert sorted(file.name for file in folder.iterdir()) == ["expires-at", "holder", "state", "token"]


def test_several_objects_are_acquired_all_or_none(pod: Pod) -> None:
    pod.k.semaphore("load").acquire(holder="somebody")
    refused = pod.run("acquire", "semaphore/gpu=2", "semaphore/load=1", "--timeout", "0")
    assert refused.code == 4
    assert pod.k.semaphore("gpu").status().in_use == 0
    pod.k.semaphore("load").release("somebody")
    assert pod.run("acquire", "semaphore/load=1", "semaphore/gpu=2").code == 0
    assert pod.k.semaphore("gpu").status().in_use == 2
    assert pod.grant("gpu", "token") == str(pod.token("gpu"))


def test_a_container_that_is_started_again_goes_on_with_the_same_grant(pod: Pod) -> None:
    assert pod.run("acquire", "semaphore/load=1", "semaphore/gpu=2").code == 0
    tokens = pod.token("load"), pod.token("gpu")
    assert pod.run("acquire", "semaphore/load=1", "semaphore/gpu=2").code == 0
    assert (pod.token("load"), pod.token("gpu")) == tokens


def test_a_container_that_lost_a_part_of_its_grant_gets_all_of_it_anew(pod: Pod) -> None:
    assert pod.run("acquire", "semaphore/load=1", "semaphore/gpu=2").code == 0
    pod.k.semaphore("load").force_release("load-1")
    assert pod.run("acquire", "semaphore/load=1", "semaphore/gpu=2").code == 0
    assert pod.k.semaphore("gpu").status().in_use == 2
    assert pod.grant("load", "token") == str(pod.token("load"))


def test_leases_and_locks_are_acquired_in_the_same_way(pod: Pod) -> None:
    for kind in ("lease", "mutex", "rwmutex"):
        getattr(pod.k, kind)("x").define(ttl="30s")
    done = pod.run("acquire", "lease/x", "mutex/x", "rwmutex/x=read")
    assert done.code == 0, done
    for kind in ("lease", "mutex", "rwmutex"):
        (holder,) = getattr(pod.k, kind)("x").status().holders
        assert (pod.volume / "grants" / f"{kind}-x" / "token").read_text().strip() == str(holder.token)
    keeper = pod.keep()
    assert keeper.end(signal.SIGTERM).code == 0
    assert [getattr(pod.k, kind)("x").status().phase for kind in ("lease", "mutex", "rwmutex")] == [
        *("Available", "Unlocked", "Unlocked")
    ]


def test_a_timeout_fails_and_leaves_nothing(pod: Pod) -> None:
    pod.k.semaphore("load").acquire(holder="somebody")
    done = pod.run("acquire", "semaphore/load=1", "semaphore/gpu=2", "--timeout", "300ms")
    assert done.code == 3
    assert "timed out after 300ms waiting for semaphore/gpu, semaphore/load" in done.err
    for name in ("load", "gpu"):
        status = pod.k.semaphore(name).status()
        assert (status.waiting, [each.holder for each in status.holders if each.holder == "load-1"]) == (0, [])
    assert not (pod.volume / "grants").exists()
    assert not (pod.volume / "leases.json").exists()


def test_after_a_timeout_another_start_waits_as_long_again(pod: Pod) -> None:
    pod.k.semaphore("load").acquire(holder="somebody")
    assert pod.run("acquire", "semaphore/load=1", "--timeout", "100ms").code == 3
    again = pod.start("acquire", "semaphore/load=1", "--timeout", "1m")
    again.said("1m left")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_pod_that_ends_while_it_waits_leaves_nothing_behind(pod: Pod, signum: int) -> None:
    pod.k.semaphore("load").acquire(holder="somebody")
    waiting = pod.start("acquire", "semaphore/load=1", "semaphore/gpu=1")
    until(lambda: pod.k.semaphore("load").status().waiting == 1, "it waits")
    waiting.process.send_signal(signum)
    assert waiting.over(1.0)
    assert waiting.end().code == 128 + signum
    assert [pod.k.semaphore(name).status().waiting for name in ("load", "gpu")] == [0, 0]


def test_a_volume_that_cannot_be_written_fails_the_container_and_gives_the_permits_back(pod: Pod) -> None:
    (pod.volume / "grants").write_text("in the way")
    done = pod.run("acquire", "semaphore/load=1")
    assert done.code == 1
    assert f"the grants cannot be written to {pod.volume}" in done.err
    assert pod.k.semaphore("load").status().in_use == 0


@pytest.mark.parametrize(
    "arguments,text",
    [
        (("acquire", "semaphore/load=x"), "'x' is not a number of permits"),
        (("acquire", "barrier/b"), "'barrier/b' grants no permits"),
        (("acquire", "load"), "'load' grants no permits"),
        (("acquire", "semaphore/load", "semaphore/load=2"), "an object is named twice"),
        (("acquire", "semaphore/load", "--ttl", "20"), "has no unit"),
        (("acquire", "semaphore/load", "--priority", "high"), "is not a whole number"),
        (("wait", "semaphore/load"), "can't be used here: use barrier/NAME"),
        (("wait", "barrier/UPPER"), "is not valid: use lower-case letters"),
        (("keep", "--on-lost", "panic"), "is not one of 'continue', 'signal', 'delete-pod'"),
        (("hold",), "No such command 'hold'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_64(pod: Pod, arguments: tuple[str, ...], text: str) -> None:
    done = pod.run(*arguments)
    assert done.code == 64, done
    assert text in done.error
