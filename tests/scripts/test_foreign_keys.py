"""Something else under a key of ours: an error, and nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core import keys as layout
from konductor_core.errors import KonductorError
from konductor_core.identity import Kind
from konductor_core.keys import LATCH_PARTS, PARTS_OF, PERMIT_PARTS
from tests.scripts.bench import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scripts.bench import Bench

PERMIT_CALLS: dict[str, Callable[[Bench], object]] = {
    "define": lambda bench: bench.k.semaphore("x").define(5),
    "acquire": lambda bench: bench.k.semaphore("x").acquire(timeout=0, holder="a"),
    "acquire several": lambda bench: bench.k.semaphore("x").acquire(2, timeout=0, holder="a"),
    "wait": lambda bench: bench.ask("a", 9).wait(),
    "release": lambda bench: bench.k.semaphore("x").release("held"),
    "renew": lambda bench: bench.k.semaphore("x").renew("held"),
    "status": lambda bench: bench.k.semaphore("x").status(),
    "reset": lambda bench: bench.k.semaphore("x").reset(),
    "delete": lambda bench: bench.k.semaphore("x").delete(),
}

LATCH_CALLS: dict[Kind, dict[str, Callable[[Bench], object]]] = {
    Kind.BARRIER: {
        "define": lambda bench: bench.k.barrier("x").define(5),
        "arrive": lambda bench: bench.k.barrier("x").arrive("a", patience=0),
        "delete": lambda bench: bench.k.barrier("x").delete(),
    },
    Kind.WAITGROUP: {
        "define": lambda bench: bench.k.waitgroup("x").define(),
        "add": lambda bench: bench.k.waitgroup("x").add("a", patience=0),
        "done": lambda bench: bench.k.waitgroup("x").done("a", patience=0),
        "delete": lambda bench: bench.k.waitgroup("x").delete(),
    },
}
LATCH_CASES = [
    (kind, call, part)
    for kind, calls in LATCH_CALLS.items()
    for call in calls
    for part in ("", *LATCH_PARTS, *PARTS_OF.get(kind.key, ()), "dirty")
]


def spoil(bench: Bench, key: str) -> None:
    """Put a string or, where there is one already, another type under the key."""
    bench.client.delete(key)
    bench.client.set(key, "mine")


@pytest.mark.parametrize("part", ["", *PERMIT_PARTS, "dirty"])
@pytest.mark.parametrize("call", PERMIT_CALLS)
def test_a_foreign_key_of_a_semaphore_stops_every_script_before_it_writes(bench: Bench, part: str, call: str) -> None:
    keys = bench.keys("x")
    if part:  # the object exists, and nothing has been done with it
        bench.semaphore(5, name="x")
    spoil(bench, layout.dirty(NAMESPACE) if part == "dirty" else ":".join(filter(None, (keys.meta, part))))
    before = bench.dump()
    with pytest.raises(KonductorError, match="holds something else under a key of Konductor"):
        PERMIT_CALLS[call](bench)
    assert bench.dump() == before


@pytest.mark.parametrize("kind,call,part", LATCH_CASES)
def test_a_foreign_key_of_a_latch_stops_what_begins_it_before_it_writes(
    bench: Bench, kind: Kind, call: str, part: str
) -> None:
    keys = bench.keys("x", kind)
    spoil(bench, layout.dirty(NAMESPACE) if part == "dirty" else ":".join(filter(None, (keys.meta, part))))
    before = bench.dump()
    with pytest.raises(KonductorError, match="holds something else under a key of Konductor"):
        LATCH_CALLS[kind][call](bench)
    assert bench.dump() == before
