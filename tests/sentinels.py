"""A master, replicas and a Sentinel: private, and used like one `Server`."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import pytest

from tests.servers import Kind, Server, until

if TYPE_CHECKING:
    import redis

__all__ = ["SERVICE", "SentinelSet"]

SERVICE: Final = "konductor"


def role(server: Server) -> list[Any]:
    """Return what the server says of its role: master or slave, then details."""
    with server.client(decode_responses=True) as client:
        reply: Any = client.execute_command("ROLE")
    return list(reply)


class SentinelSet:
    """A replicated server, and one Sentinel that may promote a replica. `servers` has all servers, in no order."""

    def __init__(self, kind: Kind, directory: Path, *, replicas: int = 1, **options: str) -> None:
        self.kind = kind
        self._directory = directory
        self._stack = ExitStack()
        self.servers = [self._server(options) for _ in range(1 + replicas)]
        self.sentinel: Server

    def _server(self, options: dict[str, str]) -> Server:
        directory = Path(tempfile.mkdtemp(dir=self._directory))
        return Server(self.kind, directory, tcp=True, options={"repl-diskless-sync-delay": "0"} | options)

    @property
    def url(self) -> str:
        """The URL of the service."""
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{SERVICE}"

    @property
    def socket(self) -> Path:
        """Not there: a test that stands a proxy before a server skips."""
        pytest.skip("this test needs a single server")

    def client(self, **options: Any) -> redis.Redis:
        """Return a client of the present master."""
        return self.master.client(**options)

    @property
    def master(self) -> Server:
        """The server that the Sentinel calls the master."""
        with self.sentinel.client(decode_responses=True) as client:
            reply: Any = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(server for server in self.servers if str(server.port) == reply[1])

    @property
    def replicas(self) -> list[Server]:
        """All servers but the master."""
        master = self.master
        return [server for server in self.servers if server is not master]

    def failover(self) -> None:
        """Make a replica the master; the old one takes writes for some ten seconds more, until it is demoted."""
        before = self.master
        until(self._is_whole, "the Sentinel knows healthy replicas")
        with self.sentinel.client() as client:
            client.execute_command("SENTINEL", "FAILOVER", SERVICE)
        self.await_other_master(before)

    def sever(self) -> None:
        """Let the replicas have all that was written up to now, and nothing of what the master takes from now on."""
        with self.master.client() as client:
            client.execute_command("WAIT", len(self.servers) - 1, 5_000)
            client.execute_command("ACL", "SETUSER", "default", "-psync", "-sync", "-replconf")
            client.execute_command("CLIENT", "KILL", "TYPE", "replica")

    def await_other_master(self, before: Server, timeout: float = 20.0) -> None:
        """Return once another server than `before` is the master, and knows it."""
        until(
            lambda: self.master is not before and role(self.master)[0] == "master",
            "a replica took over",
            timeout=timeout,
        )

    def await_whole(self) -> None:
        """Return once all replicas follow the master: a busy machine may have made the Sentinel replace it before."""

        def follows(server: Server, master: Server) -> bool:
            mine = role(server)
            return mine[0] == "slave" and (mine[2], mine[3]) == (master.port, "connected")

        until(lambda: all(follows(server, self.master) for server in self.replicas), "replicas follow", timeout=40)

    def _is_whole(self) -> bool:
        with self.sentinel.client(decode_responses=True) as client:
            rows: Any = client.execute_command("SENTINEL", "REPLICAS", SERVICE)
        return sum(_fields(row).get("master-link-status") == "ok" for row in rows) == len(self.servers) - 1

    def start(self) -> Self:
        """Start all servers, then the Sentinel."""
        master, *replicas = [self._stack.enter_context(server) for server in self.servers]
        for replica in replicas:
            with replica.client() as client:
                client.replicaof("127.0.0.1", str(master.port))
        until(lambda: all(role(r)[3] == "connected" for r in replicas), "the replicas follow the master", timeout=20)
        watch = [
            f"monitor {SERVICE} 127.0.0.1 {master.port} 1",
            f"down-after-milliseconds {SERVICE} 500",
            f"failover-timeout {SERVICE} 3000",
        ]
        options: dict[str, str | list[str]] = {"sentinel": watch}
        directory = Path(tempfile.mkdtemp(dir=self._directory))
        self.sentinel = self._stack.enter_context(Server(self.kind, directory, sentinel=True, options=options))
        return self

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        shutil.rmtree(self._directory, ignore_errors=True)


def _fields(row: Any) -> dict[str, str]:
    return row if isinstance(row, dict) else dict(zip(row[::2], row[1::2], strict=True))
