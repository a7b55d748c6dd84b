"""What the programs may do is what they do, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import webhook.cluster
from konductor_core.annotations import CONNECTION_SECRET, CONTROLLER, WEBHOOK
from konductor_core.controller import cluster, watching
from konductor_core.controller.cluster import Rule
from konductor_core.models.registry import SPECS
from tests.deploy.rendering import base, named, render
from tools.deploy import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deploy.rendering import Document


def granted(documents: tuple[Document, ...], account: str) -> Iterator[tuple[Rule, str, str]]:
    """Yield what a service account may do: the rule, the namespace or nothing for all, the object's name or nothing."""
    for binding in documents:
        if binding["kind"] in {"ClusterRoleBinding", "RoleBinding"} and _is_for(binding, account):
            role = named(documents, binding["roleRef"]["kind"], binding["roleRef"]["name"])
            where = binding["metadata"].get("namespace", "")
            for rule in role["rules"]:
                for name in rule.get("resourceNames", [""]):
                    yield from ((each, where, name) for each in _each(rule))


def _is_for(binding: Document, account: str) -> bool:
    subject = {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
    return bool(binding["subjects"] == [subject])


def _each(rule: Document) -> list[Rule]:
    return [
        Rule(verb, group, resource)
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    ]


def test_the_controller_is_granted_exactly_what_its_code_does() -> None:
    wanted = cluster.RULES | watching.RULES
    assert {rule for rule, _, _ in granted(base(), CONTROLLER)} == wanted


def test_nothing_is_granted_by_a_wildcard_or_twice() -> None:
    grants = list(granted(base(), CONTROLLER))
    assert len(grants) == len(set(grants))
    assert "*" not in {word for rule, _, name in grants for word in (*rule, name)}


def test_of_all_secrets_the_controller_reads_and_changes_only_those_that_it_makes() -> None:
    reach = {(where, name) for rule, where, name in granted(base(), CONTROLLER) if _reads(rule, "secrets")}
    assert reach == {("", CONNECTION_SECRET), (NAMESPACE, "konductor-redis")}
    with_own = {
        (where, name) for rule, where, name in granted(render("external"), CONTROLLER) if _reads(rule, "secrets")
    }
    assert with_own == {("", CONNECTION_SECRET)}


def _reads(rule: Rule, resource: str) -> bool:
    return rule.resource == resource and rule.verb != "create"


def test_the_webhook_is_granted_exactly_what_its_code_does() -> None:
    assert {tuple(rule) for rule, _, _ in granted(base(), WEBHOOK)} == webhook.cluster.RULES
    with_given = {tuple(rule) for rule, _, _ in granted(render("given-certificate"), WEBHOOK)}
    assert with_given == webhook.cluster.READ_RULES


def test_of_secrets_and_configurations_the_webhook_reaches_only_its_own() -> None:
    for rule, where, name in granted(base(), WEBHOOK):
        assert where == (NAMESPACE if rule.resource == "secrets" else "")
        assert name == ("" if rule.verb == "create" or tuple(rule) in webhook.cluster.READ_RULES else WEBHOOK)


def test_who_may_view_or_edit_a_namespace_may_do_so_with_every_kind() -> None:
    for role, verbs in (
        ("view", {"get", "list", "watch"}),
        ("edit", {"create", "update", "patch", "delete", "deletecollection"}),
    ):
        found = named(base(), "ClusterRole", f"konductor-{role}")
        assert found["metadata"]["labels"][f"rbac.authorization.k8s.io/aggregate-to-{role}"] == "true"
        (rule,) = found["rules"]
        assert set(rule["resources"]) == {kind.plural for kind in SPECS}
        assert set(rule["verbs"]) == verbs
