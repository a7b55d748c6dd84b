"""The containers that wait and arrive."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.looking import look
from tests.servers import until
from tests.sidecar.running import SIDECAR

if TYPE_CHECKING:
    from tests.sidecar.running import Pod


def test_a_wait_says_how_far_it_is_and_ends_when_the_barrier_opens(pod: Pod) -> None:
    barrier = pod.k.barrier("b")
    barrier.define(2)
    waiting = pod.start("wait", "barrier/b", "--timeout", "2h")
    assert waiting.said("0/2 arrived") == "barrier/b: 0/2 arrived, waiting for 2 more, 2h left"
    barrier.arrive("x")
    barrier.arrive("y")
    ended = waiting.end()
    assert (ended.code, ended.err.splitlines()[-1]) == (0, "barrier/b is open: 2/2 arrived")


def test_a_wait_group_is_waited_for_and_a_pod_is_done_in_it_once(pod: Pod) -> None:
    group = pod.k.waitgroup("g")
    group.define()
    group.add(count=2)
    waiting = pod.start("wait", "waitgroup/g", "--timeout", "2h")
    assert waiting.said("0/2 done") == "waitgroup/g: 0/2 done, waiting for 2 more, 2h left"
    assert "waitgroup/g: 1 left, waiting" in pod.run("arrive", "waitgroup/g").err
    assert "waitgroup/g: 1 left, waiting (had arrived before)" in pod.run("arrive", "waitgroup/g").err
    group.done()
    ended = waiting.end()
    assert (ended.code, ended.err.splitlines()[-1]) == (0, "waitgroup/g is done: 2 added, none left")


def test_a_gate_is_waited_for_until_its_conditions_hold(pod: Pod) -> None:
    pod.k.gate("g").define(["job/migrate"])
    waiting = pod.start("wait", "gate/g", "--timeout", "2h")
    assert waiting.said("0/1 met") == "gate/g: 0/1 met, 2h left"
    look(pod.k, "g", migrate="Complete")
    ended = waiting.end()
    assert (ended.code, ended.err.splitlines()[-1]) == (0, "gate/g is open: 1/1 met")


def test_a_barrier_that_fails_ends_the_wait_with_6(pod: Pod) -> None:
    pod.k.barrier("b").define(2, timeout="300ms")
    done = pod.run("wait", "barrier/b")
    assert (done.code, "barrier/b has failed" in done.err) == (6, True)


def test_the_deadline_counts_from_the_first_start_of_the_container(pod: Pod) -> None:
    pod.k.barrier("b").define(2)
    first = pod.start("wait", "barrier/b", "--timeout", "1500ms")
    first.said("0/2 arrived")
    first.end(signal.SIGKILL)
    note = pod.volume / "deadlines" / "wait-barrier-b"
    noted = note.read_text()
    second = pod.start("wait", "barrier/b", "--timeout", "1500ms")
    second.said("started again: ")
    assert second.end().code == 3
    assert note.read_text() == noted
    assert pod.run("wait", "barrier/b", "--timeout", "1500ms").code == 3  # it has passed, and a look finds it closed
    pod.k.barrier("b").arrive("x")
    pod.k.barrier("b").arrive("y")
    assert pod.run("wait", "barrier/b", "--timeout", "1500ms").code == 0


def test_a_deadline_of_another_start_of_the_node_does_not_count(pod: Pod) -> None:
    pod.k.barrier("b").define(2)
    (pod.volume / "deadlines").mkdir()
    for stale in ('["another boot", 1]', "[1"):
        (pod.volume / "deadlines" / "wait-barrier-b").write_text(stale)
        waiting = pod.start("wait", "barrier/b", "--timeout", "1h")
        waiting.said("1h left")
        waiting.end(signal.SIGTERM)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_pod_that_ends_while_it_waits_is_not_counted_any_more(pod: Pod, signum: int) -> None:
    barrier = pod.k.barrier("b")
    barrier.define(2)
    waiting = pod.start("wait", "barrier/b")
    until(lambda: barrier.status().waiting == 1, "it waits")
    waiting.process.send_signal(signum)
    assert waiting.over(1.0)
    assert (waiting.end().code, barrier.status().waiting) == (128 + signum, 0)


def test_an_arrival_counts_once_for_the_pod_however_often_its_container_runs(pod: Pod) -> None:
    barrier = pod.k.barrier("b")
    barrier.define(2)
    first = pod.run("arrive", "barrier/b", KONDUCTOR_ARRIVAL_ID="job/7")
    assert (first.code, first.err) == (0, "job/7 arrived at barrier/b: 1/2 arrived, waiting")
    again = pod.run("arrive", "barrier/b", KONDUCTOR_ARRIVAL_ID="job/7")
    assert (again.code, again.err) == (0, "job/7 arrived at barrier/b: 1/2 arrived, waiting (had arrived before)")


def test_as_the_first_process_of_a_container_it_ends_on_term(pod: Pod) -> None:
    """The kernel drops signals that the first process of a PID namespace does not handle."""
    barrier = pod.k.barrier("b")
    barrier.define(2)
    unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system allows no PID namespaces")
    process = subprocess.Popen([*unshare, SIDECAR, "wait", "barrier/b"], env=pod.env, stderr=subprocess.DEVNULL)
    until(lambda: barrier.status().waiting == 1, "it waits")
    (child,) = subprocess.run(
        ["pgrep", "-P", str(process.pid)], check=True, capture_output=True, text=True
    ).stdout.split()
    subprocess.run(["kill", "-TERM", child], check=True)
    assert process.wait(5.0) == 143
    assert barrier.status().waiting == 0
