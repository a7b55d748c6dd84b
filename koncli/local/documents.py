"""Manifests from files and folders, sorted by what the local runner does with them.

Konductor objects, Jobs, Deployments and Pods run; PersistentVolumeClaims, ConfigMaps and Secrets become directories and
variables; what only configures a cluster is left out with a note; every other kind is refused by name.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from koncli.local import injection
from koncli.local.checks import check_sources
from koncli.local.deploymentspec import TEMPLATE_HASH, DeploymentSpec, read_deployment, template_hash
from koncli.local.expand import Sources
from koncli.local.fields import Fields, Refusals
from koncli.local.jobspec import JobSpec, read_job
from koncli.local.podspec import PodSpec, read_pod
from koncli.local.podvolumes import CLAIM
from konductor_core.annotations import CONNECTION_SECRET, URL_KEY
from konductor_core.errors import InvalidInput, quoted
from konductor_core.identity import GROUP, check_name
from konductor_core.manifests import Manifest, load_yaml

if TYPE_CHECKING:
    from pathlib import Path

_SUFFIXES = (".yaml", ".yml", ".json")
_CLUSTER_ONLY = {
    "ClusterRole", "ClusterRoleBinding", "LimitRange", "Namespace", "NetworkPolicy", "PersistentVolume",
    "PodDisruptionBudget", "PriorityClass", "ResourceQuota", "Role", "RoleBinding", "ServiceAccount", "StorageClass",
}  # fmt: skip
_VERSIONS = {
    "Job": "batch/v1",
    "Deployment": "apps/v1",
    **dict.fromkeys(("Pod", "PersistentVolumeClaim", "ConfigMap", "Secret"), "v1"),
}
_KEY = re.compile(r"(?!\.\.?$)[-._a-zA-Z0-9]{1,253}")
"""A key of a ConfigMap or Secret, which becomes a file's name."""


@dataclass(slots=True)
class Documents:
    """Everything to run, in the order of the files. `folders` are where the files stand."""

    refusals: Refusals = field(default_factory=Refusals)
    objects: list[Manifest] = field(default_factory=list)
    jobs: list[JobSpec] = field(default_factory=list)
    deployments: list[DeploymentSpec] = field(default_factory=list)
    pods: list[tuple[str, PodSpec]] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)
    configs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    secrets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    connection: dict[str, bytes] = field(default_factory=lambda: {URL_KEY: b""})
    """The Secret with the connection: what is in it is known once the server runs."""
    namespaces: dict[str, str] = field(default_factory=dict)
    """Namespaces that the manifests name → where first."""
    skipped: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    _seen: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def sources(self) -> Sources:
        """ConfigMaps and Secrets for variables and volumes; the Secret with the connection is the runner's own."""
        return Sources(self.configs, {**self.secrets, CONNECTION_SECRET: self.connection})

    @property
    def pod_specs(self) -> list[PodSpec]:
        """The pods of all Jobs and Deployments, and the bare ones."""
        controlled = [job.pod for job in self.jobs] + [deployment.pod for deployment in self.deployments]
        return controlled + [pod for _, pod in self.pods]

    def notes(self) -> list[str]:
        """Say what is left out here, for people."""
        notes = []
        if self.skipped:
            notes.append(f"without meaning here: {', '.join(self.skipped)}")
        if self.refusals.ignored:
            notes.append(f"ignored in pods: {', '.join(self.refusals.ignored)}")
        used = {each.source for pod in self.pod_specs for each in pod.volumes.values() if each.kind == CLAIM}
        notes += [
            f"PersistentVolumeClaim {claim} is not among the manifests: it starts as an empty directory"
            for claim in sorted(used.difference(self.claims))
        ]
        return notes

    def namespace(self, flag: str | None, default: str) -> str:
        """Return the one namespace: the flag's, the manifests' or the default; InvalidInput if they disagree."""
        named = dict(self.namespaces)
        if flag is not None:
            named.setdefault(flag, "-n")
        if len(named) > 1:
            told = ", ".join(f"{name} ({where})" for name, where in named.items())
            raise InvalidInput(f"a local run has one namespace, but here are {told}")
        return next(iter(named), default)

    def add(self, body: Mapping[str, Any], place: str) -> None:
        """Sort one document; what can't run goes to `refusals`."""
        kind, name = body.get("kind"), _metadata(body).get("name")
        if not isinstance(kind, str):
            self.refusals.refuse(place, "a manifest needs a kind")
            return
        where = f"{place}: {kind} {name}" if isinstance(name, str) else f"{place}: {kind}"
        if str(body.get("apiVersion", "")).partition("/")[0] == GROUP:
            self._add_object(body, place)
        elif kind in _CLUSTER_ONLY:
            self.skipped.append(f"{kind} {name}")
            return
        elif (why := _unfit(kind, name, body)) is not None:
            self.refusals.refuse(where, why)
            return
        else:
            self._add_workload(kind, str(name), body, where)
        self._note(kind, str(name), body, place)

    def _add_object(self, body: Mapping[str, Any], place: str) -> None:
        try:
            self.objects.append(Manifest.from_dict(body))
        except InvalidInput as error:
            self.refusals.refuse(place, error.message)

    def _add_workload(self, kind: str, name: str, body: Mapping[str, Any], where: str) -> None:
        fields = Fields(body, where, self.refusals)
        if kind in ("Job", "Deployment"):
            self._add_controlled(kind, name, fields, body.get("spec"), where)
        elif kind == "Pod":
            self.pods.append(
                (name, read_pod(injection.admit(body, where, self.refusals), ("Always", "OnFailure", "Never")))
            )
        elif kind == "PersistentVolumeClaim":
            self.claims.append(name)
        elif kind == "ConfigMap":
            self.configs[name] = _text_data(fields, "data") | _binary_data(fields, "binaryData")
        else:
            self.secrets[name] = _binary_data(fields, "data") | _text_data(fields, "stringData")

    def _add_controlled(self, kind: str, name: str, fields: Fields, spec: object, where: str) -> None:
        """Add what makes pods from a template."""
        template = spec.get("template") if isinstance(spec, Mapping) else None
        if not isinstance(spec, Mapping) or not isinstance(template, Mapping):
            self.refusals.refuse(where, "spec.template is missing")
        elif kind == "Job":
            uid, indexed = str(uuid.uuid4()), spec.get("completionMode") == "Indexed"
            pod = injection.as_pod_of(template, injection.job_labels(name, uid), indexed=indexed)
            completions = injection.completions_of(spec)
            admitted = injection.admit(pod, where, self.refusals, "spec.template", completions)
            self.jobs.append(read_job(fields, admitted, name, uid))
        else:
            hashed = template_hash(template)
            pod = injection.as_pod_of(template, {TEMPLATE_HASH: hashed})
            admitted = injection.admit(pod, where, self.refusals, "spec.template")
            self.deployments.append(read_deployment(fields, admitted, name, hashed))

    def _note(self, kind: str, name: str, body: Mapping[str, Any], place: str) -> None:
        namespace = _metadata(body).get("namespace")
        if isinstance(namespace, str):
            self.namespaces.setdefault(namespace, place)
        first = self._seen.setdefault((kind, name), place)
        if first != place:
            self.refusals.refuse(f"{place}: {kind} {name}", f"stands in {first} already")


