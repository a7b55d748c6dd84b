"""`koncli explain` on real servers: who waits for what, a deadlock of two processes, names, and what it prints."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from konductor_core import AsyncKonductor
from konductor_core.errors import NotFound
from konductor_core.flows import scenes
from tests.servers import until

if TYPE_CHECKING:
    import pytest

    from konductor_core.explaining.explanation import Explanation
    from tests.cli.running import Cli

PARTNER = """
import sys
from konductor_core import Konductor
mine, other = sys.argv[1:3]
with Konductor(holder=sys.argv[3]) as k, k.mutex(mine).lock(renew=True):
    print("holds", flush=True)
    sys.stdin.readline()
    k.mutex(other).lock(timeout="60s").release()
"""


def partner(cli: Cli, mine: str, other: str, name: str) -> subprocess.Popen[str]:
    """Start a process that holds one mutex and, when told, waits for the other."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARTNER, mine, other, name],
        env=cli.env | {"PATH": os.environ["PATH"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


def known(cli: Cli, what: str) -> bool:
    """Tell whether there is anything to explain."""
    try:
        cli.k.explain(what)
    except NotFound:
        return False
    return True


def explained(cli: Cli, what: str) -> Any:
    return cli("explain", what, "-o", "json").json


def test_two_processes_that_wait_for_each_others_mutex_are_a_deadlock_until_one_is_freed(etl: Cli) -> None:
    for name in ("a", "b"):
        etl.k.mutex(name).define()
    first, second = partner(etl, "a", "b", "p"), partner(etl, "b", "a", "q")
    with first, second:
        assert etl.k.explain("p").deadlock is None
        for each in (first, second):
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        until(lambda: etl.k.mutex("a").status().waiting and etl.k.mutex("b").status().waiting, "both wait")
        found = explained(etl, "p")
        assert (found["deadlock"], found["certain"]) == (True, True)
        assert [(step["holder"], step["waitsFor"], step["blockedBy"]) for step in found["cycle"]] == [
            ("p", "mutex/b", "q"),
            ("q", "mutex/a", "p"),
        ]
        text = etl("explain", "mutex/a")
        assert text.code == 0
        assert "deadlock: q waits for mutex/a, which p holds; p waits for mutex/b, which q holds" in text.out
        way_out = next(each["command"] for each in found["remedies"] if "force-release b q" in each.get("command", ""))
        assert etl(*way_out.split()[1:]).code == 0
        until(lambda: etl.k.explain("mutex/a").deadlock is None, "the way out led out")
        assert first.wait(30) == 0
        second.wait(30)  # its own lock was taken from it, so how it ends is its affair


def test_who_waits_at_a_barrier_is_explained_by_its_pod_and_by_its_name(etl: Cli) -> None:
    etl.k.barrier("extract").define(expected=3)
    etl.k.barrier("extract").arrive("customers")
    waiter = etl.start("barrier", "wait", "extract", "--holder", "loader", POD_NAME="loader-x7k2p")
    until(lambda: etl.k.barrier("extract").status().waiters, "it is named")
    for name in ("loader", "loader-x7k2p", "barrier/extract"):
        found = etl.k.explain(name)
        assert found.waiting
        assert "1 of 3 have arrived (customers), 2 are missing" in found.summary
    assert "WAITER" in etl("barrier", "status", "extract").out
    etl.k.barrier("extract").arrive("orders")
    etl.k.barrier("extract").arrive("products")
    assert waiter.end().code == 0


def test_a_wait_for_what_nobody_has_made_is_found_and_ends_with_it(cli: Cli) -> None:
    one = cli.start("semaphore", "acquire", "gpu", "--permits", "2", "--wait", "--holder", "early")
    two = cli.start("waitgroup", "wait", "workers", KONDUCTOR_HOLDER="early-too")
    three = cli.start("once", "wait", "migration", KONDUCTOR_HOLDER="early-as-well")
    for name, object_ in (
        ("early", "semaphore/gpu"),
        ("early-too", "waitgroup/workers"),
        ("early-as-well", "once/migration"),
    ):
        until(partial(known, cli, name), "it is noted")
        found = cli.k.explain(name)
        assert (found.chain[0].object, found.waiting) == (object_, True)
        assert "it does not exist, nobody has made it yet" in found.summary
        assert cli.k.explain(object_).chain[1].holder == name
    cli.k.semaphore("gpu").define(permits=2)
    assert one.end().code == 0
    for each in (two, three):
        each.end(signal.SIGINT)
    assert not known(cli, "early-too")


def test_json_yaml_names_and_text_say_the_same(cli: Cli) -> None:
    cli.k.mutex("m").define()
    lease = cli.k.mutex("m").lock(holder="h")
    text = cli("explain", "mutex/m")
    found = explained(cli, "mutex/m")
    sentences = ["  " * link["depth"] + link["text"] for link in found["chain"]]
    assert [re.sub(r"\b[0-9]+[0-9dhms]*\b", "…", line) for line in text.out.splitlines()] == [
        re.sub(r"\b[0-9]+[0-9dhms]*\b", "…", line) for line in sentences
    ]
    assert list(found) == [
        "subject",
        "namespace",
        "waiting",
        "deadlock",
        "summary",
        "chain",
        "cycle",
        "remedies",
        "unread",
        "observedAt",
    ]
    assert cli("explain", "mutex/m", "-o", "yaml").out.startswith("subject: mutex/m\n")
    assert cli("explain", "mutex/m", "-o", "name").out == "mutex/m\n"
    lease.release()


def test_a_name_that_is_unknown_is_refused_with_the_nearest_and_exit_2(cli: Cli) -> None:
    cli.k.mutex("index").define()
    cli.k.mutex("index").lock(holder="loader-1")
    refused = cli("explain", "loader-2")
    assert refused.code == 2
    assert refused.error == "nobody holds, waits or has arrived under the name 'loader-2' in namespace etl"
    assert "hint: did you mean loader-1?" in refused.err
    assert cli("explain", "line\nbreak").code == 64


def test_a_shell_completes_objects_pods_and_holders(cli: Cli) -> None:
    cli.k.mutex("index").define()
    cli.k.mutex("index").lock(holder="loader-1")
    completed = cli(COMP_WORDS="koncli explain ", COMP_CWORD="2", _KONCLI_COMPLETE="bash_complete")
    assert completed.out.split() == ["plain,mutex/index", "plain,loader-1"]


def test_the_asyncio_library_explains_the_same(cli: Cli) -> None:
    cli.k.mutex("m").define()
    cli.k.mutex("m").lock(holder="h")

    async def explained_there() -> Explanation:
        async with AsyncKonductor(settings=cli.k.settings) as k:
            return await k.explain("mutex/m")

    assert asyncio.run(explained_there()).chain[1].holder == "h"


def test_what_is_too_much_to_be_read_is_told_of_but_never_what_was_asked_for(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        cli.k.mutex(name).define()
    monkeypatch.setattr(scenes, "OBJECTS_READ", 1)
    found = cli.k.explain("mutex/c")
    assert (found.unread, found.summary) == (2, "mutex/c: it is unlocked")
