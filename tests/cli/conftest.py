"""Fixtures of the CLI's tests.

cli     runs koncli as host `host-1` would, against the Valkey of the wheel, which every machine has
etl     the same on Redis and Valkey, one after the other
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from konductor_core.client import Konductor
from tests.cli.running import KONCLI, Cli

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Server


@contextmanager
def cli_on(url: str, directory: Path) -> Iterator[Cli]:
    """Yield koncli on the server at `url`, as host `host-1`, with `directory` as its home."""
    env = {
        "PATH": f"{Path(KONCLI).parent}:{os.environ['PATH']}",
        "HOME": str(directory),
        "HOSTNAME": "host-1",
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "KONDUCTOR_REDIS_URL": url,
        "KONDUCTOR_NAMESPACE": "etl",
    }
    with Konductor(url, namespace="etl") as k:
        cli = Cli(env, directory, k)
        try:
            yield cli
        finally:
            cli.close()


@pytest.fixture
def cli(valkey_server: Server, tmp_path: Path) -> Iterator[Cli]:
    with cli_on(valkey_server.url, tmp_path) as made:
        yield made


@pytest.fixture
def etl(server: Server, tmp_path: Path) -> Iterator[Cli]:
    with cli_on(server.url, tmp_path) as made:
        yield made
