"""`koncli gate`: its verbs, what they print, how they end."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from konductor_core.durations import UNATTENDED_AFTER
from tests.looking import look

if TYPE_CHECKING:
    from tests.cli.running import Cli
    from tests.servers import Server

SPEC = """\
apiVersion: konductor.io/v1
kind: Gate
metadata:
  name: ready
spec:
  timeout: 1h
  conditions:
    - {type: Job, name: migrate}
    - {type: Semaphore, name: slots, value: 2}
"""


@pytest.fixture
def gate(cli: Cli) -> Cli:
    cli.k.gate("g").define(["job/migrate", "job/load"])
    return cli


def test_a_gate_is_opened_closed_and_left_to_its_conditions(gate: Cli) -> None:
    assert gate.ok("gate", "open", "g").out == "gate/g opened by hand\n"
    assert gate.ok("gate", "open", "g").out == "gate/g was opened by hand\n"
    assert gate.ok("gate", "wait", "g", "--timeout=0").out == "gate/g is open: by hand\n"
    assert gate.ok("gate", "close", "g").out == "gate/g closed by hand\n"
    refused = gate("gate", "wait", "g", "--timeout=0")
    assert refused.code == 3
    assert "error: timed out after 0s waiting for gate/g: closed by hand" in refused.err
    found = gate.ok("gate", "auto", "g", "-o", "json").json
    assert found == {"kind": "Gate", "name": "g", "namespace": "etl", "phase": "Waiting", "changed": True}


def test_waiting_says_what_is_missing_and_ends_when_all_holds(gate: Cli) -> None:
    waiter = gate.start("gate", "wait", "g", "--timeout", "1h")
    waiter.said("0/2 met")
    look(gate.k, "g", migrate="Complete")
    assert waiter.said("1/2 met").startswith("gate/g: 1/2 met, job/load: does not exist, ")
    look(gate.k, "g", migrate="Complete", load="Complete")
    ended = waiter.end()
    assert (ended.code, ended.out) == (0, "gate/g is open: 2/2 met")


def test_a_wait_for_a_gate_that_fails_ends_with_6_and_says_why(gate: Cli) -> None:
    waiter = gate.start("gate", "wait", "g")
    waiter.said("0/2 met")
    look(gate.k, "g", migrate="Failed")
    assert waiter.end().code == 6
    assert waiter.said("has failed") == "error: gate/g has failed: job/migrate: Failed"
    assert '"code": "gate-failed"' in gate("gate", "wait", "g", "-o", "json").err


def test_a_gate_is_waited_for_before_it_is_made(cli: Cli) -> None:
    early = cli.start("gate", "wait", "later")
    early.said("does not exist yet")
    cli.k.gate("later").define()
    early.said("waiting to be opened by hand")
    cli.ok("gate", "open", "later")
    assert early.end().code == 0


def test_conditions_are_created_from_words_and_shown_as_they_stand(cli: Cli) -> None:
    wanted = ("--condition", "job/migrate", "--condition", "other/Deployment/web=Available:3", "--timeout", "2h")
    assert cli.ok("gate", "create", "g", *wanted).out == "gate/g created\n"
    assert cli.ok("gate", "create", "g", *wanted).out == "gate/g unchanged\n"
    page = cli.ok("gate", "status", "g").out
    assert page.splitlines()[0].split() == ["Gate:", "etl/g"]
    assert "other/deployment/web   Available:3   -     not looked at yet" in page
    look(cli.k, "g", migrate="Running")
    page = cli.ok("gate", "status", "g").out
    assert "job/migrate            Complete      no    Running\n" in page
    assert "other/deployment/web   Available:3   no    does not exist\n" in page
    document = cli.ok("gate", "status", "g", "-o", "json").json
    assert (document["met"], document["total"], document["verdict"], document["timeout"]) == (0, 2, "Waiting", "2h")
    assert document["checks"][1] == {
        "type": "Deployment",
        "name": "web",
        "namespace": "other",
        "state": "Available",
        "value": 3,
        "met": False,
        "message": "does not exist",
    }
    assert cli.ok("get", "gate").out.splitlines()[1].split()[:4] == ["g", "0/2", "0", "Waiting"]
    assert "gate/g" in cli.ok("top", "--once").out


def test_a_gate_is_applied_listed_watched_reset_and_deleted(cli: Cli) -> None:
    assert cli.ok("apply", "-f", "-", stdin=SPEC).out == "gate/ready created\n"
    manifest = cli.ok("get", "gate/ready", "-o", "yaml").out
    assert cli.ok("apply", "-f", "-", stdin=manifest).out == "gate/ready unchanged\n"
    watching = cli.start("gate", "watch", "ready")
    watching.said("0/2")
    cli.ok("gate", "open", "ready")
    watching.said("Open")
    cli.ok("gate", "reset", "ready")
    watching.said("Waiting")
    watching.end(signal.SIGINT)
    assert cli.ok("gate", "status", "ready", "-o", "json").json["phase"] == "Waiting"
    assert "opened" in cli.ok("events", "gate/ready").out
    assert cli.ok("gate", "delete", "ready").out == "gate/ready deleted\n"


def test_a_status_says_that_nobody_looks_at_the_conditions(gate: Cli, valkey_server: Server) -> None:
    assert gate("gate", "wait", "g", "--timeout=0").code == 3
    asked = gate.k.gate("g").status().asked_ms
    assert asked is not None
    with valkey_server.client() as client:
        client.hset("konductor:{etl}:gate:g", "asked", asked - UNATTENDED_AFTER)
    assert "is the controller running?" in gate.ok("gate", "status", "g").out
    assert "0/2 met, but nobody has looked at its conditions for 15s" in gate("gate", "wait", "g", "--timeout=0").err


def test_a_gate_that_would_wait_for_itself_is_refused(cli: Cli) -> None:
    cli.ok("gate", "create", "a", "--condition", "gate/b")
    refused = cli("gate", "create", "b", "--condition", "gate/a")
    assert refused.code == 64
    assert refused.error == "gate/b would never open: gate/b waits for gate/a, which waits for gate/b"
    assert cli("gate", "status", "b").code == 2


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("create", "g", "--condition", "migrate"), "write [NAMESPACE/]TYPE/NAME[=STATE][:VALUE]"),
        (("create", "g", "--condition", "jobs/x"), "type 'jobs' is unknown: did you mean Job?"),
        (("create", "g", "--condition", "job/x=Completed"), "did you mean Complete?"),
        (("create", "g", "--condition", "job/x:many"), "write a whole number"),
        (("create", "g", "--condition", "lease/x:2"), "nothing of a Lease is counted"),
        (("create", "g", "--condition", ""), "condition '' is not one"),
        (("create", "g", "--timeout", "soon"), "'soon' is not a duration"),
        (("create", "Not A Name"), "is not valid"),
        (("wait", "g", "--timeout", "-1s"), "negative"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    refused = cli("gate", *arguments)
    assert refused.code == 64
    assert says in refused.error


@pytest.mark.parametrize(
    "arguments",
    [
        ("open", "missing"),
        ("wait", "missing", "--must-exist"),
        ("status", "missing"),
    ],
)
def test_a_missing_gate_is_not_found(cli: Cli, arguments: tuple[str, ...]) -> None:
    refused = cli("gate", *arguments)
    assert refused.code == 2
    assert "error: gate/missing does not exist" in refused.err


@pytest.mark.parametrize(
    "condition, says",
    [
        ("{type: job, name: x}", "spec.conditions[0].type 'job' is unknown: did you mean Job?"),
        ("{type: Job, name: x, state: complete}", "did you mean Complete?"),
        ("{name: x}", "spec.conditions[0].type is missing"),
        ("{type: Job, name: x, status: Complete}", "unknown field 'status': did you mean state?"),
        ("job/x", "spec.conditions[0] 'job/x' is not a mapping"),
        ("{type: Semaphore, name: x, value: '2'}", "write the number without quotes"),
    ],
)
def test_a_manifest_with_a_wrong_condition_is_refused_with_its_line_and_the_remedy(
    cli: Cli, condition: str, says: str
) -> None:
    text = SPEC.replace("{type: Job, name: migrate}", condition)
    refused = cli("apply", "-f", "-", stdin=text)
    assert refused.code == 64
    assert "Gate ready: " in refused.error
    assert says in refused.error
