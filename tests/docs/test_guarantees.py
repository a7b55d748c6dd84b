"""docs/guarantees.md names tests that exist, and the numbers that the code has."""

from __future__ import annotations

import ast
import re

import pytest

from konductor_core import durations
from konductor_core.durations import to_text
from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/\S+\.py)::(\w+)`", PAGE)


@pytest.mark.parametrize("path, name", NAMED, ids=[name for _, name in NAMED])
def test_a_named_test_exists(path: str, name: str) -> None:
    file = ROOT / path
    assert file.is_file(), path
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_promise_names_a_test() -> None:
    promises = PAGE.partition("## What holds on one server")[2].partition("\n## What can be lost")[0]
    for promise in re.split(r"\n##+ ", promises)[1:]:
        assert "::test_" in promise, promise.partition("\n")[0]


def test_the_numbers_are_those_of_the_code() -> None:
    shown = re.findall(r"\| `(\S+)` \|$", PAGE.partition("## The numbers")[2], re.MULTILINE)
    names = "DEFAULT_TTL CLAIM_WINDOW HEARTBEAT WAITER_TTL MAX_BYPASS ARRIVE_PATIENCE MEMORY_TTL PROBE_WINDOW DIRTY_TTL"
    assert shown == [to_text(getattr(durations, name)) for name in names.split()]
