"""The custom resource definitions keep to the rules for structural schemas, and explain themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from konductor_core import schema
from konductor_core.identity import GROUP, Kind
from tests.deploy.rendering import BASE, CHART, against_kubernetes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deploy.rendering import Document

FILES = sorted((BASE / "crds").glob("*.yaml"))
ALLOWED = {
    *("type", "format", "description", "default", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength"),
    *("items", "minItems", "maxItems", "properties", "required", "additionalProperties", "maxProperties"),
    *("x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"),
}
"""Of what Kubernetes allows in a structural schema, what ours use; oneOf and its like are not among it."""
FORMATS = {"integer": {"int64"}, "string": {"date-time"}}


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def crd(request: pytest.FixtureRequest) -> Document:
    document: Document = yaml.safe_load(request.param.read_text(encoding="utf-8"))
    return document


def root(crd: Document) -> Document:
    (version,) = crd["spec"]["versions"]
    found: Document = version["schema"]["openAPIV3Schema"]
    return found


def walk(node: Document, path: str = "") -> Iterator[tuple[str, Document]]:
    """Yield every schema within a schema, with its path."""
    yield path or ".", node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(child := node.get(name), dict):
            yield from walk(child, f"{path}[{name}]")


def test_there_is_a_file_for_every_kind_that_exists_in_the_base_and_in_the_chart() -> None:
    wanted = {f"{kind.plural}.yaml" for kind in schema.crds()}
    assert {path.name for path in FILES} == wanted
    for path in FILES:
        assert (CHART / "files/crds" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("version", ["1.30", "1.36"])
def test_it_is_valid_by_the_schema_of_definitions(crd: Document, version: str) -> None:
    assert against_kubernetes(crd, version) == []


def test_its_schema_is_structural(crd: Document) -> None:
    """Every node has one type and only words that Kubernetes allows; metadata is not restricted further."""
    for path, node in walk(root(crd)):
        assert isinstance(node.get("type"), str), f"{path} has no type"
        assert node.keys() <= ALLOWED, path
        assert not {"properties", "additionalProperties"} <= node.keys(), f"{path}: Kubernetes allows one of the two"
        assert "format" not in node or node["format"] in FORMATS[node["type"]], path
        assert node["type"] != "array" or "items" in node, path
    assert root(crd)["properties"]["metadata"] == {"type": "object"}


def test_required_names_exist_and_defaults_keep_to_their_own_schema(crd: Document) -> None:
    for path, node in walk(root(crd)):
        assert set(node.get("required", [])) <= node.get("properties", {}).keys(), path
        if "default" in node:
            assert re.search(node.get("pattern", ""), str(node["default"])), path
            assert node["default"] in node.get("enum", [node["default"]]), path
            assert path.startswith(".spec."), f"{path}: a status is never filled in"


def test_lists_of_the_map_type_have_their_keys_as_required_scalars(crd: Document) -> None:
    for path, node in walk(root(crd)):
        if node.get("x-kubernetes-list-type") == "map":
            for key in node["x-kubernetes-list-map-keys"]:
                assert node["items"]["properties"][key]["type"] in {"string", "integer", "boolean"}, path
                assert key in node["items"]["required"], path


def test_every_rule_has_a_message_and_is_about_a_field_that_exists(crd: Document) -> None:
    for path, node in walk(root(crd)):
        for rule in node.get("x-kubernetes-validations", []):
            assert rule["message"], path
            assert set(re.findall(r"\bself\.(\w+)", rule["rule"])) <= node["properties"].keys(), path


def test_text_that_a_rule_reads_is_bounded(crd: Document) -> None:
    """The API server refuses a rule whose cost it cannot bound."""
    for path, node in walk(root(crd)["properties"]["spec"]):
        for rule in node.get("x-kubernetes-validations", []):
            for name in re.findall(r"\bself\.(\w+)", rule["rule"]):
                field = node["properties"][name]
                assert field["type"] != "string" or {"maxLength", "enum"} & field.keys(), f"{path}.{name}"


def test_every_field_of_the_spec_and_of_the_status_explains_itself(crd: Document) -> None:
    for part in ("spec", "status"):
        for path, node in walk(root(crd)["properties"][part]):
            assert "[additionalProperties]" in path or path.endswith("[items]") or node.get("description"), path


def test_its_names_are_those_of_its_kind(crd: Document) -> None:
    names = crd["spec"]["names"]
    kind = Kind(names["kind"])
    assert crd["metadata"]["name"] == f"{kind.plural}.{GROUP}"
    assert names["plural"] == kind.plural
    assert names["categories"] == ["konductor"]
    assert set(names["shortNames"]) == {kind.short} - {names["singular"]}


def test_its_columns_show_fields_that_exist_and_end_with_the_age(crd: Document) -> None:
    (version,) = crd["spec"]["versions"]
    columns = version["additionalPrinterColumns"]
    assert columns[-1] == {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
    types: dict[str, Any] = {path: node["type"] for path, node in walk(root(crd))}
    for column in columns[:-1]:
        assert types[column["jsonPath"]] == column["type"], column["name"]


def test_a_status_is_written_apart_from_the_spec(crd: Document) -> None:
    (version,) = crd["spec"]["versions"]
    assert version["subresources"] == {"status": {}}


def test_uninstalling_the_chart_leaves_the_definitions_because_all_objects_would_go_with_them(crd: Document) -> None:
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
