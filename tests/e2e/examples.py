"""The examples as a real cluster can run them: with an image that is there, and their programs from a ConfigMap."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.deploy.rendering import ROOT
from tests.e2e.cluster import IMAGE, Document, Namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Example", "history"]

PROGRAMS: Final = "example-programs"


class Example:
    """One directory of examples/."""

    def __init__(self, directory: str) -> None:
        self.directory = ROOT / "examples" / directory

    def documents(self, *names: str) -> Iterator[Document]:
        """Yield the manifests of some of its files, or of all but the storage, fit to run here."""
        chosen = [self.directory / f"{name}.yaml" for name in names] or sorted(self.directory.glob("*.yaml"))
        for path in chosen:
            for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
                if document["kind"] in {"Job", "Deployment"}:
                    yield with_programs(document)
                elif document["kind"] != "PersistentVolumeClaim":
                    yield document

    def claim(self) -> Document:
        """Return its claim, of the cluster's default class and for one node: all that many clusters have."""
        found: Document = yaml.safe_load((self.directory / "storage.yaml").read_text(encoding="utf-8"))
        found["spec"].pop("storageClassName", None)
        found["spec"]["accessModes"] = ["ReadWriteOnce"]
        return found

    def prepare(self, namespace: Namespace) -> None:
        """Put its programs and its claim where its pods find them."""
        programs = [path for path in sorted((self.directory / "bin").iterdir()) if path.is_file()]
        namespace("create", "configmap", PROGRAMS, *(f"--from-file={path}" for path in programs))
        namespace.apply(self.claim())

    def apply(self, namespace: Namespace) -> None:
        """Apply everything in it, in one go."""
        self.prepare(namespace)
        namespace.apply(*self.documents())


def with_programs(document: Document) -> Document:
    """Return what makes pods with the image that has koncli, and the programs before it on the path."""
    spec = document["spec"]["template"]["spec"]
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        container["image"] = IMAGE
        container["volumeMounts"] = [*container.get("volumeMounts", []), {"name": "programs", "mountPath": "/programs"}]
        container["command"] = ["sh", "-c", 'PATH=/programs:$PATH exec "$@"', "--", *container["command"]]
    programs = {"name": "programs", "configMap": {"name": PROGRAMS, "defaultMode": 0o755}}
    spec["volumes"] = [*spec.get("volumes", []), programs]
    return document


def history(namespace: Namespace, *names: str) -> list[dict[str, Any]]:
    """Return the events of objects such as `once/x`, the oldest of each first, as koncli tells them."""
    found: list[dict[str, Any]] = json.loads(namespace.run("history", f"koncli events {' '.join(names)} -o json"))
    return found
