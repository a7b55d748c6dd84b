"""Whatever the chart and the base can become is valid, hangs together, and keeps to the restricted standard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.deploy.rendering import (
    BASE,
    ROOT,
    VALUES,
    against_kubernetes,
    base,
    containers,
    named,
    pods,
    render,
)
from tools import generate
from tools.deploy import NAMESPACE

if TYPE_CHECKING:
    from tests.deploy.rendering import Document

WITH_SCHEMAS_OF_THEIR_OWN = {"ServiceMonitor", "PrometheusRule"}
"""Kinds of the Prometheus operator."""
MADE_BY_OTHERS = {"konductor-redis", "konductor-redis-tls", "konductor-webhook-certificate", "our-redis"}
"""Secrets: the first is made by the controller's pod, the others are the user's."""


@pytest.fixture(params=["base", "defaults", *VALUES])
def documents(request: pytest.FixtureRequest) -> tuple[Document, ...]:
    match request.param:
        case "base":
            return base()
        case "defaults":
            return render()
        case name:
            return render(name)


@pytest.mark.parametrize("version", ["1.30", "1.36"])
def test_everything_is_valid_by_the_schemas_of_kubernetes(documents: tuple[Document, ...], version: str) -> None:
    for document in documents:
        if document["kind"] not in WITH_SCHEMAS_OF_THEIR_OWN:
            errors = against_kubernetes(document, version)
            assert errors == [], f"{document['kind']} {document['metadata']['name']}"


def test_the_schemas_find_a_misspelt_field() -> None:
    assert against_kubernetes({"apiVersion": "v1", "kind": "ServiceAccount", "automount": True}, "1.36") != []


def test_the_base_is_the_chart_with_its_default_values_and_the_namespace() -> None:
    def in_order(documents: tuple[Document, ...]) -> list[Document]:
        return sorted(documents, key=lambda each: (each["kind"], each["metadata"]["name"]))

    namespace = yaml.safe_load((BASE / "namespace.yaml").read_text(encoding="utf-8"))
    assert in_order(base()) == in_order((*render(), namespace))


def test_generated_files_are_up_to_date() -> None:
    for name, text in generate.rendered().items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: run make generate"


def test_no_object_is_there_twice(documents: tuple[Document, ...]) -> None:
    names = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in documents]
    assert len(names) == len(set(names))


def test_the_namespace_enforces_the_restricted_standard() -> None:
    labels = named(base(), "Namespace", NAMESPACE)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_pod_keeps_to_the_restricted_standard_and_writes_only_to_volumes(documents: tuple[Document, ...]) -> None:
    for pod in pods(documents).values():
        spec, security = pod["spec"], pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        kinds = {key for volume in spec.get("volumes", []) for key in volume} - {"name"}
        assert kinds <= {"configMap", "emptyDir", "secret", "projected"}
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_every_container_says_what_it_needs_and_has_a_limit_of_memory(documents: tuple[Document, ...]) -> None:
    for pod in pods(documents).values():
        for container in containers(pod):
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]


def test_only_pods_that_speak_to_the_api_server_have_its_token(documents: tuple[Document, ...]) -> None:
    with_token = {name for name, pod in pods(documents).items() if pod["spec"]["automountServiceAccountToken"]}
    assert with_token <= {"konductor-controller", "konductor-webhook"}
    accounts = [each for each in documents if each["kind"] == "ServiceAccount"]
    assert all(each["automountServiceAccountToken"] is False for each in accounts)


def test_every_container_that_serves_has_the_probes_it_needs_on_ports_that_it_has(
    documents: tuple[Document, ...],
) -> None:
    for pod in pods(documents).values():
        for container in pod["spec"]["containers"]:
            ports = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                if call := container[probe].get("httpGet"):
                    assert call["port"] in ports


def _selects(selector: dict[str, str], pod: Document) -> bool:
    labels: dict[str, str] = pod["metadata"]["labels"]
    return selector.items() <= labels.items()


def test_selectors_select_their_own_pods_and_no_others(documents: tuple[Document, ...]) -> None:
    for document in documents:
        kind, name = document["kind"], document["metadata"]["name"]
        if kind in {"Deployment", "StatefulSet", "PodDisruptionBudget"}:
            selector = document["spec"]["selector"]["matchLabels"]
        elif kind == "Service":
            selector = document["spec"]["selector"]
        elif kind == "NetworkPolicy" and name != "konductor-default-deny":
            selector = document["spec"]["podSelector"]["matchLabels"]
        else:
            continue
        assert [each for each, pod in pods(documents).items() if _selects(selector, pod)] == [name]


def test_services_lead_to_ports_that_containers_have(documents: tuple[Document, ...]) -> None:
    for service in (each for each in documents if each["kind"] == "Service"):
        (pod,) = (each for each in pods(documents).values() if _selects(service["spec"]["selector"], each))
        named_ports = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named_ports


def test_every_volume_is_mounted_and_every_mount_has_its_volume(documents: tuple[Document, ...]) -> None:
    claims = {"konductor-redis": {"data"} if _has_claims(documents) else set()}
    for name, pod in pods(documents).items():
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])} | claims.get(name, set())
        assert volumes == {mount["name"] for each in containers(pod) for mount in each.get("volumeMounts", [])}


def _has_claims(documents: tuple[Document, ...]) -> bool:
    return any("volumeClaimTemplates" in each.get("spec", {}) for each in documents)


def _secrets(pod: Document) -> set[str]:
    """Return the names of the Secrets that a pod mounts or takes variables from."""
    variables = [each.get("valueFrom", {}) for container in containers(pod) for each in container.get("env", [])]
    mounted = [volume["secret"]["secretName"] for volume in pod["spec"].get("volumes", []) if "secret" in volume]
    return {*mounted, *(each["secretKeyRef"]["name"] for each in variables if "secretKeyRef" in each)}


def test_whatever_a_pod_refers_to_exists(documents: tuple[Document, ...]) -> None:
    there = {(each["kind"], each["metadata"]["name"]) for each in documents}
    for pod in pods(documents).values():
        spec = pod["spec"]
        assert _secrets(pod) <= MADE_BY_OTHERS
        maps = {volume["configMap"]["name"] for volume in spec.get("volumes", []) if "configMap" in volume}
        assert {("ConfigMap", name) for name in maps} <= there
        assert "serviceAccountName" not in spec or ("ServiceAccount", spec["serviceAccountName"]) in there
        assert "priorityClassName" not in spec or ("PriorityClass", spec["priorityClassName"]) in there


def test_replicas_of_one_program_are_spread_over_nodes_and_zones_and_survive_a_drain() -> None:
    documents = base()
    for workload in (each for each in documents if each["kind"] == "Deployment"):
        assert workload["spec"]["replicas"] == 2
        spread = {each["topologyKey"] for each in workload["spec"]["template"]["spec"]["topologySpreadConstraints"]}
        assert spread == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        budget = named(documents, "PodDisruptionBudget", workload["metadata"]["name"])
        assert budget["spec"]["maxUnavailable"] == 1


def _ports(rules: list[Any]) -> set[int | str]:
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_traffic_that_no_policy_allows_is_denied_to_all_pods_of_konductor_and_to_no_others() -> None:
    documents = base()
    deny = named(documents, "NetworkPolicy", "konductor-default-deny")["spec"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & deny.keys()
    assert all(_selects(deny["podSelector"]["matchLabels"], pod) for pod in pods(documents).values())
    assert deny["podSelector"]["matchLabels"]


def test_pods_of_all_namespaces_reach_redis_and_redis_reaches_nobody() -> None:
    policy = named(base(), "NetworkPolicy", "konductor-redis")["spec"]
    assert policy["ingress"][0]["from"][0] == {"namespaceSelector": {}}
    assert _ports(policy["ingress"]) == {"redis"}
    assert "egress" not in policy


def test_the_controller_reaches_redis_dns_and_the_api_server() -> None:
    policy = named(base(), "NetworkPolicy", "konductor-controller")["spec"]
    assert {6379, 53, 443, 6443} <= _ports(policy["egress"])
    external = named(render("external"), "NetworkPolicy", "konductor-controller")["spec"]
    assert 6380 in _ports(external["egress"])
    assert 6379 not in _ports(external["egress"])
