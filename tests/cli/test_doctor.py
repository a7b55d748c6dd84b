"""`koncli doctor` tells healthy servers from those on which Konductor would not work, and says what to do."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from koncli.checks.clock import _judge
from koncli.checks.findings import bad, doubtful, good, hidden, worst
from koncli.checks.rights import TRIED
from konductor_core import acl
from konductor_core.scripts import SCRIPTS
from tests.cli.conftest import cli_on
from tests.clusters import ClusterSet
from tests.sentinels import SentinelSet
from tests.topologies import TenantServer

if TYPE_CHECKING:
    from tests.cli.running import Cli, Result
    from tests.conftest import FreshServer
    from tests.servers import Server

NAMES = ["connection", "server", "topology", "memory", "persistence", "replicas", "clock", "rights", "channel"]
NAMES += ["scripts"]
QUICK = {"KONDUCTOR_RETRIES": "0"}
LASTING = {"appendonly": "yes"}


def directory() -> Path:
    return Path(tempfile.mkdtemp(prefix="konductor-"))


def examined(url: str, home: Path, *flags: str, **env: str) -> tuple[Result, dict[str, Any]]:
    """Run the doctor on a server; return how it ended, and its checks by name."""
    with cli_on(url, home) as cli:
        result = cli("doctor", "-o", "json", *flags, **env)
    assert "Traceback" not in result.err, result
    assert result.out, result
    document = result.json
    assert [check["name"] for check in document["checks"]] == NAMES
    for check in document["checks"]:
        assert bool(check.get("remedy")) == (check["verdict"] != "ok"), check
    return result, {check["name"]: check for check in document["checks"]} | {"verdict": document["verdict"]}


def verdicts(checks: dict[str, Any], *names: str) -> list[str]:
    return [checks[name]["verdict"] for name in names]


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_a_server_that_is_as_it_should_be_is_fine(fresh_server: FreshServer, tmp_path: Path, kind: Any) -> None:
    server = fresh_server(kind, options=LASTING)
    result, checks = examined(server.url, tmp_path)
    assert result.code == 0, result
    assert checks["verdict"] == "ok", checks
    assert checks["server"]["message"].lower().startswith(kind)
    assert f"{len(SCRIPTS)} scripts" in checks["scripts"]["message"]
    with server.client() as client:
        assert client.keys("*") == []


def test_people_get_a_line_for_each_check_and_a_verdict_at_the_end(fresh_server: FreshServer, tmp_path: Path) -> None:
    with cli_on(fresh_server("valkey").url, tmp_path) as cli:
        shown = cli.ok("doctor")
        assert cli.ok("doctor", "-o", "name").out == "warn\n"
        assert cli.ok("doctor", "-o", "yaml").out.startswith("verdict: warn\nchecks:\n")
    lines = shown.out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith(("ok ", "warn "))] == NAMES
    assert any(line.strip() == "→ set appendonly yes and appendfsync everysec" for line in lines)
    assert lines[-1].startswith("warn: ")
    assert shown.err == ""


def test_a_server_that_would_evict_leases_fails(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server("valkey", options={"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"})
    result, checks = examined(server.url, tmp_path)
    assert result.code == 6
    assert checks["verdict"] == checks["memory"]["verdict"] == "fail"
    assert "noeviction" in checks["memory"]["remedy"]


def test_a_wrong_policy_without_a_limit_is_a_warning(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server("valkey", options={"maxmemory-policy": "volatile-ttl"})
    result, checks = examined(server.url, tmp_path)
    assert result.code == 0
    assert checks["memory"]["verdict"] == "warn"


def test_a_server_out_of_memory_fails(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server("redis", options={"maxmemory": "1"})
    result, checks = examined(server.url, tmp_path)
    assert result.code == 6
    assert checks["memory"]["verdict"] == "fail"
    assert "raise maxmemory" in checks["memory"]["remedy"]


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_a_replica_is_no_place_for_konductor(fresh_server: FreshServer, tmp_path: Path, kind: Any) -> None:
    server = fresh_server(kind)
    with server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
    result, checks = examined(server.url, tmp_path)
    assert result.code == 6
    assert checks["topology"]["verdict"] == "fail"
    assert "redis+sentinel://" in checks["topology"]["remedy"]
    assert "read-only replica" in checks["rights"]["message"]


def test_too_few_replicas_for_what_is_wanted_fail(fresh_server: FreshServer, tmp_path: Path) -> None:
    result, checks = examined(fresh_server("valkey").url, tmp_path, KONDUCTOR_MIN_REPLICAS="1")
    assert result.code == 6
    assert checks["replicas"]["verdict"] == "fail"
    assert "KONDUCTOR_MIN_REPLICAS" in checks["replicas"]["remedy"]


def test_a_redis_that_is_not_there_ends_the_examination(tmp_path: Path) -> None:
    result, checks = examined("redis://127.0.0.1:1/0", tmp_path, **QUICK)
    assert result.code == 5
    assert checks["connection"]["verdict"] == "fail"
    assert set(verdicts(checks, *NAMES[1:])) == {"unknown"}
    with cli_on("redis://127.0.0.1:1/0", tmp_path) as cli:
        shown = cli("doctor", **QUICK)
    assert shown.code == 5
    assert len(shown.out.splitlines()) == 3


def test_a_redis_that_does_not_answer_ends_after_the_socket_timeout(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server("valkey")
    server.pause()
    result, checks = examined(server.url, tmp_path, KONDUCTOR_SOCKET_TIMEOUT="200ms", **QUICK)
    server.resume()
    assert result.code == 5
    assert "does not answer in time" in checks["connection"]["message"]


def test_a_wrong_password_is_named_and_not_shown(fresh_server: FreshServer, tmp_path: Path) -> None:
    locked = fresh_server("valkey", options={"requirepass": "sesame"})
    result, checks = examined(f"unix://:open@{locked.socket}", tmp_path)
    assert result.code == 5
    assert "refused the user name or password" in checks["connection"]["message"]
    assert "open" not in result.out
    result, checks = examined(f"unix://{locked.socket}", tmp_path)
    assert result.code == 5
    assert "wants a password" in checks["connection"]["message"]


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_a_confined_user_may_do_all_there_is_to_do_and_see_less(
    tmp_path: Path, kind: Any, fresh_server: FreshServer
) -> None:
    fresh_server(kind)  # skips where the server is missing
    with TenantServer(kind, directory()) as server:
        result, checks = examined(server.url, tmp_path)
        beyond, theirs = examined(server.url, tmp_path, "-n", "somebody-elses")
    assert result.code == 0, result
    assert checks["verdict"] == "unknown"
    assert set(verdicts(checks, "memory", "persistence", "replicas")) == {"unknown"}
    assert set(verdicts(checks, "connection", "server", "topology", "clock", "rights", "channel", "scripts")) == {"ok"}
    assert checks["server"]["message"].lower().startswith(kind)
    assert beyond.code == 6
    assert theirs["rights"]["verdict"] == "fail"
    assert "~konductor:{somebody-elses}:*" in theirs["rights"]["remedy"]


def with_user(server: Server, *rules: str) -> str:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "team", "reset", "on", ">team", *rules)
    return f"unix://team:team@{server.socket}"


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_each_missing_command_is_named(fresh_server: FreshServer, tmp_path: Path, kind: Any) -> None:
    url = with_user(fresh_server(kind), *acl.tenant("etl"), "-zadd", "-hset")
    result, checks = examined(url, tmp_path)
    assert result.code == 6
    assert checks["rights"]["message"] == "user team may not run hset, zadd"
    assert checks["rights"]["remedy"].startswith("ACL SETUSER team +hset +zadd")


@pytest.mark.parametrize("command", ["blpop", "eval", "smembers", "del"])
def test_a_missing_command_of_the_drivers_is_named(fresh_server: FreshServer, tmp_path: Path, command: str) -> None:
    server = fresh_server("valkey")
    result, checks = examined(with_user(server, *acl.tenant("etl"), f"-{command}"), tmp_path)
    assert result.code == 6
    assert checks["rights"]["message"] == f"user team may not run {command}"
    with server.client() as client:
        assert client.keys("*") == []


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_a_user_without_the_channel_works_slowly(fresh_server: FreshServer, tmp_path: Path, kind: Any) -> None:
    url = with_user(fresh_server(kind), *acl.tenant("etl"), "resetchannels")
    result, checks = examined(url, tmp_path)
    assert result.code == 0
    assert verdicts(checks, "rights", "channel") == ["ok", "warn"]
    assert "&konductor:{etl}:*" in checks["channel"]["remedy"]


def test_every_command_of_the_scripts_is_tried() -> None:
    assert {words.split()[0] for words in TRIED} | {"publish"} == set(acl.SCRIPT_COMMANDS)


def test_behind_sentinels_the_master_is_examined(tmp_path: Path, fresh_server: FreshServer) -> None:
    fresh_server("valkey")
    with SentinelSet("valkey", directory()) as servers:
        result, checks = examined(servers.url, tmp_path, KONDUCTOR_MIN_REPLICAS="1")
        port = servers.sentinel.port
        asked, sentinel = examined(f"redis://127.0.0.1:{port}/0", tmp_path)
    assert result.code == 0, checks
    assert checks["topology"]["verdict"] == "warn"
    assert "three or more" in checks["topology"]["remedy"]
    assert checks["replicas"]["message"].startswith("1 online")
    assert asked.code == 6
    assert "redis+sentinel://" in sentinel["topology"]["remedy"]


def test_of_a_cluster_the_namespaces_node_is_examined(tmp_path: Path, fresh_server: FreshServer) -> None:
    fresh_server("valkey")
    with ClusterSet("valkey", directory()) as cluster:
        result, checks = examined(cluster.url, tmp_path)
        node = cluster.owner("etl")
        alone, one = examined(f"redis://127.0.0.1:{node.port}/0", tmp_path)
    assert result.code == 0, checks
    assert checks["topology"]["verdict"] == "ok"
    assert "3 masters" in checks["topology"]["message"]
    assert alone.code == 6
    assert "redis+cluster://" in one["topology"]["remedy"]


def test_a_clock_that_jumps_is_told_from_one_that_runs() -> None:
    even = [(1_000.0 + at, at, at + 1.0) for at in (0.0, 30.0, 60.0)]
    assert _judge(even, 5.0).verdict == "ok"
    assert _judge([*even[:2], (900.0, 60.0, 61.0)], 0.0).verdict == "fail"
    assert _judge([*even[:2], (9_000.0, 60.0, 61.0)], 0.0).verdict == "warn"


def test_the_verdict_is_the_worst_of_all() -> None:
    found = [good("a"), hidden("b", "x"), doubtful("c", "x"), bad("d", "x")]
    assert [worst(found[:count]) for count in (1, 2, 3, 4)] == ["ok", "unknown", "warn", "fail"]


def test_a_bad_url_is_a_line(cli: Cli) -> None:
    refused = cli("doctor", "--redis-url", "http://x")
    assert refused.code == 64
    assert refused.error
