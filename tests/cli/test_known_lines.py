"""Command lines that scripts are known to use, with every flag that was ever documented, mean what they always did.

Each kind's lines are one story, told to koncli line by line: the line, its exit code, what it prints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koncli.kinds import KINDS
from konductor_core.identity import Kind
from tests.cli.conftest import cli_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.running import Cli
    from tests.conftest import FreshServer

Line = tuple[str, int, str]

LINES: dict[Kind, list[Line]] = {
    Kind.SEMAPHORE: [
        ("create vendor --permits 10", 0, "created"),
        ("create vendor --permits 3 --ttl 10m", 0, "updated"),
        ("acquire vendor", 0, "acquired 1 permit"),
        ("acquire vendor --holder app --ttl=5m", 0, "expires in 5m"),
        ("acquire vendor --permits=2 --holder big --timeout=0", 4, "would block"),
        ("acquire vendor --permits 1 --wait --timeout 1m --ttl 30m", 0, "acquired 1 permit"),
        ("status vendor --output=json", 0, '"available": 1'),
        ("release vendor", 0, "released"),
        ("release vendor --holder=app", 0, "held by app"),
        ("list", 0, "PERMITS"),
        ("list -o json", 0, '"vendor"'),
        ("delete vendor", 0, "deleted"),
    ],
    Kind.BARRIER: [
        ("create stage --expected 10 --quorum 7", 0, "created"),
        ("create stage --expected 5 --timeout 10m", 0, "updated"),
        ("arrive stage", 0, "1/5"),
        ("arrive stage --holder worker-1", 0, "2/5"),
        ("arrive stage --arrival-id worker-2", 0, "3/5"),
        ("arrive stage worker-3 --wait-for-update", 0, "4/5"),
        ("wait stage --timeout=200ms", 3, "4/5"),
        ("create stage --expected 4", 0, "updated"),
        ("wait stage --timeout 10m --arrival-id worker-2", 0, "is open"),
        ("status stage -o json", 0, '"phase": "Open"'),
        ("list", 0, "4/4"),
        ("delete stage", 0, "deleted"),
    ],
    Kind.LEASE: [
        ("create leader --ttl 15m", 0, "created"),
        ("acquire leader --holder one --ttl=10m", 0, "expires in 10m"),
        ("acquire leader --holder two --timeout=0", 4, "would block"),
        ("acquire leader --priority=5 --wait --timeout 200ms", 3, "position 1"),
        ("renew leader --holder one", 0, "renewed"),
        ("status leader -o json", 0, '"holder": "one"'),
        ("release leader --holder=one", 0, "released"),
        ("acquire leader --priority 10", 0, "acquired"),
        ("list", 0, "Held"),
        ("delete leader", 0, "deleted"),
    ],
    Kind.MUTEX: [
        ("create migration --ttl 10m", 0, "created"),
        ("lock migration --holder one --ttl 5m --timeout 30s", 0, "locked"),
        ("lock migration --timeout 0", 4, "would block"),
        ("unlock migration --holder one", 0, "unlocked"),
        ("lock migration --wait --timeout 1m", 0, "locked"),
        ("status migration -o json", 0, '"Locked"'),
        ("list", 0, "HOLDER"),
        ("delete migration", 0, "deleted"),
    ],
    Kind.RWMUTEX: [
        ("create cache --ttl 5m", 0, "created"),
        ("rlock cache --holder reader-1 --timeout 30s", 0, "to read"),
        ("rlock cache --ttl 1m", 0, "to read"),
        ("lock cache --holder writer --timeout 0", 4, "2 reading"),
        ("unlock cache", 0, "unlocked"),
        ("unlock cache --holder reader-1", 0, "unlocked"),
        ("lock cache --holder writer --timeout 1m", 0, "to write"),
        ("status cache", 0, "writer"),
        ("list", 0, "WriteLocked"),
        ("delete cache", 0, "deleted"),
    ],
    Kind.ONCE: [
        ("create setup --ttl 24h", 0, "created"),
        ("check setup", 4, "has not been executed"),
        ("begin setup", 0, "began"),
        ("complete setup", 0, "done"),
        ("check setup", 0, "has been executed"),
        ("status setup", 0, "Done"),
        ("list", 0, "EXECUTOR"),
        ("delete setup", 0, "deleted"),
    ],
    Kind.WAITGROUP: [
        ("create workers --ttl 1h", 0, "has no effect"),
        ("add workers", 0, "1 left"),
        ("add workers --delta 2", 0, "3 left"),
        ("done workers", 0, "2 left"),
        ("wait workers --timeout 200ms", 3, "2"),
        ("done workers --delta=2", 0, "0 left"),
        ("wait workers", 0, "is done"),
        ("list", 0, "COUNTER"),
        ("delete workers", 0, "deleted"),
    ],
    Kind.GATE: [
        ("create ready", 0, "created"),
        ("wait ready --timeout 200ms", 3, "ready"),
        ("open ready", 0, "ready"),
        ("wait ready --timeout=30m", 0, "ready"),
        ("status ready -o json", 0, '"phase": "Open"'),
        ("close ready", 0, "ready"),
        ("status ready", 0, "Closed"),
        ("list", 0, "MET"),
        ("delete ready", 0, "deleted"),
    ],
}

GENERAL: list[Line] = [
    ("version", 0, "koncli"),
    ("-v -n production semaphore list", 0, "no objects in namespace production"),
    ("semaphore create s --permits 1", 0, "created"),
    ("--log-level warn status", 0, "PERMITS"),
    ("status all -n production", 0, "no objects in namespace production"),
    ("status semaphore s -o json", 0, '"available": 1'),
    ("semaphore --help", 0, "acquire"),
    ("--kubeconfig=/etc/kube status", 64, "name that with --redis-url"),
    ("--context production semaphore list", 64, "name that with --redis-url"),
    ("operator", 64, "koncli doctor"),
]


@pytest.fixture
def scripts(fresh_server: FreshServer, tmp_path: Path) -> Iterator[Cli]:
    with cli_on(fresh_server("redis").url, tmp_path) as made:
        yield made


def tell(cli: Cli, lines: list[Line], group: str = "") -> None:
    done = cli.lines([f"{group} {line}" for line, _, _ in lines])
    for (line, code, text), result in zip(lines, done, strict=True):
        assert (result.code, text in result.out) == (code, True), (line, result)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_known_line_of_a_kind_works(scripts: Cli, kind: Kind) -> None:
    tell(scripts, LINES[kind], kind.key)


def test_what_is_known_across_kinds_works_or_says_what_to_use(scripts: Cli) -> None:
    tell(scripts, GENERAL)


def test_known_variables_count(scripts: Cli) -> None:
    """Variables of older scripts: who holds, where, how long waits may take, how results are printed."""
    scripts.env.pop("KONDUCTOR_NAMESPACE")
    known = {"KONCLI_NAMESPACE": "etl", "KONCLI_OUTPUT": "json", "KONCLI_LOG_LEVEL": "warn", "KONDUCTOR_TIMEOUT": "0"}
    scripts.k.mutex("m").define()
    scripts.k.lease("m").define()
    scripts.k.lease("m").acquire(holder="one")
    locked = scripts.ok("mutex", "lock", "m", KONDUCTOR_HOLDER_ID="one", **known).json
    assert (locked["namespace"], locked["holder"]) == ("etl", "one")
    for line in ("mutex lock m", "lease acquire m --wait", "acquire mutex/m --wait", "exec --mutex m true"):
        waited = scripts(*line.split(), **known)
        assert waited.code == 4, (line, waited)
    for kind in ("barrier", "waitgroup", "once", "gate"):
        assert scripts(kind, "wait", "b", **known).code == 3, kind
    assert scripts("mutex", "lock", "m", "--timeout", "100ms", **known).code == 3
    refused = scripts("mutex", "lock", "m", **{**known, "KONDUCTOR_TIMEOUT": "soon"})
    assert (refused.code, "KONDUCTOR_TIMEOUT 'soon'" in refused.err) == (64, True)
