"""`$(NAME)` and a container's environment follow Kubernetes' rules."""

from __future__ import annotations

from typing import Any

import pytest

from koncli.local.expand import Identity, Sources, environment, expand, field_value
from koncli.local.fields import Fields, Refusals
from koncli.local.podspec import Container, PodSpec, read_pod
from tests.local.running import container

NOBODY = Identity("pod-1", "etl", "uid-1", "node-1", 2)
NOTHING = Sources({}, {})


def pod(**fields: Any) -> tuple[PodSpec, Container]:
    refusals = Refusals()
    body = {
        "metadata": {"labels": {"stage": "load"}, "annotations": {"note": "x"}},
        "spec": {"containers": [container("true", **fields)]},
    }
    parsed = read_pod(Fields(body, "here", refusals), ("Always",))
    refusals.raise_if_any()
    return parsed, parsed.apps[0]


def variables(env: list[dict[str, Any]], sources: Sources = NOTHING, **fields: Any) -> dict[str, str]:
    spec, app = pod(env=env, **fields)
    return environment(app, spec, NOBODY, sources, {"BASE": "base"})


@pytest.mark.parametrize(
    "text,wanted",
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)z", "x1y2z"),
        ("$(MISSING)", "$(MISSING)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $(A", "$A ${A} $(A"),
        ("$(A)$(A)", "11"),
        ("$()", "$()"),
        ("costs $5", "costs $5"),
    ],
)
def test_only_known_names_in_round_brackets_are_replaced(text: str, wanted: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == wanted


def test_a_variable_sees_the_ones_defined_before_it_and_not_those_after() -> None:
    env = [{"name": "A", "value": "$(B)-$(BASE)"}, {"name": "B", "value": "$(A)"}]
    assert variables(env) == {"BASE": "base", "A": "$(B)-base", "B": "$(B)-base"}


def test_env_overrides_env_from_which_overrides_the_base() -> None:
    sources = Sources({"settings": {"BASE": b"config", "MODE": b"config"}}, {})
    found = variables([{"name": "MODE", "value": "own"}], sources, envFrom=[{"configMapRef": {"name": "settings"}}])
    assert found == {"BASE": "config", "MODE": "own"}


def test_keys_of_config_maps_and_secrets_become_values() -> None:
    sources = Sources({"c": {"k": b"1"}}, {"s": {"p": b"2"}})
    env = [
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}},
        {"name": "O", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "p", "optional": True}}},
    ]
    assert variables(env, sources) == {"BASE": "base", "C": "1", "S": "2"}


@pytest.mark.parametrize(
    "path,wanted",
    [
        ("metadata.name", "pod-1"),
        ("metadata.namespace", "etl"),
        ("metadata.uid", "uid-1"),
        ("spec.nodeName", "node-1"),
        ("metadata.labels['stage']", "load"),
        ("metadata.labels['absent']", ""),
        ("metadata.annotations['note']", "x"),
        ("metadata.labels['batch.kubernetes.io/job-completion-index']", "2"),
        ("status.podIP", "127.0.0.1"),
        ("status.phase", None),
        ("metadata.name.more", None),
    ],
)
def test_fields_of_the_pod_are_known_or_refused(path: str, wanted: str | None) -> None:
    assert field_value(path, NOBODY, pod()[0]) == wanted
