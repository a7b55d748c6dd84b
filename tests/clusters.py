"""A cluster of several masters: private, built by hand, and used like one `Server`."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import pytest
from redis.cluster import RedisCluster
from redis.crc import key_slot

from tests.servers import Kind, Server, free_port, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

__all__ = ["SLOTS", "ClusterSet", "slot_of"]

SLOTS: Final = 16_384
MASTERS: Final = 3
NODE_TIMEOUT: Final = "2000"
"""Milliseconds until a silent node counts as failed."""


def slot_of(namespace: str) -> int:
    """Return the slot that has everything of a namespace."""
    return key_slot(f"konductor:{{{namespace}}}:index".encode())


class _Client(RedisCluster):
    """redis-py's cluster client, whose EVAL without keys runs on every master: tests age all keys by such a script."""

    def eval(self, script: str, numkeys: int, *rest: Any) -> Any:
        if numkeys == 0:
            return self.execute_command("EVAL", script, 0, *rest, target_nodes=self.PRIMARIES)  # type: ignore[no-untyped-call]
        return super().eval(script, numkeys, *rest)

    def keys(self, pattern: Any = "*", **_: Any) -> Any:
        return super().keys(pattern, target_nodes=self.PRIMARIES)


class ClusterSet:
    """Masters with an even share of the slots, each with `replicas` replicas. Nodes are in order of their slots."""

    def __init__(self, kind: Kind, directory: Path, *, replicas: int = 0, **options: str) -> None:
        self.kind = kind
        self._directory = directory
        self._options = options
        self._stack = ExitStack()
        self.nodes = [self._server() for _ in range(MASTERS * (1 + replicas))]

    def _server(self) -> Server:
        options = {
            "cluster-enabled": "yes",
            "cluster-port": str(free_port()),
            "cluster-node-timeout": NODE_TIMEOUT,
            "cluster-replica-validity-factor": "0",
            "repl-diskless-sync-delay": "0",
        }
        return Server(self.kind, Path(tempfile.mkdtemp(dir=self._directory)), tcp=True, options=options | self._options)

    @property
    def url(self) -> str:
        """The URL with two of the nodes: the others are found from there."""
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port},127.0.0.1:{self.nodes[1].port}"

    @property
    def socket(self) -> Path:
        """Not there: a test that stands a proxy before a server skips."""
        pytest.skip("this test needs a single server")

    def client(self, **options: Any) -> redis.Redis:
        """Return a client of all nodes."""
        first = self.nodes[0]
        client: Any = _Client(host="127.0.0.1", port=first.port, **{"socket_timeout": 10.0, **options})
        return client  # type: ignore[no-any-return]  # it has the commands that tests use

    def owner(self, namespace: str) -> Server:
        """Return the master that has a namespace now."""
        slot = slot_of(namespace)
        for row in _ask(self.nodes[0], "CLUSTER", "SLOTS"):
            if row[0] <= slot <= row[1]:
                return self.node_at(row[2][1])
        raise AssertionError(f"nobody has slot {slot}")

    def node_at(self, port: int) -> Server:
        """Return the node behind a port."""
        return next(node for node in self.nodes if node.port == port)

    @contextmanager
    def moving(self, namespace: str, target: Server) -> Iterator[Callable[[], None]]:
        """Move a namespace's slot to another master, as resharding does; what it yields moves the keys there are now.

        Inside the block the slot is on its way: the old master has it, and sends to the new one what it has not. At the
        end the rest of the keys moves, and everybody is told.
        """
        source, slot = self.owner(namespace), slot_of(namespace)
        _ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.identity(source))
        _ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.identity(target))

        def move() -> None:
            keys = _ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 1_000)
            if keys:
                _ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *keys)

        yield move
        move()
        for node in (target, source, *self.nodes):
            if _role(node) == "master":
                _ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self.identity(target))

    def start(self) -> Self:
        """Start the nodes and make them a cluster; return once each of them says that it works."""
        for node in self.nodes:
            self._stack.enter_context(node)
        masters, replicas = self.nodes[:MASTERS], self.nodes[MASTERS:]
        for number, node in enumerate(masters):
            first, last = number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS - 1
            _ask(node, "CLUSTER", "ADDSLOTSRANGE", first, last)
        for number, node in enumerate(self.nodes, 1):
            _ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number)
        for node in self.nodes[1:]:
            self._meet(node)
        for number, node in enumerate(replicas):
            master = self.identity(masters[number % MASTERS])
            until(lambda node=node, master=master: master in _ask(node, "CLUSTER", "NODES"), "it knows its master")  # type: ignore[misc]
            _ask(node, "CLUSTER", "REPLICATE", master)
        until(self.is_whole, "the cluster is one", timeout=30)
        return self

    def _meet(self, node: Server) -> None:
        first = self.nodes[0]
        _ask(node, "CLUSTER", "MEET", "127.0.0.1", first.port, first.options["cluster-port"])
        port = f":{node.port}@"
        until(lambda: port in _ask(first, "CLUSTER", "NODES"), "they have met")

    @staticmethod
    def identity(node: Server) -> str:
        """Return the node's id."""
        return str(_ask(node, "CLUSTER", "MYID"))

    def is_whole(self) -> bool:
        """Return whether every node that runs sees all slots served, and by the same nodes."""
        running = [node for node in self.nodes if node.process and node.process.poll() is None]
        states = ["cluster_state:ok" in _ask(node, "CLUSTER", "INFO") for node in running]
        maps = [sorted((r[0], r[1], r[2][1], len(r)) for r in _ask(node, "CLUSTER", "SLOTS")) for node in running]
        return all(states) and all(each == maps[0] for each in maps)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        shutil.rmtree(self._directory, ignore_errors=True)


def _role(node: Server) -> str:
    return str(_ask(node, "ROLE")[0])


def _ask(node: Server, *command: Any) -> Any:
    with node.client(decode_responses=True) as client:
        reply: Any = client.execute_command(*command)
    return reply
