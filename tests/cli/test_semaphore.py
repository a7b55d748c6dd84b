"""`koncli semaphore`: its verbs, what they print, how they end."""

import pytest

from tests.cli.running import Cli


@pytest.fixture
def sem(cli: Cli) -> Cli:
    cli.k.semaphore("s").define(permits=2, ttl="30m")
    return cli


def test_create_says_whether_it_created_updated_or_found_nothing_to_do(cli: Cli) -> None:
    create = ("semaphore", "create", "s", "--ttl", "30m", "-l", "stage=load", "--permits")
    assert cli.ok(*create, "2").out == "semaphore/s created\n"
    assert cli.ok(*create, "2").out == "semaphore/s unchanged\n"
    assert cli.ok(*create, "3").out == "semaphore/s updated\n"
    assert cli.ok(*create, "3", "-o", "json").json == {
        "kind": "Semaphore",
        "name": "s",
        "namespace": "etl",
        "action": "unchanged",
    }


def test_create_takes_policy_and_bypass(cli: Cli) -> None:
    cli.ok("semaphore", "create", "s", "--permits", "0", "--policy", "backfill", "--max-bypass", "30s")
    status = cli.ok("semaphore", "status", "s", "-o", "json").json
    assert (status["phase"], status["policy"], status["maxBypass"], status["ttl"]) == (
        "Paused",
        "Backfill",
        "30s",
        "5m",
    )


def test_acquire_prints_the_grant(sem: Cli) -> None:
    text = sem.ok("semaphore", "acquire", "s", "--ttl", "30s").out
    assert text.startswith("acquired 1 permit of semaphore/s as host-1, token ")
    assert text.endswith(", expires in 30s\n")
    grant = sem.ok("semaphore", "acquire", "s", "-o", "json", "--holder", "other").json
    assert isinstance(grant.pop("token"), int)
    assert grant.pop("expiresIn").startswith("29m59")
    assert grant == {
        "kind": "Semaphore",
        "name": "s",
        "namespace": "etl",
        "holder": "other",
        "permits": 1,
        "ttl": "30m",
    }


def test_the_same_holder_again_gets_the_same_token(sem: Cli) -> None:
    tokens = [sem.ok("semaphore", "acquire", "s", "-o", "json").json["token"] for _ in range(2)]
    assert tokens[0] == tokens[1]
    assert sem.k.semaphore("s").status().in_use == 1


@pytest.mark.parametrize("way", [(), ("--timeout=0",)])
def test_a_try_that_would_block_is_denied_and_leaves_no_waiter(sem: Cli, way: tuple[str, ...]) -> None:
    sem.k.semaphore("s").acquire(2, holder="a")
    refused = sem("semaphore", "acquire", "s", *way)
    assert refused.code == 4
    assert "would block" in refused.error
    assert sem.k.semaphore("s").status().waiting == 0


def test_a_wait_with_a_timeout_ends_with_exit_code_3_and_leaves_no_waiter(sem: Cli) -> None:
    sem.k.semaphore("s").acquire(2, holder="a")
    ended = sem("semaphore", "acquire", "s", "--wait", "--timeout", "200ms")
    assert ended.code == 3
    assert ended.err.splitlines()[0].startswith("semaphore/s: position 1 in the queue, 2/2 permits in use")
    assert "error: timed out after 200ms waiting for semaphore/s" in ended.err
    assert sem.k.semaphore("s").status().waiting == 0


def test_more_than_there_will_ever_be_is_refused_at_once(sem: Cli) -> None:
    refused = sem("semaphore", "acquire", "s", "--permits=3", "--wait", "-o", "json")
    assert refused.code == 4
    assert '"code": "impossible"' in refused.err
    assert refused.out == ""


def test_a_waiter_gets_the_permit_that_is_released(sem: Cli) -> None:
    sem.k.semaphore("s").acquire(2, holder="a")
    waiter = sem.start("semaphore", "acquire", "s", "--wait", "--holder", "b", "-o", "json")
    waiter.said("position 1 in the queue")
    sem.k.semaphore("s").release("a")
    ended = waiter.end()
    assert ended.code == 0
    assert ended.json["holder"] == "b"


def test_a_higher_priority_goes_first(sem: Cli) -> None:
    sem.k.semaphore("s").acquire(2, holder="a")
    low = sem.start("semaphore", "acquire", "s", "--permits=2", "--wait", "--holder", "low")
    low.said("position 1")
    high = sem.start("semaphore", "acquire", "s", "--permits=2", "--wait", "--holder", "high", "--priority", "5")
    high.said("position 1")
    sem.k.semaphore("s").release("a")
    assert high.end().code == 0
    assert low.process.poll() is None


def test_waiting_also_waits_for_a_semaphore_that_does_not_exist_yet(cli: Cli) -> None:
    waiter = cli.start("semaphore", "acquire", "later", "--timeout", "20s")
    waiter.said("semaphore/later does not exist yet")
    cli.k.semaphore("later").define(permits=1)
    assert waiter.end().code == 0


@pytest.mark.parametrize("way", [(), ("--wait", "--must-exist"), ("--timeout=20s", "--must-exist")])
def test_a_missing_semaphore_is_not_found_at_once_unless_waiting_is_wanted(cli: Cli, way: tuple[str, ...]) -> None:
    refused = cli("semaphore", "acquire", "missing", *way)
    assert refused.code == 2
    assert "semaphore/missing does not exist" in refused.error


