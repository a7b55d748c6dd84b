"""One container as a process: what it sees, how it ends, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from koncli.local import isolation
from koncli.local.process import LONGEST_LINE, Exit, Launch, Process
from tests.local.conftest import allowed
from tests.local.running import PATIENCE, processes, wait_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Shell = Callable[..., "Started"]

ENV = {"PATH": os.environ["PATH"]}


class Started:
    """A shell script to run as a container in one mode."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.lines: list[str] = []
        self._news = asyncio.Event()

    def then(self, act: Callable[[Process], Awaitable[Exit]]) -> Exit:
        """Start it, do something with it, return how it ended."""

        async def perform() -> Exit:
            process = await Process.start(self.launch, self._hear)
            return await asyncio.wait_for(act(process), PATIENCE)

        return asyncio.run(perform())

    def run(self) -> Exit:
        return self.then(lambda process: process.wait())

    def _hear(self, lines: list[str]) -> None:
        self.lines.extend(lines)
        self._news.set()

    async def said_something(self) -> None:
        await self._news.wait()


@pytest.fixture(params=[isolation.PLAIN, isolation.USER, isolation.NONE])
def mode(request: pytest.FixtureRequest) -> str:
    if request.param != isolation.NONE and allowed() == isolation.NONE:
        pytest.skip("this system allows no user and mount namespaces")
    if request.param == isolation.PLAIN and os.geteuid() != 0:
        pytest.skip("only root needs no user namespace")
    return str(request.param)


@pytest.fixture
def shell(mode: str, tmp_path: Path) -> Shell:
    stage = tmp_path / "stage"
    stage.mkdir()

    def make(script: str, mounts: tuple[isolation.Mount, ...] = (), cwd: str = "/") -> Started:
        return Started(Launch(("sh", "-c", script), ENV, cwd, mode, "pod-1", mounts, str(stage), "pod-1/main"))

    return make


def isolated(mode: str) -> None:
    if mode == isolation.NONE:
        pytest.skip("this is about namespaces")


def test_exit_code_and_output_come_back(shell: Shell) -> None:
    started = shell("echo out; echo err >&2; printf unfinished; exit 3")
    assert started.run() == Exit(3)
    assert started.lines == ["out", "err", "unfinished"]


def test_a_signal_is_told_from_an_exit_code(shell: Shell) -> None:
    ended = shell("kill -9 $$").run()
    assert (ended.code, ended.signal, str(ended)) == (137, signal.SIGKILL, "killed by SIGKILL")


@pytest.mark.parametrize(
    "argv,code,why",
    [
        (("absent-program",), 127, "absent-program: not found"),
        (("/etc/passwd",), 126, "/etc/passwd: Permission denied"),
        (("echo", "a\0b"), 126, "echo: embedded null byte"),
    ],
)
def test_a_program_that_can_not_start_says_why(
    mode: str, tmp_path: Path, argv: tuple[str, ...], code: int, why: str
) -> None:
    ended = Started(Launch(argv, ENV, "/", mode, "p", (), str(tmp_path))).run()
    assert (ended.code, ended.error) == (code, why)


def test_a_program_that_tidies_up_is_not_disturbed_by_a_second_term(shell: Shell) -> None:
    started = shell(
        "trap 'echo told; told=$((told + 1))' TERM; echo up; "
        "until [ $told ]; do sleep 0.02; done; for i in 1 2 3 4 5 6 7 8; do sleep 0.05; done; exit $told"
    )

    async def stop_twice(process: Process) -> Exit:
        await started.said_something()
        first = asyncio.create_task(process.stop(30_000))
        assert await asyncio.to_thread(wait_until, lambda: "told" in started.lines)
        await process.stop(30_000)
        return await first

    assert started.then(stop_twice) == Exit(1)