def read_documents(paths: list[Path]) -> Documents:
    """Read all manifests of the files and folders (not their subfolders). InvalidInput names whatever can't run."""
    documents = Documents()
    for file in _files(paths):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{file} can't be read: {getattr(error, 'strerror', None) or error}") from error
        for body, line in load_yaml(text, str(file)):
            documents.add(body, f"{file}:{line}")
    _check(documents, paths)
    documents.folders = list(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))
    return documents


def _check(documents: Documents, paths: list[Path]) -> None:
    for pod in documents.pod_specs:
        check_sources(pod, documents.sources, documents.refusals)
    documents.refusals.raise_if_any()
    if not documents.pod_specs:
        raise InvalidInput(f"there is no Job, Deployment or Pod in {', '.join(map(str, paths))}: nothing to run")


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES and each.is_file())
            if not found:
                raise InvalidInput(f"there is no .yaml, .yml or .json file in {path}")
            yield from found
        elif path.exists():
            yield path
        else:
            raise InvalidInput(f"there is no file or folder {path}")


def _unfit(kind: str, name: object, body: Mapping[str, Any]) -> str | None:
    """Say why a document that is not one of ours can't run here; None if it can."""
    if kind not in _VERSIONS:
        return f"{kind} can't run here: a local run has Jobs, Deployments, Pods, claims, ConfigMaps and Secrets"
    if body.get("apiVersion") != _VERSIONS[kind]:
        return f"apiVersion {quoted(body.get('apiVersion'))} is unknown for a {kind}: write {_VERSIONS[kind]}"
    if not isinstance(name, str):
        return "a manifest needs metadata.name (generateName can't be had here)"
    try:
        check_name(name, "metadata.name")
    except InvalidInput as error:
        return error.message
    return None


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = body.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def _pairs(fields: Fields, name: str) -> Iterator[tuple[str, str]]:
    for key, text in fields.pairs(name).items():
        if _KEY.fullmatch(key):
            yield key, text
        else:
            fields.refuse(f"{name}[{key}]", "a key has letters, digits, '-', '_' and '.' only")


def _text_data(fields: Fields, name: str) -> dict[str, bytes]:
    return {key: text.encode() for key, text in _pairs(fields, name)}


def _binary_data(fields: Fields, name: str) -> dict[str, bytes]:
    decoded = {}
    for key, text in _pairs(fields, name):
        try:
            decoded[key] = base64.b64decode("".join(text.split()), validate=True)
        except binascii.Error:
            fields.refuse(f"{name}[{key}]", "is not base64")
    return decoded
