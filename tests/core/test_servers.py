"""The test servers themselves do what the other tests rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from tests.servers import KINDS, Kind, free_port, until

if TYPE_CHECKING:
    from tests.conftest import FreshServer
    from tests.servers import Server


def test_a_backend_is_empty_and_runs_lua(backend: redis.Redis) -> None:
    assert backend.dbsize() == 0
    assert backend.eval("return redis.call('SET', KEYS[1], ARGV[1])", 1, "left-over", "x") == b"OK"


def test_a_shared_server_is_emptied_between_tests(client: redis.Redis) -> None:
    assert client.keys() == []


def test_a_url_of_the_server_connects(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        assert client.ping()


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_server_can_be_killed_and_started_again(fresh_server: FreshServer, kind: Kind) -> None:
    server = fresh_server(kind, tcp=True, options={"appendonly": "yes", "appendfsync": "always"})
    with redis.Redis.from_url(server.tcp_url) as client:
        client.set("kept", 1)
    server.kill()
    with pytest.raises(redis.ConnectionError), server.client(retry=None) as client:
        client.ping()
    server.start()
    with server.client() as client:
        assert client.get("kept") == b"1"


def test_a_paused_server_answers_when_it_goes_on(fresh_server: FreshServer) -> None:
    server = fresh_server("valkey")
    server.pause()
    with pytest.raises(redis.TimeoutError), server.client(socket_timeout=0.1, retry=None) as client:
        client.ping()
    server.resume()
    with server.client() as client:
        assert client.ping()


def test_a_fresh_server_can_want_a_password(fresh_server: FreshServer) -> None:
    server = fresh_server(options={"requirepass": "secret"})
    with server.client() as client:
        assert client.ping()


def test_a_sentinel_watches_a_server(fresh_server: FreshServer) -> None:
    watched = fresh_server(tcp=True)
    sentinel = fresh_server(sentinel=True, options={"sentinel": [f"monitor main 127.0.0.1 {watched.port} 1"]})
    with sentinel.client() as client:
        until(lambda: client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"), "the set is known")


def test_until_names_what_did_not_happen() -> None:
    with pytest.raises(AssertionError, match="pigs fly"):
        until(lambda: False, "pigs fly", timeout=0.02)


def test_a_server_that_cannot_start_says_why(fresh_server: FreshServer) -> None:
    with pytest.raises(AssertionError, match="no-such-option"):
        fresh_server(options={"no-such-option": "1"})


def test_free_ports_are_ports() -> None:
    assert 1024 <= free_port() <= 65_535


def test_both_kinds_are_what_they_say(redis_server: Server, valkey_server: Server) -> None:
    with redis_server.client() as ours, valkey_server.client() as other:
        assert "valkey_version" not in ours.info("server")
        assert "valkey_version" in other.info("server")
