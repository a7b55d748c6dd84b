"""What works on all kinds: apply, get, list, delete, status, watch, events."""

import itertools
import json
import re
import signal

import pytest
import yaml

from tests.cli.running import Cli

OBJECTS = """\
apiVersion: konductor.io/v1
kind: Barrier
metadata: {name: b, labels: {stage: extract}}
spec: {expected: 5, timeout: 2h}
---
apiVersion: konductor.io/v1
kind: Semaphore
metadata: {name: s, labels: {stage: load}}
spec: {permits: 2, ttl: 30m}
"""


@pytest.fixture
def both(cli: Cli) -> Cli:
    cli.k.barrier("b").define(5, timeout="2h", labels={"stage": "extract"})
    cli.k.semaphore("s").define(2, ttl="30m", labels={"stage": "load"})
    return cli


def test_a_directory_is_applied_in_order_of_names(cli: Cli) -> None:
    barrier, semaphore = OBJECTS.split("---\n")
    (cli.cwd / "m").mkdir()
    (cli.cwd / "m" / "2.yaml").write_text(barrier)
    (cli.cwd / "m" / "1.yml").write_text(semaphore)
    (cli.cwd / "m" / "notes.txt").write_text("no manifest")
    assert cli.ok("apply", "-f", "m").out == "semaphore/s created\nbarrier/b created\n"
    assert cli.ok("apply", "-f", "m", "-o", "name").out == "semaphore/s\nbarrier/b\n"
    actions = cli.ok("apply", "-f", "m", "-o", "json").json
    assert actions[0] == {"kind": "Semaphore", "name": "s", "namespace": "etl", "action": "unchanged"}


def test_a_manifest_may_name_its_namespace_but_not_against_the_flag(cli: Cli) -> None:
    text = OBJECTS.replace("{name: b,", "{name: b, namespace: other,")
    cli.ok("apply", "-f", "-", stdin=text)
    assert cli.ok("get", "-n", "other", "-o", "name").out == "barrier/b\n"
    assert cli.ok("get", "-o", "name").out == "semaphore/s\n"
    refused = cli("apply", "-f", "-", "-n", "third", stdin=text)
    assert refused.code == 64
    assert "other" in refused.error
    assert cli.ok("get", "-n", "third", "-o", "name").out == ""


def test_what_get_prints_can_be_applied_again(both: Cli) -> None:
    both.k.barrier("b").arrive()
    for form in ("json", "yaml"):
        printed = both.ok("get", "-o", form).out
        applied = both.ok("apply", "-f", "-", stdin=printed)
        assert applied.out == "barrier/b unchanged\nsemaphore/s unchanged\n"


def test_one_object_is_a_manifest_and_several_are_a_list(both: Cli) -> None:
    one = both.ok("get", "barrier/b", "-o", "json").json
    assert list(one) == ["apiVersion", "kind", "metadata", "spec", "status"]
    assert one["metadata"] == {"name": "b", "namespace": "etl", "labels": {"stage": "extract"}}
    assert one["spec"] == {"expected": 5, "timeout": "2h", "cyclic": False}
    assert (one["status"]["phase"], one["status"]["arrived"]) == ("Waiting", 0)
    assert both.ok("barrier", "get", "b", "-o", "json").json["metadata"] == one["metadata"]
    several = yaml.safe_load(both.ok("get", "-o", "yaml").out)
    assert (several["kind"], [item["kind"] for item in several["items"]]) == ("List", ["Barrier", "Semaphore"])
    assert both.ok("semaphore", "list", "-o", "json").json["items"][0]["metadata"]["name"] == "s"


@pytest.mark.parametrize(
    "arguments,names",
    [
        ((), "barrier/b semaphore/s"),
        (("barriers",), "barrier/b"),
        (("sem", "s"), "semaphore/s"),
        (("semaphore/s", "bar/b"), "semaphore/s barrier/b"),
        (("-l", "stage=load"), "semaphore/s"),
        (("-l", "stage in (load,extract)"), "barrier/b semaphore/s"),
        (("barrier", "-l", "!stage"), ""),
    ],
)
def test_get_chooses_by_kind_name_and_label(both: Cli, arguments: tuple[str, ...], names: str) -> None:
    assert both.ok("get", *arguments, "-o", "name").out.split() == names.split()


