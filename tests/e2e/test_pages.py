"""What the pages show of a cluster is what happens in one: the blocks that begin with "```console cluster"."""

from __future__ import annotations

import os
import sysconfig
from typing import TYPE_CHECKING

import pytest

from tests.deploy.rendering import ROOT, program
from tests.docs.blocks import PAGES, blocks
from tests.docs.shell import Shell
from tests.e2e.cluster import IMAGE, VERSION, kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHOWN = [page for page in PAGES if any(block.cluster for block in blocks(page))]
# Installing ends with uninstalling; whatever test comes after it installs again.
SHOWN.sort(key="docs/install.md".__eq__)


@pytest.fixture(autouse=True)
def _no_leftovers() -> Iterator[None]:
    yield
    kubectl("delete", "namespace", "konductor-try", "--ignore-not-found")


@pytest.mark.parametrize("page", SHOWN)
def test_what_a_page_shows_of_a_cluster_is_what_happens_there(page: str, tmp_path: Path) -> None:
    program("helm")
    for name in ("deploy", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    env = {
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
        "HOME": str(tmp_path),
        "KUBECONFIG": os.environ["KUBECONFIG"],
    }
    with Shell(tmp_path, env, {f"konductor/konductor-slim:{VERSION}": IMAGE}, patience=300) as shell:
        for block in (block for block in blocks(page) if block.cluster):
            for command in block.commands():
                shell.check(command.text, command.expected, f"{page}:{command.line}")
