"""`koncli waitgroup`: its verbs, what they print, how they end."""

import pytest

from tests.cli.running import Cli


@pytest.fixture
def group(cli: Cli) -> Cli:
    cli.k.waitgroup("g").define()
    return cli


def test_members_without_a_name_are_counted_up_and_down(group: Cli) -> None:
    assert group.ok("waitgroup", "add", "g", "--count", "2").out == "2 members added to waitgroup/g: 2 left, waiting\n"
    assert group.ok("wg", "done", "g").out == "1 member done in waitgroup/g: 1 left, waiting\n"
    assert group.ok("waitgroup", "done", "g", "--delta", "1").out == "1 member done in waitgroup/g: 0 left, done\n"
    assert group.ok("waitgroup", "wait", "g", "--timeout=0").out == "waitgroup/g is done: 2 added, none left\n"


def test_a_name_counts_once_and_repeating_it_is_no_error(group: Cli) -> None:
    assert group.ok("waitgroup", "add", "g", "loader-1").out == "loader-1 added to waitgroup/g: 1 left, waiting\n"
    again = group.ok("waitgroup", "add", "g", "--member", "loader-1")
    assert again.out == "loader-1 added to waitgroup/g: 1 left, waiting (had been counted before)\n"
    found = group.ok("waitgroup", "done", "g", "loader-1", "-o", "json").json
    assert found == {
        "kind": "WaitGroup",
        "name": "g",
        "namespace": "etl",
        "member": "loader-1",
        "counted": True,
        "counter": 0,
        "phase": "Done",
        "round": 1,
    }


def test_more_done_than_added_is_refused_with_exit_code_4(group: Cli) -> None:
    group.ok("waitgroup", "add", "g", "a")
    refused = group("waitgroup", "done", "g")
    assert refused.code == 4
    assert "waitgroup/g has 0 members without a name, so 1 cannot be taken off (1 in all are not done)" in refused.err
    assert "b is no member of waitgroup/g" in group("waitgroup", "done", "g", "b").err
    assert '"code": "below-zero"' in group("waitgroup", "done", "g", "-o", "json").err


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "g", "--count", "0"),
        ("add", "g", "--count", "many"),
        ("add", "g", "a", "--count", "2"),
        ("add", "g", "a", "--member", "b"),
        ("done", "g", "--count", "-3"),
        ("done", "g", ""),
        ("wait", "g", "--timeout", "soon"),
        ("create", "Not A Name"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(group: Cli, arguments: tuple[str, ...]) -> None:
    refused = group("waitgroup", *arguments)
    assert refused.code == 64
    assert refused.error
    assert group.k.waitgroup("g").status().phase == "Idle"


def test_waiting_prints_a_line_for_each_change_and_ends_at_zero(group: Cli) -> None:
    waiter = group.start("waitgroup", "wait", "g", "--timeout", "1h")
    assert waiter.said("idle") == "waitgroup/g: idle, waiting for the first member, 1h left"
    group.k.waitgroup("g").add(count=2)
    assert waiter.said("0/2 done").startswith("waitgroup/g: 0/2 done, waiting for 2 more")
    group.k.waitgroup("g").done(count=2)
    ended = waiter.end()
    assert (ended.code, ended.out) == (0, "waitgroup/g is done: 2 added, none left")


def test_an_idle_group_is_waited_for_unless_that_is_allowed(group: Cli) -> None:
    assert group("waitgroup", "wait", "g", "--timeout=0").code == 3
    assert group.ok("waitgroup", "wait", "g", "--timeout=0", "--allow-idle").out == "waitgroup/g is idle\n"


def test_adding_waits_for_the_group_to_be_made(cli: Cli) -> None:
    early = cli.start("waitgroup", "add", "later", "a")
    assert early.said("does not exist yet").startswith("waitgroup/later does not exist yet, 1m left")
    cli.k.waitgroup("later").define()
    assert early.end().out == "a added to waitgroup/later: 1 left, waiting"


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "missing", "--timeout=0"),
        ("done", "missing", "--must-exist"),
        ("wait", "missing", "--must-exist"),
        ("status", "missing"),
        ("get", "missing"),
        ("reset", "missing"),
        ("delete", "missing"),
    ],
)
def test_a_missing_group_is_not_found(cli: Cli, arguments: tuple[str, ...]) -> None:
    refused = cli("waitgroup", *arguments)
    assert refused.code == 2
    assert "error: waitgroup/missing does not exist" in refused.err


def test_a_group_is_created_shown_listed_applied_reset_and_deleted(cli: Cli) -> None:
    assert cli.ok("waitgroup", "create", "g", "-l", "stage=load").out == "waitgroup/g created\n"
    cli.k.waitgroup("g").add("a")
    page = cli.ok("waitgroup", "status", "g").out
    assert page.splitlines()[0] == "WaitGroup:  etl/g"
    assert "a  " in page
    assert cli.ok("waitgroup", "list", "-l", "stage=load").out.splitlines()[0].split() == [
        "NAME",
        "COUNTER",
        "WAITING",
        "PHASE",
        "AGE",
    ]
    manifest = cli.ok("get", "waitgroup/g", "-o", "yaml").out
    assert cli.ok("apply", "-f", "-", stdin=manifest).out == "waitgroup/g unchanged\n"
    assert cli.ok("apply", "-f", "-", stdin=manifest.replace("name: g", "name: h")).out == "waitgroup/h created\n"
    cli.ok("waitgroup", "reset", "g")
    assert cli.ok("waitgroup", "status", "g", "-o", "json").json["phase"] == "Idle"
    assert "added" in cli.ok("events", "waitgroup/g").out
    assert cli.ok("delete", "waitgroup/g", "waitgroup/h").out == "waitgroup/g deleted\nwaitgroup/h deleted\n"
