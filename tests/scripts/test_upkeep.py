"""What only the controller's scripts do: end the leases of the dead, and note what was looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core.codes import Code
from konductor_core.flows import upkeep
from tests.scripts.bench import NAMESPACE, UID

if TYPE_CHECKING:
    from tests.scripts.bench import Bench

OTHER = "3f1c2f9e-0000-4000-8000-000000000002"


def reclaim(bench: Bench, holder: str, token: int, uid: str) -> bool:
    return bench.k.driver.run(upkeep.reclaim(bench.keys(), holder, token, uid))


def test_the_lease_of_a_pod_that_is_gone_ends_and_the_next_gets_it(bench: Bench) -> None:
    bench.semaphore(2)
    token = bench.ask("a", 2, pod="pod-a").attempt().token
    (waiter,) = bench.queue("b")
    assert reclaim(bench, "a", token, UID)
    assert waiter.messages()[0].startswith("granted")
    assert bench.holders() == {"b": 1}
    event = next(each for each in bench.events() if each.type == "reclaimed")
    assert (event.holder, event.token, event.detail) == ("a", token, f"pod {UID} is gone")


@pytest.mark.parametrize("other", ["token", "uid", "holder"])
def test_any_other_lease_stays(other: str, bench: Bench) -> None:
    bench.semaphore(1)
    token = bench.ask("a", pod="pod-a").attempt().token
    dump = bench.dump()
    assert not reclaim(
        bench, "x" if other == "holder" else "a", token + (other == "token"), OTHER if other == "uid" else UID
    )
    assert bench.dump() == dump


def test_a_lease_without_a_uid_is_not_that_of_a_pod_that_has_one(bench: Bench) -> None:
    bench.semaphore(1)
    token = bench.ask("a").attempt().token
    assert not reclaim(bench, "a", token, UID)
    assert reclaim(bench, "a", token, "")


def test_reclaiming_again_takes_nothing_from_who_came_after(bench: Bench) -> None:
    bench.semaphore(1)
    token = bench.ask("a", pod="pod-a").attempt().token
    assert reclaim(bench, "a", token, UID)
    bench.ask("a", pod="pod-a").attempt()
    assert not reclaim(bench, "a", token, UID)
    assert bench.holders() == {"a": 1}


def test_reclaiming_what_does_not_exist_makes_nothing(bench: Bench) -> None:
    assert not reclaim(bench, "a", 1, UID)
    assert bench.all_keys() == []


def test_a_grant_that_a_dead_waiter_never_confirmed_is_reclaimed_with_its_mark(bench: Bench) -> None:
    sem = bench.semaphore(1)
    sem.acquire(timeout=0, holder="other")
    dead, alive = bench.ask("dead", pod="pod-a"), bench.ask("alive")
    dead.wait()
    alive.wait()
    sem.release("other")
    (pending,) = sem.status().holders
    assert pending.pending
    assert reclaim(bench, "dead", pending.token, UID)
    assert alive.messages()[-1].startswith("granted")
    assert bench.client.hkeys(bench.keys().meta + ":waiting") == ["alive"]


def test_a_later_pod_that_goes_on_with_a_lease_becomes_its_owner(bench: Bench) -> None:
    bench.semaphore(1)
    first = bench.ask("a", pod="pod-a").attempt()
    bench.client.hset(bench.keys().meta + ":lease:a", "uid", OTHER)  # as an earlier pod of the name left it
    assert bench.ask("a", pod="pod-a").attempt().token == first.token
    (holder,) = bench.k.semaphore("x").status().holders
    assert holder.uid == UID
    assert not reclaim(bench, "a", first.token, OTHER)


def test_what_changed_before_the_look_is_taken_out_and_the_rest_stays(bench: Bench) -> None:
    for name in ("x", "y", "z"):
        bench.semaphore(1, name=name)
    key = f"konductor:{{{NAMESPACE}}}:dirty"
    at = {name: int(bench.client.zscore(key, f"semaphore/{name}") or 0) for name in ("x", "y", "z")}
    bench.k.driver.run(
        upkeep.clean(NAMESPACE, {"semaphore/x": at["x"] + 1, "semaphore/y": at["y"], "semaphore/none": 10**15})
    )
    assert bench.k.driver.run(upkeep.changed(NAMESPACE)) == ["semaphore/y", "semaphore/z"]


def test_the_servers_time_is_that_of_its_scripts(bench: Bench) -> None:
    bench.semaphore(1)
    before = bench.k.semaphore("x").status().now_ms
    assert before <= bench.k.driver.run(upkeep.now_ms(NAMESPACE)) <= bench.k.semaphore("x").status().now_ms
    assert bench.script("dirty_clean", [f"konductor:{{{NAMESPACE}}}:dirty"])[0] == Code.CLEANED
