"""`koncli exec` at a terminal: Ctrl-C, Ctrl-Z and fg, pipelines, editors, shells within it."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import pytest

from tests.cli.terminal import CTRL_C, CTRL_D, CTRL_Z, PROMPT, Shell
from tests.cli.test_exec import noted, started, witness
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.running import Cli

EXEC = "koncli exec --semaphore s"


@pytest.fixture
def shell(cli: Cli) -> Iterator[Shell]:
    """An interactive shell beside a semaphore `s` of one permit."""
    cli.k.semaphore("s").define(1, ttl="30s")
    with Shell(cli.env, cli.cwd) as shell:
        yield shell


def in_use(cli: Cli) -> int:
    return cli.k.semaphore("s").status().in_use


def test_ctrl_c_reaches_the_command_once(cli: Cli, shell: Shell) -> None:
    log = cli.cwd / "log"
    shell.type(f"{EXEC} {' '.join(witness(log, 'ignore'))}\n")
    (pid,) = started(log)
    for times in (1, 2):
        shell.type(CTRL_C)
        until(lambda times=times: noted(log).count("SIGINT") >= times, "the interrupt has come")  # type: ignore[misc]
        before = len(noted(log))
        until(lambda before=before: len(noted(log)) > before + 20, "the command has gone on")  # type: ignore[misc]
        assert noted(log).count("SIGINT") == times
    cli.shell(f"kill -KILL {pid}")
    shell.expect(PROMPT)
    assert shell.code() == 137
    assert in_use(cli) == 0


def test_ctrl_c_ends_the_script_around_it_too(cli: Cli, shell: Shell) -> None:
    script = cli.cwd / "script"
    script.write_text(f'for i in 1 2; do {EXEC} -- sh -c "echo round $i; exec sleep 60"; done\necho never\n')
    shell.type("bash script\n")
    shell.expect("round 1")
    shell.type(CTRL_C)
    assert "round 2" not in shell.expect(PROMPT)
    assert shell.code() == 130
    assert in_use(cli) == 0


def test_ctrl_c_ends_the_script_around_a_wait_too(cli: Cli, shell: Shell) -> None:
    cli.k.semaphore("s").acquire(holder="a")
    (cli.cwd / "script").write_text(f"for i in 1 2; do echo round $i; {EXEC} -- true; done\necho never\n")
    shell.type("bash script\n")
    shell.expect("position 1")
    shell.type(CTRL_C)
    shown = shell.expect(PROMPT)
    assert "interrupted" in shown
    assert "round 2" not in shown
    assert shell.code() == 130
    assert cli.k.semaphore("s").status().waiting == 0


def test_a_command_that_handles_ctrl_c_decides_how_it_ends(cli: Cli, shell: Shell) -> None:
    shell.type(f"{EXEC} -- sh -c 'trap \"echo caught; exit 4\" INT; echo on; sleep 60 & wait'\n")
    shell.expect("on\n")
    shell.type(CTRL_C)
    shell.expect("caught")
    shell.expect(PROMPT)
    assert shell.code() == 4


def test_ctrl_z_stops_it_and_fg_goes_on(cli: Cli, shell: Shell) -> None:
    log = cli.cwd / "log"
    shell.type(f"{EXEC} {' '.join(witness(log))}\n")
    started(log)
    shell.type(CTRL_Z)
    shell.expect("Stopped")
    shell.expect(PROMPT)
    before = len(noted(log))
    assert shell.run("echo meanwhile") == "meanwhile\n"
    assert len(noted(log)) == before
    shell.type("fg\n")
    until(lambda: len(noted(log)) > before + 20, "it goes on")
    assert noted(log).count("SIGCONT") >= 1
    shell.type(CTRL_C)
    shell.expect(PROMPT)
    assert shell.code() == 7
    assert in_use(cli) == 0


def test_stopped_for_longer_than_the_ttl_it_never_runs_again(cli: Cli, shell: Shell) -> None:
    log = cli.cwd / "log"
    shell.type(f"{EXEC} --ttl 1s {' '.join(witness(log, 'ignore'))}\n")
    started(log)
    shell.type(CTRL_Z)
    shell.expect("Stopped")
    before = len(noted(log))
    shell.expect("error: lost the lease on semaphore/s while the command ran: it was stopped for too long, and killed")
    until(lambda: in_use(cli) == 0, "the lease is over")
    assert len(noted(log)) == before
    until(lambda: "Exit 6" in shell.run("jobs"), "the shell knows")


def test_in_the_background_it_stops_at_a_read_and_fg_lets_it_read(shell: Shell) -> None:
    shell.type(f"{EXEC} -- sh -c 'echo asking; read x; echo got $x' &\n")
    shell.expect("asking")
    until(lambda: "Stopped" in shell.run("jobs"), "it is stopped")
    shell.type("fg\n")
    shell.expect("read x")
    shell.type("words\n")
    shell.expect("got words")
    shell.expect(PROMPT)
    assert shell.code() == 0


def test_a_signal_to_the_job_is_passed_on(cli: Cli, shell: Shell) -> None:
    log = cli.cwd / "log"
    shell.run(f"{EXEC} {' '.join(witness(log))} &")
    started(log)
    shell.run("kill %1")
    until(lambda: in_use(cli) == 0, "it has ended")
    assert noted(log)[-1] == "SIGTERM"
    assert noted(log).count("SIGTERM") == 1


def test_others_in_the_pipeline_may_use_the_terminal(shell: Shell) -> None:
    shell.type(f"{EXEC} -- echo from-the-command | sh -c 'read x; echo $x; read y < /dev/tty; echo typed $y'\n")
    shell.expect("from-the-command")
    shell.expect("from-the-command\n")
    shell.type("hello\n")
    shell.expect("typed hello")
    shell.expect(PROMPT)


def test_an_interactive_shell_may_be_the_command(cli: Cli, shell: Shell) -> None:
    shell.type(f"PS1='inner''> ' {EXEC} -- bash --norc --noprofile --noediting -i\n")
    shell.expect("inner> ")
    shell.type("sleep 61.5\n")
    until(lambda: "\nsleep 61.5" in cli.shell("ps -eo args").out, "it sleeps")
    shell.type(CTRL_Z)
    shell.expect("Stopped")
    shell.expect("inner> ")
    assert in_use(cli) == 1
    shell.type("fg\n")
    until(lambda: re.search(r"^S[<N]?\+ +sleep 61.5$", cli.shell("ps -eo stat,args").out, re.MULTILINE), "it goes on")
    shell.type(CTRL_C)
    shell.expect("inner> ")
    shell.type("exit 9\n")
    shell.expect(PROMPT)
    assert shell.code() == 9
    assert in_use(cli) == 0


def test_ctrl_d_is_the_end_of_the_commands_input(shell: Shell) -> None:
    shell.type(f"{EXEC} -- cat\n")
    shell.type("line\n")
    shell.expect("line\n")
    shell.expect("line\n")
    shell.type(CTRL_D)
    shell.expect(PROMPT)
    assert shell.code() == 0


def test_the_terminals_modes_are_restored_after_a_kill(cli: Cli, shell: Shell) -> None:
    shell.type(f"{EXEC} --ttl 1s -- sh -c 'trap \"\" TERM; stty raw -echo; echo raw; sleep 60; sleep 60'\n")
    shell.expect("raw\n")
    cli.k.semaphore("s").reset()
    shell.expect("it was killed")
    shell.expect(PROMPT)
    modes = shell.run("stty -a")
    assert " icanon" in modes
    assert " echo " in modes


def test_the_size_of_the_terminal_is_the_commands(cli: Cli, shell: Shell) -> None:
    log = cli.cwd / "log"
    shell.type(f"{EXEC} {' '.join(witness(log))}\n")
    (pid,) = started(log)
    shell.resize(60, 20)
    until(lambda: "SIGWINCH" in noted(log), "it was told")
    cli.shell(f"kill -{signal.SIGTERM} {pid}")
    shell.expect(PROMPT)
    assert noted(log).count("SIGWINCH") == 1


def test_a_terminal_that_hangs_up_ends_the_command(cli: Cli, shell: Shell) -> None:
    log = cli.cwd / "log"
    shell.type(f"{EXEC} {' '.join(witness(log))}\n")
    started(log)
    shell.hang_up()
    until(lambda: in_use(cli) == 0, "it has ended and released")
    assert noted(log)[-1] == "SIGHUP"
