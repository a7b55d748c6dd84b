"""`koncli once`: its verbs, what they print, how they end."""

import signal

import pytest

from tests.cli.running import Cli
from tests.servers import until


@pytest.fixture
def schema(cli: Cli) -> Cli:
    cli.k.once("o").define(ttl="1m")
    return cli


def phase(cli: Cli) -> str:
    return str(cli.k.once("o").status().phase)


def test_by_hand_it_is_begun_completed_and_never_begun_again(schema: Cli) -> None:
    assert schema.ok("once", "begin", "o").out.startswith("began once/o as host-1, token ")
    assert schema("once", "check", "o").code == 4
    assert schema("once", "check", "o").out == "once/o has not been executed: host-1 runs it\n"
    busy = schema("once", "begin", "o", "--holder", "other")
    assert (busy.code, "once/o would block: somebody runs it" in busy.err) == (4, True)
    assert schema.ok("once", "complete", "o", "--result", "version 7").out == "once/o is done by host-1\n"
    assert schema.ok("once", "complete", "o").out == "once/o is done by host-1 (was noted before)\n"
    assert schema.ok("once", "check", "o").out == "once/o has been executed by host-1: version 7\n"
    again = schema("once", "begin", "o", "-o", "json")
    assert (again.code, '"code": "already-done"' in again.err) == (4, True)


def test_a_failure_by_hand_lets_another_begin(schema: Cli) -> None:
    schema.ok("once", "begin", "o")
    waiter = schema.start("once", "begin", "o", "--holder", "second", "--timeout", "20s")
    waiter.said("position 1 in the queue, somebody runs it")
    assert schema.ok("once", "fail", "o", "--reason", "no route").out == "host-1 failed to do once/o\n"
    assert waiter.end().out.startswith("began once/o as second")
    found = schema.ok("once", "status", "o", "-o", "json").json
    assert (found["phase"], found["executor"], found["failures"], found["reason"]) == (
        "Running",
        "second",
        1,
        "no route",
    )


@pytest.mark.parametrize("verb", ["complete", "fail"])
def test_who_does_not_run_it_is_refused(schema: Cli, verb: str) -> None:
    assert schema("once", verb, "o").code == 4
    schema.ok("once", "begin", "o", "--ttl", "200ms")
    until(lambda: phase(schema) == "Pending", "the lease has ended")
    late = schema("once", verb, "o")
    assert (late.code, "its lease has ended" in late.err) == (6, True)


def test_run_runs_the_command_once_and_says_so_to_all_others(schema: Cli) -> None:
    first = schema.ok("once", "run", "o", "--", "sh", "-c", "echo ran; echo $KONDUCTOR_LEASE_ONCE")
    assert first.out == "ran\no\n"
    second = schema.ok("once", "run", "o", "--", "echo", "never")
    assert second.out.startswith("once/o is done by host-1/")
    assert second.out.endswith(": it ended with exit code 0\n")
    assert schema.ok("once", "run", "o", "-o", "json", "--", "echo", "never").json["ran"] is False


def test_run_passes_the_exit_code_and_the_next_one_runs(schema: Cli) -> None:
    assert schema("once", "run", "o", "--", "sh", "-c", "exit 7").code == 7
    status = schema.k.once("o").status()
    assert (status.phase, status.failures, status.reason) == ("Pending", 1, "it ended with exit code 7")
    assert schema("once", "run", "o", "--", "no-such-command").code == 127
    schema.ok("once", "run", "o", "--result", "42 tables", "--", "true")
    assert schema.k.once("o").status().result == "42 tables"


def test_peers_wait_for_the_runner_and_do_not_run(schema: Cli) -> None:
    (schema.cwd / "go").unlink(missing_ok=True)
    runner = schema.start("once", "run", "o", "--", "sh", "-c", "until [ -e go ]; do sleep 0.02; done; echo ran")
    until(lambda: phase(schema) == "Running", "it runs")
    peers = [schema.start("once", "run", "o", "--", "echo", "peer") for _ in range(2)]
    waiter = schema.start("once", "wait", "o")
    for peer in peers:
        peer.said("somebody runs it")
    assert waiter.said("runs it").startswith("once/o: host-1/")
    (schema.cwd / "go").touch()
    assert runner.end().out == "ran"
    for each in (*peers, waiter):
        ended = each.end()
        assert (ended.code, "peer" in ended.out, "is done by host-1/" in ended.out) == (0, False, True)


def test_a_runner_that_is_killed_is_followed_by_a_peer(schema: Cli) -> None:
    runner = schema.start("once", "run", "o", "--ttl", "1s", "--", "sleep", "60")
    until(lambda: phase(schema) == "Running", "it runs")
    peer = schema.start("once", "run", "o", "--ttl", "1s", "--", "echo", "peer ran")
    peer.said("somebody runs it")
    runner.end(signal.SIGKILL)
    ended = peer.end()
    assert (ended.code, ended.out) == (0, "peer ran")
    assert schema.k.once("o").status().counters["expiries"] == 1


def test_an_interrupted_run_has_failed(schema: Cli) -> None:
    runner = schema.start("once", "run", "o", "--", "sh", "-c", "touch started; exec sleep 60")
    until((schema.cwd / "started").exists, "the command runs")
    assert runner.end(signal.SIGTERM).code == 143
    status = schema.k.once("o").status()
    assert (status.phase, status.reason) == ("Pending", "it was ended by SIGTERM")


def test_a_try_does_not_wait_for_the_runner(schema: Cli) -> None:
    schema.k.once("o").begin(holder="other")
    assert schema("once", "run", "o", "--timeout=0", "--", "true").code == 4
    assert schema("once", "run", "o", "--timeout=200ms", "--", "true").code == 3
    assert schema("once", "wait", "o", "--timeout=200ms").code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "o"),
        ("run", "o", "--ttl", "soon", "--", "true"),
        ("run", "o", "--ttl", "10s", "--grace", "9s", "--", "true"),
        ("begin", "o", "--ttl", "0"),
        ("complete", "o", "--token", "mine"),
        ("complete", "o", "--result", "x" * 1_001),
        ("create", "o", "--ttl", "-1s"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(schema: Cli, arguments: tuple[str, ...]) -> None:
    refused = schema("once", *arguments)
    assert refused.code == 64
    assert phase(schema) == "Pending"


@pytest.mark.parametrize(
    "arguments",
    [
        ("begin", "missing"),
        ("complete", "missing"),
        ("fail", "missing"),
        ("check", "missing"),
        ("wait", "missing", "--must-exist"),
        ("run", "missing", "--must-exist", "--", "true"),
        ("status", "missing"),
        ("reset", "missing"),
    ],
)
def test_a_missing_one_is_not_found(cli: Cli, arguments: tuple[str, ...]) -> None:
    refused = cli("once", *arguments)
    assert refused.code == 2
    assert "error: once/missing does not exist" in refused.err


def test_it_is_created_shown_applied_and_reset(cli: Cli) -> None:
    assert cli.ok("once", "create", "o", "--ttl", "10m").out == "once/o created\n"
    cli.k.once("o").begin(holder="a").complete("fine")
    assert cli.ok("once", "get").out.splitlines()[0].split() == ["NAME", "EXECUTOR", "PHASE", "AGE"]
    assert "Result:    fine" in cli.ok("once", "status", "o").out
    manifest = cli.ok("get", "once/o", "-o", "yaml").out
    assert cli.ok("apply", "-f", "-", stdin=manifest).out == "once/o unchanged\n"
    cli.ok("once", "reset", "o")
    assert phase(cli) == "Pending"
