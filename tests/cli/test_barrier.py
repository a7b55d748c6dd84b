"""`koncli barrier`: its verbs, what they print, how they end."""

import pytest

from tests.cli.running import Cli


@pytest.fixture
def bar(cli: Cli) -> Cli:
    cli.k.barrier("b").define(3, timeout="2h")
    return cli


def status(cli: Cli, name: str = "b") -> dict[str, object]:
    return cli.k.barrier(name).status().to_dict()


def test_create_says_whether_it_created_updated_or_found_nothing_to_do(cli: Cli) -> None:
    assert cli.ok("barrier", "create", "b", "--expected", "5", "--quorum", "3").out == "barrier/b created\n"
    assert cli.ok("barrier", "create", "b", "--expected", "5", "--quorum", "3").out == "barrier/b unchanged\n"
    assert cli.ok("barrier", "create", "b", "--expected", "5").out == "barrier/b updated\n"
    assert "quorum" not in status(cli)


def test_status_has_everything_flat_beginning_with_kind_name_and_namespace(bar: Cli) -> None:
    found = bar.ok("barrier", "status", "b", "-o", "json").json
    assert list(found)[:3] == ["kind", "name", "namespace"]
    assert (found["phase"], found["arrived"], found["expected"], found["timeout"]) == ("Waiting", 0, 3, "2h")


def test_arrive_says_how_far_the_barrier_is(bar: Cli) -> None:
    assert bar.ok("barrier", "arrive", "b").out == "host-1 arrived at barrier/b: 1/3, waiting\n"
    assert bar.ok("barrier", "arrive", "b", "two").out == "two arrived at barrier/b: 2/3, waiting\n"
    assert bar.ok("barrier", "arrive", "b", "--holder", "three").out == "three arrived at barrier/b: 3/3, open\n"


def test_arriving_twice_counts_once_and_is_no_error(bar: Cli) -> None:
    bar.ok("barrier", "arrive", "b")
    again = bar.ok("barrier", "arrive", "b")
    assert again.out == "host-1 arrived at barrier/b: 1/3, waiting (had arrived before)\n"
    assert bar.ok("barrier", "arrive", "b", "-o", "json").json["counted"] is False


@pytest.mark.parametrize(
    "arguments,env,who",
    [
        ((), {}, "host-1"),
        ((), {"KONDUCTOR_ARRIVAL_ID": "job-uid/3"}, "job-uid/3"),
        (("--holder", "h"), {"KONDUCTOR_ARRIVAL_ID": "job-uid/3"}, "h"),
        (("--arrival-id", "a"), {"KONDUCTOR_ARRIVAL_ID": "job-uid/3"}, "a"),
        (("positional",), {}, "positional"),
        (("--wait-for-update",), {"POD_NAME": "pod-1"}, "pod-1"),
    ],
)
def test_who_arrives(bar: Cli, arguments: tuple[str, ...], env: dict[str, str], who: str) -> None:
    assert bar.ok("barrier", "arrive", "b", *arguments, "-o", "json", **env).json["arrivalId"] == who


def test_saying_who_arrives_in_two_ways_is_refused(bar: Cli) -> None:
    assert bar("barrier", "arrive", "b", "x", "--holder", "y").code == 64
    assert status(bar)["arrived"] == 0


def test_a_quorum_opens_the_barrier(cli: Cli) -> None:
    cli.k.barrier("b").define(5, quorum=2)
    cli.k.barrier("b").arrive("1")
    cli.ok("barrier", "arrive", "b", "2")
    assert status(cli)["phase"] == "Open"
    cli.ok("barrier", "wait", "b", "--timeout=0")


def test_waiting_prints_a_line_for_each_change_and_ends_when_it_opens(bar: Cli) -> None:
    waiter = bar.start("barrier", "wait", "b", "--timeout", "2h")
    assert waiter.said("0/3 arrived") == "barrier/b: 0/3 arrived, waiting for 3 more, 2h left"
    bar.k.barrier("b").arrive("1")
    assert waiter.said("1/3 arrived").startswith("barrier/b: 1/3 arrived, waiting for 2 more")
    bar.k.barrier("b").arrive("2")
    bar.k.barrier("b").arrive("3")
    ended = waiter.end()
    assert ended.code == 0
    assert ended.out == "barrier/b is open: 3/3 arrived"


