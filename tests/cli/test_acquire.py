"""`koncli acquire`: several at once, all or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.running import Cli

ALL = ("acquire", "semaphore/s=2", "mutex/m", "rwmutex/r=read")


@pytest.fixture
def objects(cli: Cli) -> Cli:
    cli.k.semaphore("s").define(3)
    cli.k.mutex("m").define()
    cli.k.rwmutex("r").define()
    return cli


def holders(cli: Cli) -> dict[str, list[str]]:
    found = {}
    for ref in ("semaphore/s", "mutex/m", "rwmutex/r"):
        found[ref] = [each.holder for each in cli.k.permits(ref).status().holders]
    return found


def test_each_grant_is_printed(objects: Cli) -> None:
    lines = objects.ok(*ALL).out.splitlines()
    assert [line.partition(" as ")[0] for line in lines] == [
        "acquired mutex/m",
        "acquired rwmutex/r to read",
        "acquired 2 permits of semaphore/s",
    ]
    grants = objects.ok(*ALL, "-o", "json").json
    assert [(each["kind"], each["holder"]) for each in grants] == [
        ("Mutex", "host-1"),
        ("RWMutex", "host-1"),
        ("Semaphore", "host-1"),
    ]
    assert (grants[1]["mode"], grants[2]["permits"]) == ("read", 2)


def test_none_is_held_if_one_would_block(objects: Cli) -> None:
    objects.k.mutex("m").lock(holder="other")
    refused = objects(*ALL)
    assert (refused.code, refused.error) == (4, "mutex/m would block: somebody holds it, 0 waiting")
    assert holders(objects) == {"semaphore/s": [], "mutex/m": ["other"], "rwmutex/r": []}


def test_it_waits_for_all_and_holds_nothing_meanwhile(objects: Cli) -> None:
    other = objects.k.mutex("m").lock(holder="other")
    waiting = objects.start(*ALL, "--timeout", "1m")
    waiting.said("position 1 in the queue")
    assert holders(objects) == {"semaphore/s": [], "mutex/m": ["other"], "rwmutex/r": []}
    other.release()
    assert waiting.end().code == 0
    assert holders(objects) == {"semaphore/s": ["host-1"], "mutex/m": ["host-1"], "rwmutex/r": ["host-1"]}


@pytest.mark.parametrize(
    "arguments,text",
    [
        ((), "Missing argument"),
        (("m",), "'m' grants no permits: name objects like semaphore/load-concurrency or mutex/x"),
        (("barrier/x",), "'barrier/x' grants no permits"),
        (("mutex/m=2",), "mutex/m has one permit only, not 2: leave the number out"),
        (("semaphore/s=many",), "semaphore/s: 'many' is not a number of permits: use one from 1 to 1000000"),
        (("semaphore/s=0",), "permits of semaphore/s 0 is out of range"),
        (("rwmutex/r=2",), "rwmutex/r: '2' is neither read nor write: use one of them"),
        (("mutex/m", "mtx/m"), "an object is named twice"),
    ],
)
def test_what_makes_no_sense_is_refused(cli: Cli, arguments: tuple[str, ...], text: str) -> None:
    refused = cli("acquire", *arguments)
    assert (refused.code, text in refused.error) == (64, True), refused.error
