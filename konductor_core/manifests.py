"""Manifests: the objects that files describe, as `kubectl apply` and `koncli apply` read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from konductor_core.documents import Document, load_yaml
from konductor_core.errors import InvalidInput, did_you_mean, quoted
from konductor_core.identity import API_VERSION, GROUP, Kind, check_name, check_namespace
from konductor_core.labels import check_labels
from konductor_core.models import SPECS, Spec

__all__ = ["Document", "Manifest", "load_yaml", "parse_documents"]

_FIELDS: Final = ("apiVersion", "kind", "metadata", "spec", "status")
_METADATA_READ: Final = ("name", "namespace", "labels", "uid")
_METADATA_IGNORED: Final = (
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object as a file describes it; `namespace` is None where the file leaves it to the caller."""

    kind: Kind
    name: str
    namespace: str | None
    labels: Mapping[str, str]
    spec: Spec
    uid: str | None = field(default=None)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Manifest:
        """Return the manifest that `document` is; raise `InvalidInput` that names the field and the remedy."""
        _refuse_unknown(document, _FIELDS, "the manifest")
        kind = _kind(document)
        metadata = document.get("metadata")
        if not isinstance(metadata, Mapping):
            raise InvalidInput(f"{kind} has no metadata: give it metadata with a name")
        if metadata.get("name") is None:
            raise InvalidInput(f"{kind} has no metadata.name: give it one")
        name = check_name(metadata["name"], f"{kind} metadata.name")
        try:
            _refuse_unknown(metadata, (*_METADATA_READ, *_METADATA_IGNORED), "metadata")
            namespace, uid = metadata.get("namespace"), metadata.get("uid")
            return cls(
                kind=kind,
                name=name,
                namespace=None if namespace is None else check_namespace(namespace, "metadata.namespace"),
                labels=check_labels(metadata.get("labels"), "metadata.labels"),
                spec=SPECS[kind].from_dict(document.get("spec")),
                uid=None if uid is None else str(uid),
            )
        except InvalidInput as error:
            raise InvalidInput(f"{kind} {name}: {error.message}", hint=error.hint) from None

    def to_dict(self, status: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the manifest as a file would have it, with `status` if given."""
        metadata: dict[str, Any] = {"name": self.name}
        if self.namespace is not None:
            metadata["namespace"] = self.namespace
        if self.uid is not None:
            metadata["uid"] = self.uid
        if self.labels:
            metadata["labels"] = dict(self.labels)
        document = {
            "apiVersion": API_VERSION,
            "kind": str(self.kind),
            "metadata": metadata,
            "spec": self.spec.to_dict(),
        }
        return document if status is None else {**document, "status": dict(status)}


def parse_documents(text: str, source: str) -> list[Manifest]:
    """Return the manifests in `text`, which is YAML or JSON; `source` is the file's name for error messages.

    Raises `InvalidInput`, beginning with `source:line:`, for what isn't a manifest of ours; nothing is skipped.
    """
    manifests = []
    for document, line in load_yaml(text, source):
        try:
            manifests.append(Manifest.from_dict(document))
        except InvalidInput as error:
            raise InvalidInput(f"{source}:{line}: {error.message}", hint=error.hint) from None
    return manifests


def _refuse_unknown(document: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    for name in document:
        if name not in known:
            guess = did_you_mean(str(name), known)
            remedy = f"did you mean {guess}?" if guess else f"known are {', '.join(known)}"
            raise InvalidInput(f"{what} has the unknown field {quoted(name)}: {remedy}")


def _kind(document: Mapping[str, Any]) -> Kind:
    """Return the manifest's kind, after a look at its apiVersion, which tells whose kind it is."""
    kind, version = document.get("kind"), document.get("apiVersion")
    if not isinstance(kind, str):
        raise InvalidInput(f"kind is missing: write one of {', '.join(SPECS)}")
    if not isinstance(version, str):
        raise InvalidInput(f"apiVersion is missing: write apiVersion: {API_VERSION}")
    if version != API_VERSION:
        if version.partition("/")[0] == GROUP or did_you_mean(version, [API_VERSION]):
            raise InvalidInput(f"apiVersion {quoted(version)} is unknown: write {API_VERSION}")
        raise InvalidInput(f"kind {quoted(kind)} of {quoted(version)} is not one of {GROUP}'s: apply it with kubectl")
    if kind not in SPECS:
        guess = did_you_mean(kind, SPECS)
        remedy = f"did you mean {guess}?" if guess else f"choose one of {', '.join(SPECS)}"
        raise InvalidInput(f"kind {quoted(kind)} is unknown: {remedy}")
    return Kind(kind)
