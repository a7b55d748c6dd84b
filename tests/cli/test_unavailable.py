"""A Redis that can't be used: one clear line and exit code 5, or patience where a wait was asked for."""

from __future__ import annotations

import signal
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import cli_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.running import Cli
    from tests.conftest import FreshServer

QUICK = {"KONDUCTOR_RETRIES": "0"}


@pytest.fixture
def loading() -> Iterator[str]:
    """The URL of a server that answers everything as Redis does while it loads its data."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                commands = sum(line.startswith(b"*") for line in data.split(b"\r\n"))
                connection.sendall(b"-LOADING Redis is loading the dataset in memory\r\n" * commands)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ("barrier", "arrive", "b"),
        ("barrier", "status", "b"),
        ("semaphore", "acquire", "s"),
        ("semaphore", "release", "s"),
        ("get",),
        ("events",),
        ("barrier", "watch"),
        ("delete", "barrier", "b", "c"),
    ],
)
def test_a_redis_that_is_not_there_is_named(cli: Cli, arguments: tuple[str, ...]) -> None:
    refused = cli(*arguments, "--redis-url", "redis://127.0.0.1:1/0", **QUICK)
    assert refused.code == 5
    assert refused.error.startswith("Redis at redis://127.0.0.1:1")
    assert "hint: is it running" in refused.err


def test_a_wait_with_a_timeout_is_patient_with_a_redis_that_is_not_there(cli: Cli) -> None:
    ended = cli("barrier", "wait", "b", "--timeout", "300ms", "--redis-url", "redis://127.0.0.1:1/0", **QUICK)
    assert ended.code in {3, 5}
    assert "trying again" in ended.err
    assert "Traceback" not in ended.err


def test_a_host_that_does_not_exist_is_named(cli: Cli) -> None:
    refused = cli("barrier", "status", "b", "--redis-url", "redis://nowhere.invalid:6379/0", **QUICK)
    assert refused.code == 5
    assert "nowhere.invalid" in refused.error


def test_passwords_are_told_apart_and_never_printed(cli: Cli, fresh_server: FreshServer) -> None:
    locked = fresh_server("valkey", options={"requirepass": "sesame"})
    without = f"unix://{locked.socket}"
    refused = cli("barrier", "status", "b", "--redis-url", without)
    assert refused.code == 5
    assert "wants a password" in refused.error
    wrong = cli("barrier", "status", "b", "--redis-url", f"unix://:open@{locked.socket}", "-v", "--log-level=debug")
    assert wrong.code == 5
    assert "refused the user name or password" in wrong.err
    assert "open@" not in wrong.err
    unneeded = cli("barrier", "status", "b", KONDUCTOR_REDIS_PASSWORD="secret")
    assert unneeded.code == 5
    assert "secret" not in unneeded.err
    right = cli("barrier", "status", "b", "--redis-url", without, KONDUCTOR_REDIS_PASSWORD="sesame")
    assert right.code == 2


def test_a_read_only_replica_is_named(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server("redis")
    with server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
    with cli_on(server.url, tmp_path) as cli:
        refused = cli("barrier", "create", "b", "--expected", "5")
    assert refused.code == 5
    assert "is a read-only replica" in refused.error
    assert "redis+sentinel://" in refused.err


def test_a_redis_out_of_memory_refuses_grants_but_takes_releases(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server("redis")
    with cli_on(server.url, tmp_path) as cli, server.client() as client:
        cli.k.semaphore("s").define(2)
        cli.k.semaphore("s").acquire(holder="host-1")
        client.config_set("maxmemory", "1")
        refused = cli("semaphore", "acquire", "s", "--holder", "other", **QUICK)
        assert refused.code == 5
        assert "is out of memory" in refused.error
        cli.ok("semaphore", "release", "s")


def test_a_redis_that_loads_its_data_is_named(cli: Cli, loading: str) -> None:
    refused = cli("barrier", "arrive", "b", "--redis-url", loading, **QUICK)
    assert refused.code == 5
    assert "is loading its data" in refused.error


def test_a_redis_that_does_not_answer_ends_after_the_socket_timeout(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server("valkey")
    with cli_on(server.url, tmp_path) as cli:
        server.pause()
        refused = cli("barrier", "status", "b", KONDUCTOR_SOCKET_TIMEOUT="200ms", **QUICK)
        server.resume()
    assert refused.code == 5
    assert "does not answer in time" in refused.error


def test_a_user_without_rights_is_told_so(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server("valkey")
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "eve", "on", ">eve", "~other:*", "+@all")
    with cli_on(server.url, tmp_path) as cli:
        refused = cli("barrier", "arrive", "b", KONDUCTOR_REDIS_USERNAME="eve", KONDUCTOR_REDIS_PASSWORD="eve")
    assert refused.code == 5
    assert "does not allow this user" in refused.error


def test_a_wait_outlives_a_restart_of_redis(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server("valkey")
    with cli_on(server.url, tmp_path) as cli:
        cli.k.barrier("b").define(1)
        waiter = cli.start("barrier", "wait", "b", "--timeout", "30s", **QUICK)
        waiter.said("0/1 arrived")
        server.kill()
        waiter.said("trying again")
        server.start()
        waiter.said("does not exist yet")
        cli.k.barrier("b").define(1)
        cli.k.barrier("b").arrive()
        assert waiter.end().code == 0


@pytest.mark.parametrize("verb", [("barrier", "watch", "b"), ("events", "-f")])
def test_watching_outlives_a_restart_of_redis(fresh_server: FreshServer, tmp_path: Path, verb: tuple[str, ...]) -> None:
    server = fresh_server("valkey")
    with cli_on(server.url, tmp_path) as cli:
        cli.k.barrier("b").define(1)
        watching = cli.start(*verb, **QUICK)
        watching.said("b")
        server.kill()
        watching.said("trying again")
        server.start()
        cli.k.barrier("b").define(7)
        cli.k.barrier("b").arrive("me")
        watching.said("1/7" if "watch" in verb else "me")
        assert watching.end(signal.SIGINT).code == 130


def test_verbosity_tells_where_we_connect_to_without_the_password(cli: Cli) -> None:
    told = cli("barrier", "status", "b", "-v", "--redis-url", "redis://u:secret@127.0.0.1:1/3", **QUICK)
    assert "INFO koncli: redis://127.0.0.1:1/3, namespace etl, holder host-1" in told.err
    assert "secret" not in told.err


def test_a_value_of_another_program_under_our_key_is_no_traceback(cli: Cli, valkey_server: object) -> None:
    cli.k.barrier("b").define(1)
    with valkey_server.client() as client:  # type: ignore[attr-defined]
        for key in client.scan_iter("konductor:*"):
            client.delete(key)
            client.set(key, "something else")
    refused = cli("barrier", "arrive", "b")
    assert refused.code == 1
    assert "holds something else under a key of Konductor" in refused.error
