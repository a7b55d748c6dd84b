"""The environment of a container and `$(NAME)` in it, as Kubernetes defines them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from koncli.local.podenv import Reference
    from koncli.local.podspec import Container, PodSpec

_REFERENCE = re.compile(r"\$\$|\$\(([^()$]*)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")

Files = Mapping[str, Mapping[str, bytes]]
"""ConfigMaps or Secrets: name → key → content."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; an unknown name stays as it is and `$$` is one dollar sign."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(value, text)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a pod is; `index` is its completion index in an Indexed Job, `arrival` the id under which it arrives."""

    name: str
    namespace: str
    uid: str
    node: str
    index: int | None = None
    arrival: str = ""


def field_value(path: str, identity: Identity, pod: PodSpec) -> str | None:
    """Return the value of a downward API field; None for fields that can't be had here."""
    plain = {
        "metadata.name": identity.name,
        "metadata.namespace": identity.namespace,
        "metadata.uid": identity.uid,
        "spec.nodeName": identity.node,
        "spec.serviceAccountName": pod.service_account,
        "status.podIP": "127.0.0.1",
        "status.podIPs": "127.0.0.1",
        "status.hostIP": "127.0.0.1",
        "status.hostIPs": "127.0.0.1",
    }
    if path in plain:
        return plain[path]
    if not (match := _SUBSCRIPT.fullmatch(path)):
        return None
    values = dict(pod.labels if match[1] == "labels" else pod.annotations)
    if identity.index is not None:
        values["batch.kubernetes.io/job-completion-index"] = str(identity.index)
    return values.get(match[2], "")


@dataclass(frozen=True, slots=True)
class Sources:
    """ConfigMaps and Secrets that stand among the manifests."""

    configs: Files
    secrets: Files

    def keys(self, source: str, name: str) -> Mapping[str, bytes] | None:
        """Return the content of one ConfigMap (`source` "config") or Secret ("secret"), None if it is not there."""
        return (self.configs if source == "config" else self.secrets).get(name)


def environment(
    container: Container, pod: PodSpec, identity: Identity, sources: Sources, base: Mapping[str, str]
) -> dict[str, str]:
    """Return the container's variables: `base`, then `envFrom`, then `env` in order; a later one wins."""
    variables = dict(base)
    for entry in container.env_from:
        for key, content in (sources.keys(entry.source, entry.name) or {}).items():
            variables[entry.prefix + key] = content.decode(errors="replace")
    for variable in container.env:
        if variable.reference is None:
            variables[variable.name] = expand(variable.value, variables)
        elif (value := _resolve(variable.reference, pod, identity, sources)) is not None:
            variables[variable.name] = value
    return variables


def _resolve(reference: Reference, pod: PodSpec, identity: Identity, sources: Sources) -> str | None:
    if reference.source == "field":
        return field_value(reference.name, identity, pod)
    content = (sources.keys(reference.source, reference.name) or {}).get(reference.key)
    return None if content is None else content.decode(errors="replace")
