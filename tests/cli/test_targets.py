"""Selectors and targets, without a process or a server."""

import pytest

from koncli.kinds import KINDS
from koncli.targets import Target, parse_one, parse_selector, parse_targets
from konductor_core.errors import InvalidInput
from konductor_core.identity import Kind

LABELS = {"pipeline": "etl-demo", "stage": "extract", "a.b/c": ""}


@pytest.mark.parametrize(
    "selector,matches",
    [
        ("pipeline=etl-demo", True),
        ("pipeline==etl-demo", True),
        ("pipeline=other", False),
        ("pipeline!=other", True),
        ("missing!=other", True),
        ("stage in (extract, load)", True),
        ("stage in (load)", False),
        ("stage notin (load,transform)", True),
        ("stage notin (extract)", False),
        ("missing notin (x)", True),
        ("stage", True),
        ("missing", False),
        ("!missing", True),
        ("!stage", False),
        ("a.b/c=", True),
        ("pipeline=etl-demo,stage in (extract,load),!missing", True),
        ("pipeline=etl-demo , stage=load", False),
        ("in=x", False),
    ],
)
def test_a_selector_matches_as_it_does_in_kubectl(selector: str, *, matches: bool) -> None:
    assert parse_selector(selector)(LABELS) is matches


def test_no_selector_matches_everything() -> None:
    assert parse_selector(None)({})


@pytest.mark.parametrize("selector", ["=x", "a=b=c", "a in b", "a in (b", "a,,b", "a b", "(a)", "a=b c"])
def test_a_selector_that_makes_no_sense_is_refused(selector: str) -> None:
    with pytest.raises(InvalidInput, match="selector"):
        parse_selector(selector)


@pytest.mark.parametrize(
    "words,targets",
    [
        ([], [Target(kind, None) for kind in KINDS]),
        (["barriers"], [Target(Kind.BARRIER, None)]),
        (["sem"], [Target(Kind.SEMAPHORE, None)]),
        (["Barrier", "x", "y"], [Target(Kind.BARRIER, "x"), Target(Kind.BARRIER, "y")]),
        (["bar/x", "semaphores/y"], [Target(Kind.BARRIER, "x"), Target(Kind.SEMAPHORE, "y")]),
        (["barrier.konductor.io/x"], [Target(Kind.BARRIER, "x")]),
        (["bar,sem"], [Target(Kind.BARRIER, None), Target(Kind.SEMAPHORE, None)]),
    ],
)
def test_objects_are_named_as_in_kubectl(words: list[str], targets: list[Target]) -> None:
    assert parse_targets(words) == targets


@pytest.mark.parametrize("words", [["barier"], ["x/y"], ["barrier/x", "y"], ["barrier/X_"], ["barrier", "x y"], [""]])
def test_a_target_that_cannot_exist_is_refused(words: list[str]) -> None:
    with pytest.raises(InvalidInput):
        parse_targets(words)


@pytest.mark.parametrize("words", [["barrier"], ["barrier", "x", "y"], []])
def test_where_one_object_is_wanted_others_are_refused(words: list[str]) -> None:
    with pytest.raises(InvalidInput, match="exactly one"):
        parse_one(words)
