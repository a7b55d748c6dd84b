"""Leases without an end: only where something is known that ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core.errors import InvalidInput

if TYPE_CHECKING:
    from tests.scripts.bench import Bench


def test_a_semaphore_without_ttl_refuses_a_holder_outside_pods(bench: Bench) -> None:
    sem = bench.semaphore(1, ttl=0)
    with pytest.raises(InvalidInput, match="no pod is known"):
        sem.acquire(timeout=0, holder="a")
    with pytest.raises(InvalidInput, match="no pod is known"):
        sem.acquire(timeout=5, holder="a")
    assert sem.status().in_use == 0
    assert sem.status().waiting == 0


def test_a_semaphore_without_ttl_grants_to_who_insists_or_names_a_ttl(bench: Bench) -> None:
    sem = bench.semaphore(2, ttl=0)
    endless = sem.acquire(timeout=0, holder="a", force=True)
    assert endless.ttl_ms == 0
    assert sem.acquire(timeout=0, holder="b", ttl="10s").ttl_ms == 10_000
    assert {each.holder: each.expires_ms is None for each in sem.status().holders} == {"a": True, "b": False}
