"""`koncli acquire`, `renew` and `release`: several at once."""

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


HELD = ("semaphore/s", "mutex/m", "rwmutex/r")


def test_what_was_acquired_is_renewed_and_released(objects: Cli) -> None:
    objects.ok(*ALL, "--ttl", "1m")
    renewed = objects.ok("renew", *HELD, "--ttl", "2m", "-o", "json").json
    assert [(each["kind"], each["ttl"]) for each in renewed] == [
        ("Semaphore", "2m"),
        ("Mutex", "2m"),
        ("RWMutex", "2m"),
    ]
    assert objects.ok("release", *HELD).out.splitlines() == [f"released {ref}, held by host-1" for ref in HELD]
    assert holders(objects) == {"semaphore/s": [], "mutex/m": [], "rwmutex/r": []}


def test_one_that_is_not_held_does_not_keep_the_others(objects: Cli) -> None:
    objects.ok(*ALL)
    objects.k.mutex("m").force_release("host-1")
    lost = objects("renew", *HELD, "-o", "name")
    assert (lost.code, lost.out) == (6, "semaphore/s\nrwmutex/r\n")
    part = objects("release", *HELD, "-o", "json")
    assert (part.code, [each["outcome"] for each in part.json]) == (4, ["released", "released"])
    assert '"not-holder"' in part.err
    again = objects.ok("release", *HELD, "lease/absent", "--ignore-not-held", "-o", "json").json
    assert {each["outcome"] for each in again} == {"not-held"}


@pytest.mark.parametrize("kind", ["mutex", "rwmutex", "once"])
def test_every_lease_can_be_renewed_by_its_kind(objects: Cli, kind: str) -> None:
    objects.k.once("o").define()
    take, name = {"mutex": ("lock", "m"), "rwmutex": ("rlock", "r"), "once": ("begin", "o")}[kind]
    assert objects(kind, "renew", name).code == 6
    objects.ok(kind, take, name, "--ttl", "1m")
    renewed = objects.ok(kind, "renew", name, "--ttl", "3m", "-o", "json").json
    assert (renewed["holder"], renewed["ttl"]) == ("host-1", "3m")


@pytest.mark.parametrize("kind,name", [("mutex", "m"), ("rwmutex", "r")])
def test_a_lock_can_be_taken_away(objects: Cli, kind: str, name: str) -> None:
    objects.ok(kind, "lock", name, "--holder", "gone")
    objects.ok(kind, "force-release", name, "gone")
    assert objects.k.permits(f"{kind}/{name}").events()[-1].type == "force-released"


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
