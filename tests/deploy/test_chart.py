"""The chart says what it can be told, refuses the rest, and is kept with the code."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import konductor_core.controller.main
import webhook.main
from konductor_core.config import IN_CLUSTER_URL
from tests.deploy.rendering import CHART, ROOT, VALUES, containers, named, pods, render, run
from tools.values_schema import comments

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click

    from tests.deploy.rendering import Document

TEXT = (CHART / "values.yaml").read_text(encoding="utf-8")


def leaves(values: Document, path: str = "") -> Iterator[str]:
    """Yield the path of every value; a group of which no line has a comment is one value."""
    described = comments(TEXT)
    for name, value in values.items():
        here = f"{path}.{name}".strip(".")
        if isinstance(value, dict) and any(described.get(f"{here}.{each}") for each in value):
            yield from leaves(value, here)
        else:
            yield here


def env(documents: tuple[Document, ...]) -> dict[str, Any]:
    """Return the variables of the controller."""
    (controller,) = pods(documents)["konductor-controller"]["spec"]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in controller["env"]}


@pytest.mark.parametrize("values", ["", *VALUES])
def test_helm_finds_nothing_to_complain_about(values: str) -> None:
    arguments = ["--values", str(VALUES[values])] if values else []
    done = run("helm", "lint", "--strict", str(CHART), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


def test_every_value_has_a_comment() -> None:
    assert [path for path in leaves(yaml.safe_load(TEXT)) if not comments(TEXT).get(path)] == []


def test_the_chart_is_of_the_version_of_the_code_and_so_are_its_images() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["version"], chart["appVersion"]) == (version, version)
    for container in containers(pods(render())["konductor-controller"]):
        assert container["image"] == f"konductor/konductor:{version}"


@pytest.mark.parametrize(
    "setting",
    [
        "controller.replica=3",
        "controller.replicas=0",
        "controller.replicas=two",
        "controller.tenancy=each",
        "redis.maxmemory=lots",
        "redis.userId=0",
        "image.pullPolicy=always",
        "networkPolicy.apiServerPorts={0}",
    ],
)
def test_a_bad_value_is_refused_by_its_name(setting: str) -> None:
    done = run("helm", "template", "konductor", str(CHART), "--set", setting)
    assert done.returncode != 0
    assert re.split(r"[.=]", setting)[1] in done.stderr


def test_without_its_own_redis_the_chart_asks_for_another() -> None:
    done = run("helm", "template", "konductor", str(CHART), "--set", "redis.enabled=false")
    assert "externalRedis.secretName is empty: with redis.enabled=false, name the Secret" in done.stderr


def test_the_schema_describes_every_value_and_allows_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))

    def check(node: Document, value: Any) -> None:
        if isinstance(value, dict) and node["additionalProperties"] is False:
            assert node["properties"].keys() - {"global"} == value.keys()
            for name, each in value.items():
                check(node["properties"][name], each)

    check(schema, yaml.safe_load(TEXT))


FIXED = {"KONDUCTOR_LISTEN", "KONDUCTOR_WEBHOOK_LISTEN", "KONDUCTOR_WEBHOOK_HEALTH_PORT", "KUBECONFIG"}
"""Ports that Services and probes know, and what is only for outside a cluster."""


@pytest.mark.parametrize(
    "name, program", [("controller", konductor_core.controller.main.command), ("webhook", webhook.main.command)]
)
def test_whatever_a_program_can_be_told_can_be_a_value(name: str, program: click.Command) -> None:
    (container,) = pods(render("given-certificate"))[f"konductor-{name}"]["spec"]["containers"]
    known = {str(each.envvar) for each in program.params if each.envvar} - FIXED
    assert known - {each["name"] for each in container["env"]} == set()


def test_the_controller_finds_redis_where_clients_in_the_cluster_look_for_it() -> None:
    assert env(render())["KONDUCTOR_REDIS_URL"] == IN_CLUSTER_URL


def test_with_tls_redis_has_no_other_port_and_the_controller_checks_its_certificate() -> None:
    documents = render("everything")
    config = named(documents, "ConfigMap", "konductor-redis")["data"]["redis.conf"].splitlines()
    assert {"port 0", "tls-port 6379"} <= set(config)
    assert env(documents)["KONDUCTOR_REDIS_URL"].startswith("rediss://")
    assert env(documents)["KONDUCTOR_REDIS_CA"]["secretKeyRef"]["name"] == "konductor-redis-tls"


def test_a_redis_of_ones_own_replaces_the_one_that_comes_with_konductor() -> None:
    documents = render("external")
    assert not [each for each in documents if each["metadata"]["name"] == "konductor-redis"]
    assert env(documents)["KONDUCTOR_REDIS_URL"] == {"secretKeyRef": {"name": "our-redis", "key": "redis-url"}}
    assert "initContainers" not in pods(documents)["konductor-controller"]["spec"]
    assert env(documents).keys() >= {"KONDUCTOR_REDIS_CA", "KONDUCTOR_REDIS_CERT_FILE", "KONDUCTOR_REDIS_KEY_FILE"}


def test_redis_forgets_nothing_and_evicts_nothing() -> None:
    config = named(render(), "ConfigMap", "konductor-redis")["data"]["redis.conf"].splitlines()
    assert {"appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction", "dir /data"} <= set(config)


def test_a_change_of_the_configuration_restarts_redis() -> None:
    def checksum(*settings: str) -> str:
        annotations = pods(render("", *settings))["konductor-redis"]["metadata"]["annotations"]
        return str(annotations["checksum/config"])

    assert checksum() == checksum("controller.replicas=3")
    assert checksum() != checksum("redis.maxmemory=1gb")


def test_no_password_is_in_what_the_chart_makes() -> None:
    for values in ("", *VALUES):
        assert not [each for each in render(values) if each["kind"] == "Secret"]


def test_the_notes_say_what_to_do_next() -> None:
    done = run("helm", "install", "konductor", str(CHART), "--dry-run=client", "--namespace", "konductor-system")
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:")[2]
    assert "kubectl -n konductor-system rollout status deployment/konductor-controller" in notes
