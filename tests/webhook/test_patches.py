"""Patches: applied to what was sent, they make what is to run."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.webhook.pods import container, injected, pod
from webhook.patches import difference

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(0, 2), st.sampled_from(["a", "b"]))
KEYS = st.sampled_from(["name", "a", "a/b", "~1", ""])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


@given(before=OBJECTS, after=OBJECTS)
@settings(max_examples=300)
def test_the_difference_applied_to_the_first_makes_the_second(before: dict[str, Any], after: dict[str, Any]) -> None:
    kept = copy.deepcopy(before)
    assert jsonpatch.apply_patch(before, list(difference(before, after))) == after
    assert before == kept


def test_nothing_differs_nothing_is_done() -> None:
    assert list(difference(injected({"api": "true"}), injected({"api": "true"}))) == []


@pytest.mark.parametrize("added", [{"api": "true"}, {"wait-barrier": "a"}])
def test_a_variable_more_does_not_repeat_the_variables_that_were_there(added: dict[str, str]) -> None:
    own = container(env=[{"name": "A", "value": "x" * 1000}])
    sent = pod(added, containers=[own])
    operations = list(difference(sent, injected(added, containers=[own])))
    assert "x" * 1000 not in str(operations)
    assert "/spec/containers/0/env/-" in {each["path"] for each in operations}
