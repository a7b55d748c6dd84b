"""A gate that waits for itself is found, however long the way."""

from __future__ import annotations

import pytest

from konductor_core.rings import FARTHEST, Place, Walk


def place(text: str) -> Place:
    namespace, _, name = text.rpartition("/")
    return Place(namespace or "etl", name)


def walked(start: str, graph: dict[str, list[str]]) -> Walk:
    """Walk from a gate to the end, through gates as they are written here: `a`, or `other/a`."""
    known = {place(gate): [place(each) for each in targets] for gate, targets in graph.items()}
    walk = Walk(place(start), known.get(place(start), ()))
    while walk.due:
        gate = walk.next()
        walk.refers(gate, known.get(gate, ()))
    return walk


@pytest.mark.parametrize(
    "graph,described",
    [
        ({"a": ["a"]}, "gate/a waits for gate/a"),
        ({"a": ["b"], "b": ["a"]}, "gate/a waits for gate/b, which waits for gate/a"),
        ({"a": ["b", "c"], "b": ["c"], "c": ["a"]}, "gate/a waits for gate/c, which waits for gate/a"),
        (
            {"a": ["other/a"], "other/a": ["b"], "b": ["a"]},
            "gate/a waits for other/gate/a, which waits for gate/b, which waits for gate/a",
        ),
        (
            {"a": ["b"], "b": ["other/x"], "other/x": ["a"]},
            "gate/a waits for gate/b, which waits for a gate of another namespace, which waits for gate/a",
        ),
    ],
)
def test_the_shortest_ring_is_found_and_told(graph: dict[str, list[str]], described: str) -> None:
    assert walked("a", graph).describe() == described


@pytest.mark.parametrize(
    "graph",
    [
        {"a": []},
        {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []},
        {"a": ["b"], "b": ["c"], "c": ["b"]},
        {"a": ["absent"]},
    ],
)
def test_who_is_not_in_a_ring_has_none_whatever_others_do(graph: dict[str, list[str]]) -> None:
    assert walked("a", graph).ring == ()


def test_a_chain_without_end_is_left_after_a_while() -> None:
    walk, asked = Walk(place("0"), [place("1")]), 0
    while walk.due:
        asked += 1
        walk.refers(walk.next(), [place(str(asked + 1))])
    assert asked == FARTHEST
