"""The chart and the base as documents, and what both are checked with."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import referencing
import yaml

from tools.binaries import MissingProgramError, find
from tools.deploy import CHART, template

__all__ = [
    "BASE",
    "CHART",
    "ROOT",
    "VALUES",
    "Document",
    "base",
    "containers",
    "named",
    "pods",
    "program",
    "render",
    "run",
]

Document = dict[str, Any]

ROOT: Final = Path(__file__).resolve().parents[2]
BASE: Final = ROOT / "deploy"
VALUES: Final = {path.stem: path for path in sorted((Path(__file__).parent / "values").glob("*.yaml"))}
"""Values files that turn on what is off by default, by name."""


def program(name: str) -> str:
    """Return the path of helm or kubectl; without it the test is skipped at home, and fails in CI."""
    try:
        return find(name)
    except MissingProgramError as error:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run helm or kubectl."""
    return subprocess.run([program(command[0]), *command[1:]], capture_output=True, text=True, check=False)


@cache
def render(values: str = "", *settings: str) -> tuple[Document, ...]:
    """Return what the chart makes of a values file in VALUES and of `settings`, each a `--set`."""
    program("helm")
    arguments = ["--values", str(VALUES[values])] if values else []
    return _documents(template(CHART, *arguments, *(word for each in settings for word in ("--set", each))))


@cache
def base() -> tuple[Document, ...]:
    """Return what `kubectl apply -k deploy/` would apply."""
    done = run("kubectl", "kustomize", str(BASE))
    assert done.returncode == 0, done.stderr
    return _documents(done.stdout)


def _documents(text: str) -> tuple[Document, ...]:
    return tuple(document for document in yaml.safe_load_all(text) if document)


def named(documents: tuple[Document, ...], kind: str, name: str) -> Document:
    """Return the document of that kind and name."""
    found = [each for each in documents if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"{len(found)} documents are {kind} {name}"
    return found[0]


def pods(documents: tuple[Document, ...]) -> dict[str, Document]:
    """Return the pod template of every workload, by the workload's name."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]
        for each in documents
        if each["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job"}
    }


def containers(pod: Document) -> list[Document]:
    """Return all containers of a pod template."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


@cache
def _schemas(version: str) -> tuple[Path, referencing.Registry[Any]]:
    """Return the folder of a version's schemas, which know no field beyond their own, and what they refer to."""
    folder = Path(str(files("kubernetes_validate"))) / "kubernetes-json-schema"
    (place,) = folder.glob(f"v{version}.*-local-strict")
    definitions = json.loads((place / "_definitions.json").read_text(encoding="utf-8"))
    return place, referencing.Resource.from_contents(definitions) @ referencing.Registry()


def against_kubernetes(document: Document, version: str) -> list[str]:
    """Return what the JSON schema of a Kubernetes version has against a document."""
    place, registry = _schemas(version)
    group, _, api = document["apiVersion"].rpartition("/")
    name = "-".join(filter(None, [document["kind"].lower(), group.partition(".")[0], api])) + ".json"
    schema = json.loads((place / name).read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema, registry=referencing.Resource.from_contents(schema) @ registry)
    return [f"{each.json_path}: {each.message}" for each in validator.iter_errors(document)]