def test_tables_have_a_line_for_each_object(both: Cli) -> None:
    printed = both.ok("get").out
    assert re.search(r"^NAME +ARRIVED +WAITING +PHASE +AGE$", printed, re.MULTILINE)
    assert re.search(r"^barrier/b +0/5 +0 +Waiting +\S+$", printed, re.MULTILINE)
    assert re.search(r"^NAME +PERMITS +IN-USE +AVAILABLE +WAITING +PHASE +AGE$", printed, re.MULTILINE)
    assert "stage=load" in both.ok("semaphore", "list", "-o", "wide").out
    nothing = both.ok("barrier", "list", "-n", "empty")
    assert (nothing.out, nothing.err) == ("", "no objects in namespace empty\n")


def test_a_missing_name_is_an_error_beside_what_was_found(both: Cli) -> None:
    shown = both("get", "barrier", "b", "missing")
    assert shown.code == 2
    assert shown.out.splitlines()[1].startswith("b ")
    assert "barrier/missing does not exist" in shown.error


def test_status_works_across_kinds(both: Cli) -> None:
    assert both.ok("status", "barrier", "b", "-o", "json").json["kind"] == "Barrier"
    assert both.ok("status", "semaphore/s", "-o", "name").out == "semaphore/s\n"
    assert both("status", "semaphore").code == 64
    assert both("status", "--wait-for-update").code == 64


def test_status_can_wait_for_the_next_change(both: Cli) -> None:
    both.k.barrier("b").define(1000)
    waiting = both.start("barrier", "status", "b", "--wait-for-update", "--timeout", "20s", "-o", "json")
    for number in itertools.count():  # the first one may come before it listens
        if waiting.over(0.1):
            break
        both.k.barrier("b").arrive(f"arrival-{number}")
    assert waiting.end().json["arrived"] > 0
    assert both("barrier", "status", "b", "--wait-for-update", "--timeout", "100ms").code == 3


def test_delete_takes_manifests_names_and_labels(both: Cli) -> None:
    assert both.ok("delete", "semaphores", "-l", "stage=load").out == "semaphore/s deleted\n"
    assert both.ok("delete", "-f", "-", stdin=OBJECTS).out == "barrier/b deleted\nsemaphore/s absent\n"
    assert both("delete", "barrier/b").code == 2


def test_deleting_a_whole_kind_needs_a_selector(both: Cli) -> None:
    refused = both("delete", "barriers")
    assert refused.code == 64
    assert "every barrier" in refused.error
    assert both("delete").code == 64
    assert both.ok("get", "-o", "name").out == "barrier/b\nsemaphore/s\n"


def test_events_tell_what_happened_in_utc(both: Cli) -> None:
    both.k.semaphore("s").acquire(holder="me").release()
    lines = both.ok("events", "semaphore/s").out.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  semaphore/s  ", line) for line in lines)
    assert [line.split()[2] for line in lines if "holder=me" in line] == ["granted", "released"]
    documents = both.ok("events", "-o", "json").json
    assert [each["at"] for each in documents] == sorted(each["at"] for each in documents)
    assert {each["kind"] for each in documents} == {"Barrier", "Semaphore"}
    assert both("events", "semaphore/missing").code == 2


def test_following_events_prints_new_ones_until_interrupted(both: Cli) -> None:
    following = both.start("events", "semaphore/s", "-f", "-o", "json")
    following.said('"type"')
    both.k.semaphore("s").acquire(holder="me")
    following.said('"holder": "me"')
    ended = following.end(signal.SIGINT)
    assert ended.code == 130
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert len({event["id"] for event in events}) == len(events)


def test_watching_prints_a_row_for_each_change_until_the_object_is_gone(both: Cli) -> None:
    watching = both.start("barrier", "watch", "b")
    watching.said("0/5")
    both.k.barrier("b").arrive("1")
    watching.said("1/5")
    both.k.barrier("b").delete()
    watching.said("absent")
    ended = watching.end(signal.SIGTERM)
    assert ended.code == 143
    assert ended.out.count("NAME") == 1


def test_watching_a_kind_sees_new_objects(cli: Cli) -> None:
    cli.k.barrier("first").define(1)
    watching = cli.start("barrier", "watch", "-o", "json")
    watching.said('"first"')
    cli.k.barrier("second").define(1)
    assert json.loads(watching.said('"second"'))["phase"] == "Waiting"
