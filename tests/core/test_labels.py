from __future__ import annotations

import pytest

from konductor_core.errors import InvalidInput
from konductor_core.labels import check_labels


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"pipeline": "etl-demo", "stage": ""},
        {"app.kubernetes.io/name": "A_b.c-1"},
        {"x" * 63: "y" * 63, "p" * 253 + "/K": "v"},
    ],
)
def test_what_kubernetes_accepts_is_accepted(labels: dict[str, str]) -> None:
    assert check_labels(labels) == labels


def test_no_labels_are_no_labels() -> None:
    assert check_labels(None) == {}


@pytest.mark.parametrize(
    "labels,problem",
    [
        ([], "not a mapping"),
        ("a=b", "not a mapping"),
        ({"": "x"}, "key ''"),
        ({"a b": "x"}, "key 'a b'"),
        ({"/a": "x"}, "key '/a'"),
        ({"Prefix/a": "x"}, "key 'Prefix/a'"),
        ({5: "x"}, "key 5"),
        ({"x" * 64: "x"}, "key 'xxx"),
        ({"p" * 254 + "/a": "x"}, "key 'ppp"),
        ({"a": 5}, r"labels\.a 5 is not text: put it in quotes"),
        ({"a": None}, r"labels\.a None is not text"),
        ({"a": "x y"}, r"labels\.a 'x y' is not valid"),
        ({"a": "-x"}, "not valid"),
        ({"a": "x\n"}, "not valid"),
        ({"a": "x" * 64}, "not valid"),
    ],
)
def test_anything_else_is_refused_with_the_key_and_the_value(labels: object, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        check_labels(labels)
