"""Tables of the pages name what the code has, no less and no more."""

from __future__ import annotations

import re
import threading
from dataclasses import fields
from typing import TYPE_CHECKING

from konductor_core import Konductor, errors, keys
from konductor_core.config import DEFAULT_URL, IN_CLUSTER_URL, Settings
from konductor_core.durations import to_text
from konductor_core.errors import KonductorError
from tests.docs.blocks import ROOT
from tests.looking import look
from tests.servers import until

if TYPE_CHECKING:
    import redis

    from tests.servers import Server

LIBRARY = (ROOT / "docs/library.md").read_text(encoding="utf-8")
REDIS = (ROOT / "docs/redis.md").read_text(encoding="utf-8")
LUA = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "lua").rglob("*.lua")))


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the cells of every table row of a section, without headers."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in section.splitlines() if line.startswith("| `")]
    assert found, f"no table below {heading}"
    return found


def words(cell: str) -> list[str]:
    """Return what stands in backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def test_the_errors_are_all_there_with_their_exit_codes() -> None:
    shown = {words(row[0])[0]: int(row[1]) for row in rows(LIBRARY, "Errors")}
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, KonductorError)]
    assert shown == {each.__name__: each.exit_code for each in classes if each is not KonductorError}


def test_the_settings_are_all_there_with_their_variables_and_defaults() -> None:
    shown = {words(row[0])[0]: (words(row[1]), row[2]) for row in rows(LIBRARY, "Settings")}
    dashed = {each.name.removesuffix("_ms").replace("_", "-"): each for each in fields(Settings)}
    assert {name: tuple(variables) for name, (variables, _) in shown.items()} == {
        name: each.metadata["variables"] for name, each in dashed.items()
    }
    for name, each in dashed.items():
        if isinstance(each.default, (int, str)) and not isinstance(each.default, bool):
            default = to_text(each.default) if each.name.endswith("_ms") else str(each.default)  # type: ignore[arg-type]
            assert f"`{default}`" in shown[name][1], name
    assert f"`{DEFAULT_URL}`; inside a cluster `{IN_CLUSTER_URL}`" in shown["redis-url"][1]


def test_every_key_of_the_layout_is_on_the_page_and_no_other() -> None:
    shown = [words(row[0])[0] for row in rows(REDIS, "Keys")]
    documented = re.findall(
        r"^    (konductor:\S+|o\S*) +(?:set|zset|string|hash|list|channel|stream) ", keys.__doc__ or "", re.MULTILINE
    )
    assert shown == documented


def _row_of(key: str) -> list[str]:
    """Return the row of the page that describes a key found on a server."""
    for row in rows(REDIS, "Keys"):
        pattern = words(row[0])[0]
        for kind in MARKS if pattern.startswith("o") else ("",):
            shape = re.escape(re.sub(r"^o", f"konductor:{{ns}}:{kind}:<name>", pattern))
            if re.fullmatch(re.sub(r"<\w+>", "[^:]+", shape), key) and _is_of(row, kind):
                return row
    raise AssertionError(f"no row for {key}")


MARKS = {"semaphore": "permits", "barrier": "expected", "waitgroup": "anonymous", "gate": "conditions"}
"""Kind → a field that only its hash has: the hashes of all are called o."""


def _is_of(row: list[str], kind: str) -> bool:
    """Tell whether a row is of this kind."""
    return words(row[0]) != ["o"] or MARKS[kind] in row[2].split(" ") or f"`{MARKS[kind]}" in row[2]


CONTROLLERS = ("marker", "mirrors", "namespaces")
"""Keys that only the controller writes."""


def _look(client: redis.Redis) -> set[str]:
    """Compare all that is in Redis with the page; return the keys of the page that were there."""
    found = set()
    for key in client.scan_iter():
        row = _row_of(key)
        found.add(words(row[0])[0])
        kind = str(client.type(key))
        if kind == "none":
            continue  # gone since
        assert row[1] == kind, key
        if kind == "hash" and (listed := words(row[2])):  # other hashes have holders as fields
            assert set(client.hkeys(key)) <= set(" ".join(listed).split()), key
    return found


def test_what_is_in_redis_is_what_the_page_says(valkey_server: Server) -> None:
    seen = set()
    with Konductor(valkey_server.url, namespace="ns") as k, valkey_server.client(decode_responses=True) as client:
        semaphore, barrier, rounds = k.semaphore("s"), k.barrier("b"), k.barrier("rounds")
        semaphore.define(permits=3)
        barrier.define(expected=2, timeout="1h", quorum=1)
        rounds.define(expected=1, cyclic=True)
        group = k.waitgroup("g")
        group.define()
        group.add("a")
        group.add(count=2)
        gate = k.gate("ready")
        gate.define(["job/migrate"], timeout="1h")
        look(k, "ready", migrate="Running")
        lease = semaphore.acquire(permits=2)
        waiters = [
            threading.Thread(target=lambda: semaphore.acquire(permits=3, holder="a").release()),
            threading.Thread(target=lambda: semaphore.acquire(permits=3, holder="b").release()),
            threading.Thread(target=barrier.wait),
            threading.Thread(target=group.wait),
            threading.Thread(target=gate.wait),
            threading.Thread(target=k.barrier("later").wait),
        ]
        for waiter in waiters:
            waiter.start()
        until(
            lambda: semaphore.status().waiting == 2 and barrier.status().waiting and group.status().waiting, "all wait"
        )
        until(lambda: client.exists(keys.awaited("ns")), "one waits for what does not exist")
        seen |= _look(client)
        barrier.arrive("x")
        rounds.arrive("x")
        k.barrier("later").define(expected=1)
        k.barrier("later").arrive("x")
        group.done("a")
        group.done(count=2)
        gate.close()
        look(k, "ready", migrate="Complete")
        gate.auto()
        lease.renew()
        lease.release()
        seen |= _look(client)
        for waiter in waiters:
            waiter.join()
        semaphore.acquire(timeout=0, ttl="100ms")
        until(lambda: not semaphore.status().in_use, "the lease has expired")
        seen |= _look(client)
        semaphore.delete()
        barrier.reset()
        seen |= _look(client)
    wanted = {words(row[0])[0] for row in rows(REDIS, "Keys") if row[1] != "channel"}
    brief = {"konductor:{ns}:wake:<request>"}  # blocked on: it is there for no moment
    assert seen >= wanted - brief - {f"konductor:{{ns}}:{part}" for part in CONTROLLERS}


def test_the_page_names_every_word_that_wakes_a_waiter() -> None:
    row = next(row for row in rows(REDIS, "Keys") if "wake" in row[0])
    sent = set(re.findall(r"wake\([^,()]+, '([a-z]+)", LUA)) | set(re.findall(r"tell_to_look\(\w+, \w+, '(\w+)'", LUA))
    assert {word.partition(" ")[0] for word in words(row[2])} == sent


def test_the_page_names_every_kind_of_event_that_scripts_record() -> None:
    shown = {word for row in rows(REDIS, "What happened") for word in words(row[0])}
    literal = set(re.findall(r"record\(\w+, '([a-z-]+)'", LUA)) | set(re.findall(r"write\('([a-z]+)'", LUA))
    by_argument = {"released", "force-released", "timeout", "cancelled", "closed", "waiting"}
    assert shown == literal | by_argument
