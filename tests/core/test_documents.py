from __future__ import annotations

import json
import sys
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from konductor_core.documents import load_yaml
from konductor_core.errors import InvalidInput

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.text(max_size=8), values, max_size=4).filter(lambda each: each.get("kind") != "List")


@given(st.lists(mappings, max_size=3))
def test_what_pyyaml_writes_reads_back(documents: list[dict[str, Any]]) -> None:
    text = yaml.safe_dump_all(documents, default_flow_style=False)
    assert [document for document, _ in load_yaml(text, "f")] == documents


@given(mappings)
def test_what_json_writes_reads_back(document: dict[str, Any]) -> None:
    assert load_yaml(json.dumps(document), "f") == [(document, 1)]


def test_each_document_comes_with_the_line_where_it_begins() -> None:
    text = "# a comment\n---\na: 1\n---\n---\n\n# another\nb: 2\n...\n---\nc: 3\n"
    assert load_yaml(text, "f") == [({"a": 1}, 3), ({"b": 2}, 8), ({"c": 3}, 11)]


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n---\n", "null", "~"])
def test_empty_documents_are_left_out(text: str) -> None:
    assert load_yaml(text, "f") == []


def test_a_list_is_its_items_each_with_its_line() -> None:
    text = "kind: List\napiVersion: v1\nitems:\n- a: 1\n-\n  b: 2\n"
    assert load_yaml(text, "f") == [({"a": 1}, 4), ({"b": 2}, 6)]
    assert load_yaml('\n{"kind": "List", "items": [{"a": 1}, {"b": 2}]}', "f") == [({"a": 1}, 2), ({"b": 2}, 2)]
    assert load_yaml("kind: List\nitems: []\n", "f") == []


def test_a_date_stays_text_as_in_kubernetes() -> None:
    text = "day: 2026-01-02\nat: 2026-01-02T03:04:05Z\n"
    assert load_yaml(text, "f") == [({"day": "2026-01-02", "at": "2026-01-02T03:04:05Z"}, 1)]


def test_anchors_and_merges_work() -> None:
    assert load_yaml("a: &x {p: 1}\nb: {<<: *x, q: 2}\n", "f") == [({"a": {"p": 1}, "b": {"p": 1, "q": 2}}, 1)]


def test_a_byte_order_mark_is_no_text() -> None:
    assert load_yaml("\ufeffa: 1", "f") == [({"a": 1}, 1)]
    assert load_yaml('\ufeff{"a": 1}', "f") == [({"a": 1}, 1)]


def test_flow_style_yaml_that_is_no_json_is_read() -> None:
    assert load_yaml("{a: 1, b: [x]}\n---\n{c: 2}\n", "f") == [({"a": 1, "b": ["x"]}, 1), ({"c": 2}, 3)]


@pytest.mark.parametrize(
    "text,message",
    [
        ("a: b: c", "f:1:5: not YAML: mapping values are not allowed here"),
        ("a: 1\nb:\n\t- x\n", "f:3:1: not YAML: found character '\\t' that cannot start any token"),
        ('a: 1\n---\nb: "x\n', "f:4:1: not YAML: found unexpected end of stream"),
        ("a: 1\nb: [1, 2\nc: 3\n", "f:3:2: not YAML: "),
        ("a: 1\nb: \x01", "f:2: not YAML: it contains a control character"),
        ("a: *x", "f:1:4: not YAML: found undefined alias 'x'"),
        ("a: !!python/object:os.system x", "f:1:4: not YAML: could not determine a constructor for the tag"),
        ("a: 1\n? [1]\n: 2\n", "f:2:3: not YAML: found unhashable key"),
        ("a: 1\nb: 2\na: 3\n", "f:3:1: the key 'a' is given twice"),
        ("a:\n  b: [{c: 1, c: 2}]\n", "f:2:14: the key 'c' is given twice"),
        ('{"a": 1, "a": 2}', "f: the key 'a' is given twice"),
        ("just text", "f:1: 'just text' is not a manifest: begin it with apiVersion and kind"),
        ("a: 1\n---\n- 1\n", "f:3: [1] is not a manifest"),
        ("[1]", "f:1: [1] is not a manifest"),
        ("kind: List\nitems: {}\n", "f:1: items of a List {} is not a list"),
        ("kind: List\nitems:\n- a: 1\n- x\n", "f:4: 'x' is not a manifest"),
        ("\n[" * 5_000, "f: nested too deeply"),
        ("a: " + "{" * 5_000, "f:1: not YAML: nested too deeply"),
        ("a: " + "9" * 5_000, "f:1: not YAML: "),
    ],
    ids=range(19),
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_yaml(text, "f")
    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message


def test_without_pyyaml_json_is_read_and_yaml_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert load_yaml('{"a": 1}', "f") == [({"a": 1}, 1)]
    with pytest.raises(InvalidInput, match=r"pip install 'konductor\[local\]'"):
        load_yaml("a: 1", "f")
    with pytest.raises(InvalidInput, match=r"^f:2:1: not JSON: "):
        load_yaml('{"a": 1,\n', "f")