def test_waiting_too_long_ends_with_exit_code_3(bar: Cli) -> None:
    ended = bar("barrier", "wait", "b", "--timeout", "200ms")
    assert ended.code == 3
    assert "error: timed out after 200ms waiting for barrier/b: 0/3 arrived" in ended.err
    assert status(bar)["waiting"] == 0


def test_a_failed_barrier_fails_its_waiters_and_later_arrivals_with_exit_code_6(cli: Cli) -> None:
    cli.k.barrier("b").define(3, timeout="300ms")
    waited = cli("barrier", "wait", "b", "--timeout", "20s", "-o", "json")
    assert waited.code == 6
    assert '"code": "barrier-failed"' in waited.err
    assert cli("barrier", "arrive", "b").code == 6
    assert status(cli)["phase"] == "Failed"
    cli.k.barrier("b").define(3)
    assert status(cli)["phase"] == "Failed"
    cli.ok("barrier", "reset", "b")
    cli.ok("barrier", "arrive", "b")


def test_arrive_can_wait_for_the_others(bar: Cli) -> None:
    waiters = [bar.start("barrier", "arrive", "b", who, "--wait", "--timeout", "20s") for who in ("1", "2")]
    for waiter in waiters:
        waiter.said("arrived, waiting for")
    last = bar.ok("barrier", "arrive", "b", "3", "--wait")
    assert last.out == "barrier/b is open: 3/3 arrived\n"
    assert [waiter.end().code for waiter in waiters] == [0, 0]


def test_a_reset_under_an_arrival_that_waits_ends_it_with_exit_code_6(bar: Cli) -> None:
    waiter = bar.start("barrier", "arrive", "b", "--wait", "--timeout", "20s")
    waiter.said("1/3 arrived")
    bar.k.barrier("b").reset()
    ended = waiter.end()
    assert ended.code == 6
    assert "reset" in ended.err


def test_waiting_also_waits_for_a_barrier_that_does_not_exist_yet(cli: Cli) -> None:
    waiter = cli.start("barrier", "wait", "later", "--timeout", "20s")
    assert waiter.said("does not exist yet") == "barrier/later does not exist yet, 20s left"
    cli.k.barrier("later").define(1)
    cli.k.barrier("later").arrive()
    assert waiter.end().code == 0


def test_an_arrival_waits_for_its_barrier_to_be_made(cli: Cli) -> None:
    early = cli.start("barrier", "arrive", "later")
    assert early.said("does not exist yet").startswith("barrier/later does not exist yet, 1m left")
    cli.k.barrier("later").define(1)
    assert early.end().out == "host-1 arrived at barrier/later: 1/1, open"


@pytest.mark.parametrize(
    "arguments",
    [
        ("arrive", "missing", "--must-exist"),
        ("arrive", "missing", "--timeout=0"),
        ("arrive", "missing", "--timeout=100ms"),
        ("arrive", "missing", "--wait", "--must-exist"),
        ("wait", "missing", "--must-exist"),
        ("status", "missing"),
        ("get", "missing"),
        ("reset", "missing"),
        ("delete", "missing"),
    ],
)
def test_a_missing_barrier_is_not_found(cli: Cli, arguments: tuple[str, ...]) -> None:
    refused = cli("barrier", *arguments)
    assert refused.code == 2
    assert "error: barrier/missing does not exist" in refused.err


def test_a_cyclic_barrier_opens_again_and_again(cli: Cli) -> None:
    cli.ok("barrier", "create", "b", "--expected", "2", "--cyclic")
    for cycle in (1, 2):
        assert cli.ok("barrier", "arrive", "b", "one", "-o", "json").json["cycle"] == cycle
        assert cli.ok("barrier", "arrive", "b", "two", "-o", "json").json["cycle"] == cycle
        assert cli.ok("barrier", "wait", "b", "--holder", "one", "-o", "json").json["cycle"] == cycle
    assert cli.ok("barrier", "wait", "b", "--cycle", "1", "--timeout=0").code == 0
    assert cli("barrier", "wait", "b", "--cycle", "3", "--timeout=0").code == 3
    found = status(cli)
    assert (found["cycle"], found["lastOpenedCycle"]) == (3, 2)


def test_the_status_page_shows_arrivals(bar: Cli) -> None:
    bar.k.barrier("b").arrive("customers")
    page = bar.ok("barrier", "status", "b").out
    assert page.splitlines()[0] == "Barrier:   etl/b"
    assert "Arrived:   1/3" in page
    assert "customers" in page
