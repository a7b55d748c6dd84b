"""What the API server is told: fail closed for whom it matters, keep out of everybody else's way."""

from __future__ import annotations

import pytest

from konductor_core.models import SPECS
from tests.deploy.rendering import against_kubernetes
from webhook.configuration import configurations
from webhook.templates import TEMPLATES

MUTATING, VALIDATING = configurations("konductor-system")
WEBHOOKS = {each["name"].partition(".")[0]: each for each in (*MUTATING["webhooks"], *VALIDATING["webhooks"])}


@pytest.mark.parametrize("version", ["1.30", "1.36"])
def test_the_configurations_are_valid(version: str) -> None:
    assert against_kubernetes(MUTATING, version) == []
    assert against_kubernetes(VALIDATING, version) == []


def test_only_pods_that_ask_for_something_are_refused_while_the_webhook_is_away() -> None:
    policies = {name: each["failurePolicy"] for name, each in WEBHOOKS.items()}
    assert policies == {"pods": "Fail", **dict.fromkeys(("environment", "templates", "cronjobs", "objects"), "Ignore")}
    assert "annotations.exists" in WEBHOOKS["pods"]["matchConditions"][0]["expression"]


def test_nothing_is_changed_but_pods_that_are_being_created() -> None:
    for webhook in MUTATING["webhooks"]:
        assert webhook["reinvocationPolicy"] == "IfNeeded"
        for rule in webhook["rules"]:
            assert (rule["operations"], rule["resources"]) == (["CREATE"], ["pods"])


@pytest.mark.parametrize("name", list(WEBHOOKS))
def test_every_webhook_keeps_out_of_its_own_namespace_and_the_systems_and_those_that_opt_out(name: str) -> None:
    webhook = WEBHOOKS[name]
    own, out = webhook["namespaceSelector"]["matchExpressions"]
    assert own == {
        "key": "kubernetes.io/metadata.name",
        "operator": "NotIn",
        "values": ["konductor-system", "kube-system"],
    }
    assert out == {"key": "konductor.io/enabled", "operator": "NotIn", "values": ["false"]}
    assert webhook["sideEffects"] == "None"
    assert webhook["timeoutSeconds"] <= 10
    assert "caBundle" not in webhook["clientConfig"]


def test_the_environment_is_for_namespaces_that_ask_for_it() -> None:
    assert WEBHOOKS["environment"]["namespaceSelector"]["matchLabels"] == {"konductor.io/enabled": "true"}
    assert "matchLabels" not in WEBHOOKS["pods"]["namespaceSelector"]


def test_all_that_can_be_judged_is_sent_to_be_judged() -> None:
    sent = {
        (group, resource)
        for webhook in VALIDATING["webhooks"]
        for rule in webhook["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    templates = {(group, f"{kind.lower()}s") for group, kind in TEMPLATES}
    assert sent == templates | {("konductor.io", kind.plural) for kind in SPECS}
