"""`koncli mutex`, `lease` and `rwmutex`: their verbs, what they print, how they end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.running import Cli


@pytest.fixture
def locks(cli: Cli) -> Cli:
    cli.k.mutex("m").define(ttl="30m")
    cli.k.lease("l").define(ttl="30m")
    cli.k.rwmutex("r").define(ttl="30m")
    return cli


@pytest.mark.parametrize("kind", ["lease", "mutex", "rwmutex"])
def test_create_takes_a_ttl_and_labels(cli: Cli, kind: str) -> None:
    create = (kind, "create", "x", "-l", "stage=load")
    assert cli.ok(*create).out == f"{kind}/x created\n"
    assert cli.ok(*create).out == f"{kind}/x unchanged\n"
    assert cli.ok(*create, "--ttl", "10m").out == f"{kind}/x updated\n"
    status = cli.ok(kind, "status", "x", "-o", "json").json
    assert (status["ttl"], status["labels"], status["holders"]) == ("10m", {"stage": "load"}, [])


def test_a_mutex_is_locked_and_unlocked(locks: Cli) -> None:
    text = locks.ok("mutex", "lock", "m", "--ttl", "30s").out
    assert text.startswith("locked mutex/m as host-1, token ")
    assert text.endswith(", expires in 30s\n")
    again = locks.ok("mutex", "lock", "m", "-o", "json").json
    assert str(again.pop("token")) in text
    assert again.pop("expiresIn").startswith("29m59")
    assert again == {"kind": "Mutex", "name": "m", "namespace": "etl", "holder": "host-1", "ttl": "30m"}
    refused = locks("mutex", "lock", "m", "--holder", "b", "--timeout", "0")
    assert (refused.code, refused.error) == (4, "mutex/m would block: somebody holds it, 0 waiting")
    assert locks.ok("mutex", "unlock", "m").out == "unlocked mutex/m, held by host-1\n"
    assert locks("mutex", "unlock", "m").code == 4
    assert locks.ok("mutex", "unlock", "m", "--ignore-not-held").out == "host-1 does not hold mutex/m\n"


def test_lock_waits_in_line_until_it_is_its_turn(locks: Cli) -> None:
    locks.k.mutex("m").lock(holder="first")
    waiting = locks.start("mutex", "lock", "m", "--holder", "second")
    waiting.said("position 1 in the queue, somebody holds it")
    locks.k.mutex("m").unlock("first")
    done = waiting.end()
    assert (done.code, done.out.partition(", token")[0]) == (0, "locked mutex/m as second")


def test_lock_gives_up_after_its_timeout(locks: Cli) -> None:
    locks.k.mutex("m").lock(holder="first")
    late = locks("mutex", "lock", "m", "--timeout", "200ms")
    assert late.code == 3
    assert "timed out after 200ms waiting for mutex/m" in late.err
    assert locks.k.mutex("m").status().waiting == 0


def test_a_lease_is_acquired_renewed_and_released_under_its_token(locks: Cli) -> None:
    token = locks.ok("lease", "acquire", "l", "-o", "json").json["token"]
    assert locks("lease", "acquire", "l", "--holder", "b").code == 4
    assert locks.ok("lease", "renew", "l", "--token", str(token), "--ttl", "1h").out.startswith("renewed lease/l as")
    lost = locks("lease", "renew", "l", "--token", "5")
    assert (lost.code, lost.error.partition(":")[0]) == (6, "lease/l is not held by host-1")
    assert locks("lease", "release", "l", "--token", "5").code == 4
    assert locks.ok("lease", "release", "l", "--token", str(token)).out == "released lease/l, held by host-1\n"


def test_the_status_of_a_lease_counts_renewals_and_transitions(locks: Cli) -> None:
    lease = locks.k.lease("l")
    for holder in ("a", "a", "b"):
        held = lease.acquire(holder=holder, ttl="1h")
        held.renew()
        if holder != "b":
            held.release()
    status = locks.ok("lease", "status", "l", "-o", "json").json
    assert (status["phase"], status["holder"], status["renewals"], status["transitions"]) == ("Held", "b", 3, 1)
    shown = locks.ok("lease", "get", "l", "-o", "wide").out.splitlines()
    assert shown[0].split()[:7] == ["NAME", "HOLDER", "EXPIRES", "WAITING", "PHASE", "TTL", "RENEWALS"]
    assert locks.ok("lease", "holders", "l", "-o", "json").json["transitions"] == 1
    assert locks.ok("lease", "force-release", "l", "b").out == "released lease/l, held by b\n"
    locks.ok("lease", "reset", "l")
    assert lease.status().transitions == 0


def test_a_lease_goes_to_the_higher_priority_first(locks: Cli) -> None:
    lease = locks.k.lease("l")
    held = lease.acquire(holder="a")
    low = locks.start("lease", "acquire", "l", "--wait", "--holder", "low")
    low.said("position 1")
    high = locks.start("lease", "acquire", "l", "--wait", "--holder", "high", "--priority", "5")
    high.said("position 1")
    held.release()
    assert high.end().code == 0
    lease.release("high")
    assert low.end().code == 0


def test_an_rwmutex_has_readers_or_one_writer(locks: Cli) -> None:
    assert locks.ok("rwmutex", "rlock", "r", "--holder", "a").out.startswith("locked rwmutex/r to read as a, token ")
    assert locks.ok("rwmutex", "rlock", "r", "--holder", "b", "-o", "json").json["mode"] == "read"
    writer = locks("rwmutex", "lock", "r", "--holder", "w", "--timeout", "0")
    assert (writer.code, writer.error) == (4, "rwmutex/r would block: 2 reading, 0 waiting")
    upgrade = locks("rwmutex", "lock", "r", "--holder", "a")
    assert (upgrade.code, upgrade.error) == (
        4,
        "holder a reads rwmutex/r and asks to write: a lock is never turned into the other",
    )
    for holder in "ab":
        assert locks.ok("rwmutex", "unlock", "r", "--holder", holder).out == f"unlocked rwmutex/r, held by {holder}\n"
    locks.ok("rwmutex", "lock", "r", "--holder", "w")
    downgrade = locks("rwmutex", "rlock", "r", "--holder", "w")
    assert (downgrade.code, "asks to read" in downgrade.error) == (4, True)
    status = locks.ok("rwmutex", "status", "r", "-o", "json").json
    assert (status["phase"], status["writer"], status["readers"]) == ("WriteLocked", "w", 0)
    assert [(each["holder"], each["mode"]) for each in status["holders"]] == [("w", "write")]
    reader = locks("rwmutex", "rlock", "r", "--holder", "a", "--timeout", "0")
    assert reader.error == "rwmutex/r would block: somebody writes, 0 waiting"


def test_a_reader_behind_a_waiting_writer_waits_too(locks: Cli) -> None:
    rw = locks.k.rwmutex("r")
    rw.read(holder="a")
    writer = locks.start("rwmutex", "lock", "r", "--holder", "w")
    writer.said("position 1 in the queue, 1 reading")
    assert locks("rwmutex", "rlock", "r", "--holder", "b", "--timeout", "0").code == 4
    rows = locks.ok("rwmutex", "status", "r").out.splitlines()
    assert any(row.split()[:3] == ["POSITION", "WAITER", "MODE"] for row in rows)
    assert any(row.split()[:3] == ["1", "w", "write"] for row in rows)
    rw.unlock("a")
    assert writer.end().code == 0


def test_events_say_the_mode_and_spare_what_never_differs(locks: Cli) -> None:
    locks.k.rwmutex("r").write(holder="w").release()
    locks.k.mutex("m").lock(holder="a")
    assert "granted  holder=w mode=write token=" in locks.ok("events", "rwmutex/r").out
    assert "granted  holder=a token=" in locks.ok("events", "mutex/m").out
    modes = [event.get("mode") for event in locks.ok("events", "rwmutex/r", "-o", "json").json]
    assert modes == [None, "write", None]


def test_they_are_listed_applied_and_shown_with_the_others(locks: Cli) -> None:
    out = locks.ok("get").out
    assert all(f"{each}   " in out for each in ("lease/l", "mutex/m", "rwmutex/r"))
    manifests = locks.ok("get", "leases,mutexes,rwmutexes", "-o", "json").json
    assert [each["spec"] for each in manifests["items"]] == [{"ttl": "30m"}] * 3
    applied = locks.ok("apply", "-f", "-", stdin=json.dumps(manifests))
    assert applied.out.splitlines() == ["lease/l unchanged", "mutex/m unchanged", "rwmutex/r unchanged"]
    locks.k.rwmutex("r").write(holder="w")
    top = locks.ok("top", "--once").out
    assert "WriteLocked" in top
    assert any(row.split()[:3] == ["w", "rwmutex/r", "write"] for row in top.splitlines())


@pytest.mark.parametrize(
    "option,variables",
    [
        ("--mutex=m", {"KONDUCTOR_LEASE_MUTEX": "m"}),
        ("--lease=l", {"KONDUCTOR_LEASE_LEASE": "l"}),
        ("--rwmutex=r", {"KONDUCTOR_LEASE_RWMUTEX": "r", "KONDUCTOR_LEASE_MODE": "write"}),
        ("--rwmutex=r=read", {"KONDUCTOR_LEASE_RWMUTEX": "r", "KONDUCTOR_LEASE_MODE": "read"}),
    ],
)
def test_exec_holds_it_and_says_what(locks: Cli, option: str, variables: dict[str, str]) -> None:
    out = locks.ok("exec", option, "--", "env").out
    found = dict(line.split("=", 1) for line in out.splitlines() if line.startswith("KONDUCTOR_"))
    assert {name: value for name, value in found.items() if name.startswith("KONDUCTOR_LEASE_")} == {
        "KONDUCTOR_LEASE_TTL": "30m",
        **variables,
    }
    assert all(locks.k.permits(ref).status().holders_total == 0 for ref in ("mutex/m", "lease/l", "rwmutex/r"))


def test_exec_ends_the_command_of_a_leader_whose_lease_is_lost(locks: Cli) -> None:
    locks.k.lease("l").define(ttl="1500ms")
    leader = locks.start("exec", "--lease", "l", "--holder", "a", "--", "sh", "-c", "echo leads >&2; sleep 60")
    leader.said("leads")
    locks.k.lease("l").force_release("a")
    done = leader.end()
    assert (done.code, "lost the lease on lease/l" in done.err) == (6, True)
