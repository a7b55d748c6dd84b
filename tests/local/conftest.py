"""Fixtures of the local runner's tests.

local   runs manifests in a folder of the test's own
mark    digits that stand in the command line or working directory of every process of the test: `sleep 300.{mark}`
mounts  arguments for a run, once with namespaces (skipped where the system forbids them), once without
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from koncli.local import isolation
from koncli.local.modes import allowed_mode
from tests.local.running import Local

if TYPE_CHECKING:
    from collections.abc import Iterator


@cache
def allowed() -> str:
    """What `koncli local run` finds out for itself."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(allowed_mode(Path(folder)))


@pytest.fixture
def mark() -> str:
    return f"{secrets.randbelow(10**12):012}"


@pytest.fixture
def local(tmp_path: Path, mark: str) -> Iterator[Local]:
    folder = tmp_path / mark
    folder.mkdir()
    made = Local(folder)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=["namespaces", "no-namespaces"])
def mounts(request: pytest.FixtureRequest) -> tuple[str, ...]:
    if request.param == "no-namespaces":
        return ("--no-namespaces",)
    if allowed() == isolation.NONE:
        pytest.skip("this system allows no user and mount namespaces")
    return ()