def test_renew_moves_the_expiry_and_keeps_the_token(sem: Cli) -> None:
    token = sem.ok("semaphore", "acquire", "s", "-o", "json").json["token"]
    renewed = sem.ok("semaphore", "renew", "s", "--ttl", "1h", "-o", "json").json
    assert (renewed["token"], renewed["ttl"]) == (token, "1h")


def test_renewing_what_is_not_held_is_a_lost_lease(sem: Cli) -> None:
    lost = sem("semaphore", "renew", "s")
    assert lost.code == 6
    assert "not held by host-1" in lost.error


def test_releasing_what_is_not_held_is_denied_but_a_cleanup_may_ignore_that(sem: Cli) -> None:
    denied = sem("semaphore", "release", "s")
    assert denied.code == 4
    assert denied.error == "host-1 does not hold semaphore/s"
    ignored = sem.ok("semaphore", "release", "s", "--ignore-not-held")
    assert ignored.out == "host-1 does not hold semaphore/s\n"
    assert ignored.err == ""


def test_releasing_after_the_expiry_says_that_the_lease_was_lost(sem: Cli) -> None:
    sem.ok("semaphore", "acquire", "s", "--permits=2", "--ttl", "300ms")
    # Whoever waits is granted when the lease has expired, so the wait ends right after it.
    sem.k.semaphore("s").acquire(holder="next", timeout="20s")
    lost = sem("semaphore", "release", "s", "-o", "json")
    assert lost.code == 6
    assert '"code": "lease-lost"' in lost.err
    assert sem.ok("semaphore", "release", "s", "--ignore-not-held", "-o", "json").json["outcome"] in {
        "expired",
        "not-held",
    }


def test_releasing_another_token_gives_back_nothing(sem: Cli) -> None:
    token = sem.ok("semaphore", "acquire", "s", "-o", "json").json["token"]
    assert sem("semaphore", "release", "s", "--token", str(token - 1)).code in {4, 6}
    assert sem.k.semaphore("s").status().in_use == 1
    sem.ok("semaphore", "release", "s", "--token", str(token))


@pytest.mark.parametrize("verb", ["release", "renew", "status", "reset", "holders"])
def test_a_missing_semaphore_is_not_found(cli: Cli, verb: str) -> None:
    refused = cli("semaphore", verb, "missing")
    assert refused.code == 2
    assert "semaphore/missing does not exist" in refused.error


def test_a_lease_without_end_needs_a_pod_or_force(sem: Cli) -> None:
    refused = sem("semaphore", "acquire", "s", "--ttl", "0")
    assert refused.code == 64
    assert "--force" in refused.err
    assert "never expires" in sem.ok("semaphore", "acquire", "s", "--ttl", "0", "--force").out
    in_pod = sem.ok("semaphore", "acquire", "s", "--ttl=0", "--holder=p", POD_NAME="p", POD_UID="u-1", NODE_NAME="n")
    assert "never expires" in in_pod.out
    assert " p " in sem.ok("semaphore", "holders", "s", "-o", "wide").out


def test_force_release_ends_somebody_elses_lease(sem: Cli) -> None:
    sem.k.semaphore("s").acquire(holder="stuck")
    assert sem.ok("semaphore", "force-release", "s", "stuck").out == "released semaphore/s, held by stuck\n"
    assert sem("semaphore", "force-release", "s", "--holder", "stuck").code == 4
    assert sem("semaphore", "force-release", "s").code == 64


def test_holders_are_listed_with_token_and_expiry(sem: Cli) -> None:
    assert sem.ok("semaphore", "holders", "s").err == "nobody holds semaphore/s\n"
    grant = sem.ok("semaphore", "acquire", "s", "--holder", "日本 😀", "-o", "json").json
    table = sem.ok("semaphore", "holders", "s").out
    assert "日本 😀" in table
    assert str(grant["token"]) in table
    holders = sem.ok("semaphore", "holders", "s", "-o", "json").json
    assert (holders["inUse"], holders["holders"][0]["token"]) == (1, grant["token"])
    assert sem.ok("semaphore", "holders", "s", "-o", "name").out == "日本 😀\n"


def test_reset_starts_anew_with_the_same_spec(sem: Cli) -> None:
    sem.k.semaphore("s").acquire()
    assert sem.ok("semaphore", "reset", "s").out == "semaphore/s reset\n"
    status = sem.ok("semaphore", "status", "s", "-o", "json").json
    assert (status["inUse"], status["permits"], status["ttl"]) == (0, 2, "30m")


def test_delete_of_a_missing_object_is_not_found_unless_ignored(sem: Cli) -> None:
    assert sem.ok("semaphore", "delete", "s").out == "semaphore/s deleted\n"
    assert sem("semaphore", "delete", "s").code == 2
    assert sem.ok("semaphore", "delete", "s", "--ignore-not-found").out == "semaphore/s absent\n"


def test_deleting_several_goes_on_after_one_that_is_missing(sem: Cli) -> None:
    ended = sem("semaphore", "delete", "missing", "s")
    assert ended.code == 2
    assert ended.out == "semaphore/s deleted\n"
    assert "semaphore/missing does not exist" in ended.error


@pytest.mark.parametrize("variable", ["KONDUCTOR_HOLDER", "KONDUCTOR_HOLDER_ID", "POD_NAME"])
def test_the_holder_is_who_the_environment_says(sem: Cli, variable: str) -> None:
    grant = sem.ok("semaphore", "acquire", "s", "-o", "json", **{variable: "me"}).json
    assert grant["holder"] == "me"