def test_term_reaches_the_program_and_its_own_exit_code_counts(shell: Shell) -> None:
    started = shell("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.02; done")

    async def stop(process: Process) -> Exit:
        await started.said_something()
        return await process.stop(grace_ms=10_000)

    assert started.then(stop) == Exit(7)
    assert started.lines == ["ready", "bye"]


def test_after_the_grace_everything_is_killed(shell: Shell, mark: str) -> None:
    started = shell(f"trap '' TERM; (setsid sleep 300.{mark} &) ; echo ready; while :; do sleep 0.02; done")

    async def stop(process: Process) -> Exit:
        await started.said_something()
        return await process.stop(grace_ms=100)

    assert started.then(stop).signal == signal.SIGKILL
    assert not processes(mark)


def test_when_the_program_ends_its_descendants_end(shell: Shell, mark: str) -> None:
    # One that left its session and its parent, too.
    started = shell(f"sh -c 'setsid sh -c \"exec sleep 301 # {mark}\" &'; sleep 302.{mark} & echo done")
    assert started.run() == Exit(0)
    assert not processes(mark)


def test_a_very_long_line_is_shown_in_pieces(shell: Shell) -> None:
    started = shell(f"head -c {3 * LONGEST_LINE} /dev/zero | tr '\\0' x")
    started.run()
    assert "".join(started.lines) == "x" * 3 * LONGEST_LINE
    assert len(started.lines) > 1


def test_a_progress_line_is_shown_as_it_ended_up(shell: Shell) -> None:
    started = shell(r"printf '10%%\r50%%\r100%%\n'")
    started.run()
    assert started.lines == ["100%"]


def test_mounts_appear_although_the_host_has_no_such_path(mode: str, shell: Shell, tmp_path: Path) -> None:
    isolated(mode)
    outer, inner, file = tmp_path / "outer", tmp_path / "inner", tmp_path / "file"
    outer.mkdir()
    inner.mkdir()
    file.write_text("content\n", encoding="utf-8")
    started = shell(
        "echo new > /konductor-test/x; ls /konductor-test; cat /usr/share/konductor-test/f; "
        "echo no > /usr/share/konductor-test/f || echo read-only; ls /usr/share | wc -l; hostname; pwd",
        (
            (str(inner), "/konductor-test/deep/er", False),
            (str(outer), "/konductor-test", False),
            (str(file), "/usr/share/konductor-test/f", True),
        ),
        cwd="/konductor-test/made",
    )
    assert started.run() == Exit(0)
    shown = [
        line for line in started.lines if "cannot create" not in line.lower() and "read-only file" not in line.lower()
    ]
    assert shown[:5] == ["deep", "made", "x", "content", "read-only"]
    assert int(shown[5]) > 1
    assert shown[6:] == ["pod-1", "/konductor-test/made"]
    assert (outer / "x").read_text(encoding="utf-8") == "new\n"
    assert not os.path.exists("/konductor-test")  # noqa: PTH110 - it is the host's view


def test_a_mount_hides_what_the_host_has_there(mode: str, shell: Shell, tmp_path: Path) -> None:
    isolated(mode)
    volume = tmp_path / "volume"
    volume.mkdir()
    started = shell("touch /tmp/x; ls /tmp", ((str(volume), "/tmp", False),))
    assert started.run() == Exit(0)
    assert started.lines == ["x"]


def test_the_container_sees_its_own_processes_only(mode: str, shell: Shell) -> None:
    isolated(mode)
    started = shell("echo $$; ls -d /proc/[0-9]* | wc -l")
    started.run()
    assert int(started.lines[0]) < 10
    assert int(started.lines[1]) < 10


def test_a_first_process_that_is_killed_takes_its_container_along(mode: str, shell: Shell, mark: str) -> None:
    isolated(mode)
    started = shell(f"echo ready; sleep 303.{mark}")

    async def kill(process: Process) -> Exit:
        await started.said_something()
        process._process.kill()
        return await process.wait()

    assert started.then(kill).code == 137
    assert wait_until(lambda: not processes(mark))
