"""`koncli exec`: the command runs under the lease, meets its streams and signals, and its exit code is passed on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.running import KONCLI, PATIENCE, Running
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.running import Cli

HOLD = ("exec", "--semaphore", "s")


def witness(path: Path, *ways: str) -> list[str]:
    """The command line of the witness, which notes in a file what happens to it."""
    return ["--", sys.executable, "-S", str(Path(__file__).with_name("witness.py")), str(path), *ways]


def noted(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1] if path.exists() else []


def started(path: Path, times: int = 1) -> list[int]:
    """Wait until so many witnesses have started; return their pids."""

    def pids() -> list[int]:
        return [int(line.split()[1]) for line in noted(path) if line.startswith("start")]

    until(lambda: len(pids()) == times, "the witnesses have started")
    return pids()


def in_a_session(cli: Cli, *arguments: str) -> Running:
    """Start koncli in a session and process group of its own, where a test may signal the group."""
    process = subprocess.Popen(
        [KONCLI, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=cli.env,
        cwd=cli.cwd,
        text=True,
        start_new_session=True,
    )
    running = Running(process)
    cli.running.append(running)
    return running


@pytest.fixture
def s(cli: Cli) -> Cli:
    """Koncli beside a semaphore `s` of one permit."""
    cli.k.semaphore("s").define(1, ttl="30s")
    return cli


def test_the_command_runs_under_a_lease_of_its_own_and_knows_it(s: Cli) -> None:
    done = s.ok(
        *HOLD, "--ttl", "20s", "--", sys.executable, "-c", "import os, json; print(json.dumps(dict(os.environ)))"
    )
    env = json.loads(done.out)
    assert done.err == ""
    granted = next(event for event in s.k.semaphore("s").events() if event.type == "granted")
    assert env["KONDUCTOR_TOKEN"] == str(granted.token)
    assert env["KONDUCTOR_HOLDER"] == granted.holder
    assert granted.holder is not None
    assert granted.holder.startswith("host-1/")
    assert {
        name: env[f"KONDUCTOR_{name}"] for name in ("NAMESPACE", "LEASE_SEMAPHORE", "LEASE_PERMITS", "LEASE_TTL")
    } == {
        "NAMESPACE": "etl",
        "LEASE_SEMAPHORE": "s",
        "LEASE_PERMITS": "1",
        "LEASE_TTL": "20s",
    }
    assert s.k.semaphore("s").status().in_use == 0


def test_permits_are_named_behind_the_semaphore(s: Cli) -> None:
    s.k.semaphore("s").define(3)
    done = s.ok("exec", "--semaphore", "s=2", "--", "koncli", "semaphore", "status", "s", "-o", "json")
    assert done.json["inUse"] == 2


@pytest.mark.parametrize("script,code", [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_the_commands_exit_code_is_passed_on_and_the_lease_released(s: Cli, script: str, code: int) -> None:
    done = s(*HOLD, "--", "sh", "-c", script)
    assert (done.code, done.out, done.err) == (code, "", "")
    assert s.k.semaphore("s").status().in_use == 0


def test_a_command_that_cannot_be_run_takes_nothing_and_says_why(s: Cli) -> None:
    plain = s.cwd / "plain"
    plain.write_text("")
    broken = s.cwd / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    for command, code, text in (
        ("no-such-command", 127, "command 'no-such-command' not found"),
        ("./missing", 127, "command './missing' not found"),
        (str(plain), 126, f"{plain} is not executable"),
        (str(s.cwd), 126, f"{s.cwd} is a directory"),
    ):
        done = s(*HOLD, "--", command)
        assert (done.code, done.error) == (code, text)
    assert s.k.semaphore("s").status().counters["grants"] == 0
    done = s(*HOLD, "--", str(broken))
    assert (done.code, "interpreter" in done.error) == (127, True)
    assert s.k.semaphore("s").status().in_use == 0


def test_a_missing_command_is_told_before_the_wait(s: Cli) -> None:
    s.k.semaphore("s").acquire(holder="a")
    assert s(*HOLD, "--", "no-such-command").code == 127


def test_a_script_without_an_interpreter_line_is_run_by_the_shell(s: Cli) -> None:
    script = s.cwd / "script"
    script.write_text("echo $1; exit 5\n")
    script.chmod(0o755)
    done = s(*HOLD, "--", "./script", "hello")
    assert (done.code, done.out) == (5, "hello\n")


def test_a_refusal_has_exit_code_4_or_the_chosen_one(s: Cli) -> None:
    s.k.semaphore("s").acquire(holder="a")
    refused = s(*HOLD, "--timeout", "0", "--", "true")
    assert (refused.code, refused.out) == (4, "")
    chosen = s(*HOLD, "--timeout=0", "--conflict-exit-code", "75", "--", "true")
    assert (chosen.code, chosen.error) == (75, refused.error)
    assert s("exec", "--semaphore", "s=2", "--conflict-exit-code", "75", "--", "true").code == 75


def test_a_wait_that_ends_without_a_turn_has_exit_code_3(s: Cli) -> None:
    s.k.semaphore("s").acquire(holder="a")
    assert s(*HOLD, "--timeout", "200ms", "--conflict-exit-code", "75", "--", "true").code == 3


def test_without_redis_the_command_does_not_run(s: Cli) -> None:
    done = s(
        *HOLD, "--timeout", "0", "--", "touch", "ran", KONDUCTOR_REDIS_URL="redis://127.0.0.1:1", KONDUCTOR_RETRIES="0"
    )
    assert done.code == 5
    assert not (s.cwd / "ran").exists()
    assert s("exec", "--semaphore", "missing", "--must-exist", "--", "touch", "ran").code == 2
    assert not (s.cwd / "ran").exists()


def test_two_commands_of_one_host_exclude_each_other(s: Cli) -> None:
    first = s.start(*HOLD, *witness(s.cwd / "first"))
    started(s.cwd / "first")
    second = s.start(*HOLD, "--", "echo", "second")
    assert "1/1 permits in use" in second.said("position 1")
    first.end(signal.SIGKILL)
    s.k.semaphore("s").force_release(s.k.semaphore("s").status().holders[0].holder)
    assert second.end().out == "second"


def test_a_wait_that_is_ended_runs_nothing(s: Cli) -> None:
    lease = s.k.semaphore("s").acquire(holder="a")
    waiter = s.start(*HOLD, "--", "touch", "ran")
    waiter.said("position 1")
    assert waiter.end(signal.SIGTERM).code == 143
    assert s.k.semaphore("s").status().waiting == 0
    lease.release()
    assert not (s.cwd / "ran").exists()


def test_streams_are_the_commands_own(s: Cli) -> None:
    data = bytes(range(256)) * 1000
    assert s(*HOLD, "--", "cmp", "-", "data", stdin=data).code == 2  # there is no such file: it is cmp who says so
    (s.cwd / "data").write_bytes(data)
    assert s.shell("koncli exec --semaphore s -- cat < data | cmp - data").code == 0
    mixed = s.shell("koncli exec --semaphore s -- sh -c 'echo out; echo err >&2' 2>&1 >/dev/null")
    assert mixed.out == "err\n"
    assert s.shell("koncli exec --semaphore s -- true <&- >&- 2>&-").code == 0


def test_a_reader_sees_when_the_command_closes_its_stdout(s: Cli) -> None:
    go_on = s.cwd / "go-on"
    os.mkfifo(go_on)
    script = (
        f"koncli exec --semaphore s -- sh -c 'echo out; exec >&-; read x < {go_on}' | (cat; echo end; echo > {go_on})"
    )
    assert s.shell(script).out == "out\nend\n"


def test_a_writer_sees_when_the_command_does_not_read_on(s: Cli) -> None:
    assert s.shell("yes | koncli exec --semaphore s -- head -n 1").out == "y\n"
    assert s.shell("set -o pipefail; koncli exec --semaphore s -- yes | head -n 1").code == 141


def test_in_a_script_that_ends_at_errors_it_is_like_the_command(s: Cli) -> None:
    script = (
        "set -e; koncli exec --semaphore s -- true; echo on; koncli exec --semaphore s -- sh -c 'exit 9'; echo never"
    )
    done = s.shell(script)
    assert (done.code, done.out, done.err) == (9, "on\n", "")


def test_options_after_the_command_are_its_own(s: Cli) -> None:
    assert s.ok(*HOLD, "echo", "-n", "--semaphore", "-v").out == "--semaphore -v"
    assert s.ok(*HOLD, "-n", "etl", "--", "echo", "-o", "json", "--", "x").out == "-o json -- x\n"


@pytest.mark.parametrize(
    "arguments,text",
    [
        (("true",), "Name it with --semaphore, --lease, --mutex or --rwmutex"),
        (("--semaphore", "s"), "Missing argument"),
        (("--semaphore", "s", "--semaphore", "s=2", "true"), "an object is named twice"),
        (("--semaphore", "s=0", "true"), "permits of --semaphore 0 is out of range"),
        (("--semaphore", "s=x", "true"), "is not a number of permits: use one"),
        (("--semaphore", "S", "true"), "--semaphore 'S' is not valid"),
        (("--semaphore", "s", "--conflict-exit-code", "256", "true"), "--conflict-exit-code 256 is out of range"),
        (("--semaphore", "s", "--ttl", "10s", "--grace", "6s", "true"), "--grace 6s is more than half of --ttl 10s"),
    ],
)
def test_what_makes_no_sense_is_refused(s: Cli, arguments: tuple[str, ...], text: str) -> None:
    refused = s("exec", *arguments)
    assert refused.code == 64
    assert text in refused.error


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"])
def test_a_signal_is_passed_on_once(s: Cli, name: str) -> None:
    signum = getattr(signal, f"SIG{name}")
    running = _running(s, signum, lambda running: running.process.send_signal(signum))
    assert running.end().code == 7


@pytest.mark.parametrize("name", ["TERM", "INT", "USR1"])
def test_a_signal_to_the_whole_group_reaches_the_command_once(s: Cli, name: str) -> None:
    signum = getattr(signal, f"SIG{name}")
    running = _running(s, signum, lambda running: os.killpg(running.process.pid, signum))
    assert running.end().code == 7


def _running(s: Cli, signum: signal.Signals, send: Callable[[Running], None]) -> Running:
    """Send a signal to a running command that goes on after it; the second one, a second later, ends it."""
    log = s.cwd / "log"
    running = in_a_session(s, *HOLD, *witness(log, "ignore"))
    started(log)
    send(running)
    until(lambda: signum.name in noted(log), "the signal has come")
    before = len(noted(log))
    until(lambda: len(noted(log)) > before + 20, "the command has gone on")
    assert noted(log).count(signum.name) == 1
    os.kill(started(log)[0], signal.SIGKILL)
    assert running.process.wait(PATIENCE) == 137
    second = s.cwd / "second"
    running = in_a_session(s, *HOLD, *witness(second))
    started(second)
    send(running)
    return running


def test_ignored_signals_stay_ignored(s: Cli) -> None:
    done = s.shell("trap '' HUP; koncli exec --semaphore s -- sh -c 'kill -HUP $$; echo alive'")
    assert done.out == "alive\n"
    assert s.shell("koncli exec --semaphore s -- sh -c 'kill -PIPE $$'").code == 141


def test_what_a_command_killed_by_a_signal_has_started_ends_with_it(s: Cli) -> None:
    log = s.cwd / "log"
    program = " ".join(witness(log)[1:])
    running = s.start(*HOLD, "--", "sh", "-c", f"{program}; true")
    started(log)
    assert running.end(signal.SIGTERM).code == 143
    assert noted(log)[-1] == "SIGTERM"


def test_what_a_command_leaves_behind_goes_on_and_koncli_says_so(s: Cli) -> None:
    left = s(*HOLD, "--", "sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!")
    assert left.code == 0
    assert left.err == "semaphore/s: released; 1 process that the command left behind goes on without it\n"
    os.kill(int(left.out), signal.SIGKILL)


def test_within_the_command_koncli_acts_for_the_lease_and_arrives_as_the_host(s: Cli) -> None:
    s.k.barrier("b").define(1)
    s.ok(*HOLD, "--", "sh", "-ec", "koncli semaphore renew s --ttl 1m; koncli barrier arrive b")
    assert [arrival.id for arrival in s.k.barrier("b").status().arrivals] == ["host-1"]
    assert s.k.semaphore("s").status().counters["renewals"] == 1


def test_flags_of_the_connection_hold_for_koncli_within_the_command(s: Cli) -> None:
    url = s.env["KONDUCTOR_REDIS_URL"]
    command = [KONCLI, *HOLD, "--redis-url", url, "-n", "etl", "--", KONCLI, "semaphore", "status", "s", "-o", "name"]
    env = {name: value for name, value in s.env.items() if not name.startswith("KONDUCTOR")}
    done = subprocess.run(command, env=env, capture_output=True, timeout=PATIENCE, check=True, text=True)
    assert done.stdout == "semaphore/s\n"
