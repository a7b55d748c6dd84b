"""However a run ends, nothing of it is left: no program, no first process, no server."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from tests.local.running import KONCLI, PATIENCE, bare_pod, container, job, konductor, processes, wait_until

if TYPE_CHECKING:
    from tests.local.running import Local

STUBBORN = "trap '' TERM; (setsid sh -c 'trap \"\" TERM INT HUP; sleep 300 # {mark}' &); echo ready; sleep 301.{mark}"
"""A script whose processes ignore what can be ignored, one of them in a session of its own."""


def gone(mark: str) -> bool:
    return wait_until(lambda: not processes(mark))


def test_the_processes_of_a_run_can_be_seen_while_it_runs(local: Local, mark: str, mounts: tuple[str, ...]) -> None:
    """Without this the other tests here would prove nothing."""
    run = local.start(job(f"work-{mark}", STUBBORN.format(mark=mark)), args=mounts)
    run.wait_for("ready")
    seen = "\n".join(processes(mark).values())
    for part in ("local run", "valkey-server", "sleep 301", "sleep 300", f"work-{mark}-"):
        assert part in seen
    run.signal(signal.SIGKILL)
    assert gone(mark)


def test_a_killed_runner_leaves_nothing(local: Local, mark: str, mounts: tuple[str, ...]) -> None:
    helper = container(STUBBORN.format(mark=mark), "helper", restartPolicy="Always")
    wait = {"name": "wait", "command": ["koncli", "barrier", "wait", f"never-{mark}"]}
    run = local.start(
        job("one", STUBBORN.format(mark=mark), init=[helper], job={"completions": 3, "parallelism": 3}),
        job("two", "true", init=[wait]),
        konductor("Barrier", f"never-{mark}", expected=1),
        args=mounts,
    )
    run.wait_for("main] ready")
    run.wait_for("wait] barrier/never")
    run.signal(signal.SIGKILL)
    assert run.finish().code == -signal.SIGKILL
    assert gone(mark)


@pytest.mark.parametrize("after", ["Valkey", "created", "ready"])
def test_a_runner_killed_while_it_starts_leaves_nothing(local: Local, mark: str, after: str) -> None:
    run = local.start(
        job(f"work-{mark}", STUBBORN.format(mark=mark), job={"completions": 4, "parallelism": 4}),
        konductor("Barrier", "b", expected=1),
    )
    run.wait_for(after)
    run.signal(signal.SIGKILL)
    assert gone(mark)


@pytest.mark.parametrize("number,code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_deletes_the_pods_with_grace(local: Local, mark: str, number: signal.Signals, code: int) -> None:
    script = f"trap 'echo tidy; exit 0' TERM; echo ready; while :; do sleep 0.05; done # {mark}"
    run = local.start(job(f"work-{mark}", script), bare_pod(f"pod-{mark}", script))
    run.wait_for(f"[pod-{mark} main] ready")
    run.wait_for(f"[work-{mark}")
    run.signal(number)
    result = run.finish()
    assert result.code == code
    assert result.said().count("tidy") == 2
    assert result.lines[-1] == f"-- interrupted by {number.name}; exit code {code}"
    assert gone(mark)


def test_what_ignores_term_is_killed_after_its_grace(local: Local, mark: str, mounts: tuple[str, ...]) -> None:
    run = local.start(job("work", STUBBORN.format(mark=mark), terminationGracePeriodSeconds=1), args=mounts)
    run.wait_for("ready")
    run.signal(signal.SIGINT)
    assert run.finish().code == 130
    assert gone(mark)


def test_a_second_interrupt_ends_everything_at_once(local: Local, mark: str) -> None:
    run = local.start(job("work", STUBBORN.format(mark=mark), terminationGracePeriodSeconds=300))
    run.wait_for("ready")
    run.signal(signal.SIGINT)
    run.wait_for("stopping job/work")
    run.signal(signal.SIGINT)
    assert run.finish().code == 130
    assert gone(mark)


def test_an_interrupt_before_anything_runs_ends_quietly(local: Local, mark: str) -> None:
    run = local.start(job("work", STUBBORN.format(mark=mark), terminationGracePeriodSeconds=1))
    run.wait_for("Valkey")
    run.signal(signal.SIGINT)
    result = run.finish()
    assert (result.code, result.err) == (130, "")
    assert gone(mark)


def test_when_the_server_dies_the_run_ends_with_the_reason(local: Local, mark: str) -> None:
    run = local.start(job("work", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"))
    run.wait_for("ready")
    server = next(pid for pid, line in processes(mark).items() if line.split()[0].endswith("valkey-server"))
    os.kill(server, signal.SIGKILL)
    result = run.finish()
    assert result.code == 5
    assert "the embedded server has ended: killed by SIGKILL; exit code 5" in result.lines[-1]
    assert gone(mark)


def test_when_nobody_reads_the_output_the_run_ends(local: Local, mark: str) -> None:
    script = "while :; do echo line; sleep 0.05; done"
    path = local.write(job(f"work-{mark}", script, terminationGracePeriodSeconds=1))
    shell = f"{KONCLI} local run {path} | head -n 5"
    done = subprocess.run(
        ["sh", "-c", shell], env=local.env(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert len(done.stdout.splitlines()) == 5
    assert done.stderr == ""
    assert gone(mark)


def test_a_closed_terminal_ends_the_run(local: Local, mark: str) -> None:
    path = local.write(job(f"work-{mark}", f"echo ready; sleep 302.{mark}"))
    leader, follower = pty.openpty()
    run = subprocess.Popen(
        [KONCLI, "local", "run", str(path)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**local.env(), "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(follower)
    seen = threading.Event()

    def read() -> None:
        text = b""
        try:
            while part := os.read(leader, 4096):
                text += part
                if b"ready" in text:
                    seen.set()
                    return
        except OSError:
            return

    reader = threading.Thread(target=read)
    reader.start()
    assert seen.wait(PATIENCE)
    reader.join()
    os.close(leader)
    assert run.wait(PATIENCE) != 0
    assert gone(mark)
