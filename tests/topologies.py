"""The deployments that Konductor runs on, each made of private servers and used like one `Server`.

KONDUCTOR_TEST_DEPLOYMENT chooses what the fixtures `server`, `url` and `client` give; `DEPLOYMENTS` has its values.

    url                 what a user would set as KONDUCTOR_REDIS_URL, with all that is needed to connect
    client(**options)   redis-py's client for the tests themselves, which may do anything
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Self

import pytest

from konductor_core import acl
from tests.certificates import Authority
from tests.clusters import ClusterSet
from tests.sentinels import SentinelSet
from tests.servers import Kind, Server, free_port

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DEPLOYMENTS", "NAME", "Deployment", "TcpServer", "TenantServer", "TlsServer", "deployment"]

PASSWORD: Final = "p@ss/w:rd?#%é"
ESCAPED: Final = "p%40ss%2Fw%3Ard%3F%23%25%C3%A9"
NAMESPACES: Final = ("default", "etl", "n", "of-the-variable", "other", "races", "team", "team-a")
"""Those that tests use. The tenant of the `acl` deployment is a tenant of all of them, and of nothing else."""


class TcpServer(Server):
    """A standalone server behind a TCP port, with a password of odd characters."""

    def __init__(self, kind: Kind, directory: Path) -> None:
        super().__init__(kind, directory, tcp=True, options={"requirepass": PASSWORD})

    @property
    def url(self) -> str:
        return f"redis://:{ESCAPED}@127.0.0.1:{self.port}/0"


class TlsServer(Server):
    """A server that speaks TLS only (but for the unix socket of the tests) and wants a client's certificate."""

    def __init__(self, kind: Kind, directory: Path, **options: str) -> None:
        if kind == "valkey":
            pytest.skip("the Valkey of the wheel is built without TLS")
        self.authority = Authority(directory)
        self.client_pair = self.authority.issue("client")
        self.tls_port = free_port()
        own = self.authority.issue("server", "localhost", "127.0.0.1")
        tls = {
            "tls-port": str(self.tls_port),
            "tls-cert-file": str(own.certificate),
            "tls-key-file": str(own.key),
            "tls-ca-cert-file": str(self.authority.certificate),
        }
        super().__init__(kind, directory, options=tls | options)

    @property
    def bare_url(self) -> str:
        """The URL without any file."""
        return f"rediss://localhost:{self.tls_port}/0"

    @property
    def url(self) -> str:
        files = {
            "ssl_ca_certs": self.authority.certificate,
            "ssl_certfile": self.client_pair.certificate,
            "ssl_keyfile": self.client_pair.key,
        }
        return f"{self.bare_url}?{'&'.join(f'{name}={path}' for name, path in files.items())}"


class TenantServer(Server):
    """A server with a user that may do what `konductor_core.acl` allows to a tenant, and nothing else."""

    def __init__(self, kind: Kind, directory: Path) -> None:
        super().__init__(kind, directory)

    @property
    def url(self) -> str:
        return f"unix://tenant:{ESCAPED}@{self.socket}"

    def start(self) -> Self:
        super().start()
        rules = [word for namespace in NAMESPACES for word in acl.keys_and_channels(namespace)]
        with self.client() as client:
            client.execute_command("ACL", "SETUSER", "tenant", "reset", "on", f">{PASSWORD}", *acl.COMMANDS, *rules)
        return self


class _UnixServer(Server):
    """A server behind a unix socket: the fastest of all."""

    def __init__(self, kind: Kind, directory: Path) -> None:
        super().__init__(kind, directory)


Deployment = Server | SentinelSet | ClusterSet

DEPLOYMENTS: Final[dict[str, type[Any]]] = {
    "unix": _UnixServer,
    "standalone": TcpServer,
    "sentinel": SentinelSet,
    "cluster": ClusterSet,
    "tls": TlsServer,
    "acl": TenantServer,
}
NAME: Final = os.environ.get("KONDUCTOR_TEST_DEPLOYMENT") or "unix"


def deployment(kind: Kind, directory: Path) -> Deployment:
    """Return the deployment that the environment names, yet to be started."""
    if NAME not in DEPLOYMENTS:
        pytest.exit(f"KONDUCTOR_TEST_DEPLOYMENT={NAME} is unknown: use one of {', '.join(DEPLOYMENTS)}", 4)
    made: Deployment = DEPLOYMENTS[NAME](kind, directory)
    return made
