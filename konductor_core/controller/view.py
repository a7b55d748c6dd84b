"""What the cluster holds, as far as the controller has seen: pure data, fed by lists and watches.

Whoever wants to know of changes adds a function to the `listeners` of a table. It is called after the change, in the
event loop, and must not block.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from konductor_core.annotations import CONTROLLER, GATES_FROM, MIRROR_LABEL
from konductor_core.facts import pod_fact
from konductor_core.identity import GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from konductor_core.controller.workloads import Workload
    from konductor_core.facts import Fact
    from konductor_core.gates import Reference
    from konductor_core.identity import Kind

__all__ = ["Key", "Namespace", "Pod", "Resource", "Table", "View"]

APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
JOB_INDEX: Final = "batch.kubernetes.io/job-completion-index"
"""The annotation of a pod of an Indexed Job."""


class Key(NamedTuple):
    """One object: its kind, namespace and name."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.kind.key}/{self.name}"


@dataclass(frozen=True, slots=True)
class Resource:
    """One custom resource, as the API last showed it; `applied` if anybody but the controller has written its spec."""

    key: Key
    uid: str
    generation: int
    version: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    applied: bool

    @property
    def owner(self) -> str:
        """The owner of the object that this resource describes."""
        return f"cr/{self.uid}"

    @property
    def is_mirror(self) -> bool:
        """Whether it only shows an object that was made without one."""
        return self.labels.get(MIRROR_LABEL) == "true"

    @property
    def own_labels(self) -> dict[str, str]:
        """The labels that its object has too."""
        return {name: value for name, value in self.labels.items() if name != MIRROR_LABEL}

    @classmethod
    def of(cls, kind: Kind, body: Mapping[str, Any]) -> Resource:
        """Return the resource that a body from the API describes."""
        metadata = body["metadata"]
        return cls(
            key=Key(kind, metadata["namespace"], metadata["name"]),
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            version=metadata.get("resourceVersion", ""),
            labels=dict(metadata.get("labels") or {}),
            spec=dict(body.get("spec") or {}),
            status=dict(body.get("status") or {}),
            applied=APPLIED in (metadata.get("annotations") or {})
            or any(
                each.get("manager") != CONTROLLER and "f:spec" in (each.get("fieldsV1") or {})
                for each in metadata.get("managedFields") or []
            ),
        )


@dataclass(frozen=True, slots=True)
class Pod:
    """What matters of a pod. Of its annotations only ours are kept; `index` is that in an Indexed Job, else empty.

    `gates` are those that keep it from being scheduled, `fact` is what our own gates may ask about it.
    """

    namespace: str
    name: str
    uid: str
    version: str
    phase: str
    deleting: bool
    node: str
    annotations: Mapping[str, str]
    job: str
    job_uid: str
    index: str
    gates: tuple[str, ...]
    fact: Fact

    @property
    def ended(self) -> bool:
        """Whether all its containers have stopped for good."""
        return self.phase in {"Succeeded", "Failed"}

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Pod:
        """Return the pod that a body from the API describes."""
        metadata, spec = body["metadata"], body.get("spec") or {}
        annotations = metadata.get("annotations") or {}
        owners = metadata.get("ownerReferences") or []
        controllers = (owner for owner in owners if owner.get("kind") == "Job" and owner.get("controller"))
        job: Mapping[str, Any] = next(controllers, {})
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            version=metadata.get("resourceVersion", ""),
            phase=(body.get("status") or {}).get("phase", ""),
            deleting=bool(metadata.get("deletionTimestamp")),
            node=spec.get("nodeName") or "",
            annotations={name: text for name, text in annotations.items() if name.startswith(f"{GROUP}/")},
            job=job.get("name", ""),
            job_uid=job.get("uid", ""),
            index=annotations.get(JOB_INDEX, ""),
            gates=tuple(gate["name"] for gate in spec.get("schedulingGates") or []),
            fact=pod_fact(body),
        )


@dataclass(frozen=True, slots=True)
class Namespace:
    """What matters of a namespace. In one that is `ending`, nothing can be created any more.

    `gates_from` is its annotation about gates of other namespaces, None without one.
    """

    name: str
    version: str
    labels: Mapping[str, str]
    ending: bool
    gates_from: str | None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Namespace:
        """Return the namespace that a body from the API describes."""
        metadata = body["metadata"]
        return cls(
            name=metadata["name"],
            version=metadata.get("resourceVersion", ""),
            labels=dict(metadata.get("labels") or {}),
            ending=bool(metadata.get("deletionTimestamp")),
            gates_from=(metadata.get("annotations") or {}).get(GATES_FROM),
        )


K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Table(Generic[K, V]):
    """Things by key, and who is told of changes: functions of (key, before, after), where None stands for absent."""

    def __init__(self) -> None:
        self.items: dict[K, V] = {}
        self.listeners: list[Callable[[K, V | None, V | None], None]] = []

    def put(self, key: K, value: V | None, *, silently: bool = False) -> None:
        """Note what is there now; None if it is gone. Nobody is told of what has not changed, or `silently`."""
        before = self.items.get(key)
        if before == value:
            return
        if value is None:
            del self.items[key]
        else:
            self.items[key] = value
        if not silently:
            for listener in self.listeners:
                listener(key, before, value)

    def replace(self, earlier: Mapping[K, V], listed: Mapping[K, V]) -> int:
        """Take over a whole list, and return how many entries that changed.

        `earlier` is a copy of the items from just before the list was asked for. What has changed since then is
        newer than the list, and stays.
        """
        changed = 0
        for key in earlier.keys() | listed.keys():
            if self.items.get(key) is earlier.get(key) and earlier.get(key) != listed.get(key):
                self.put(key, listed.get(key))
                changed += 1
        return changed


@dataclass(slots=True)
class View:
    """Custom resources by `Key`, pods by (namespace, name), namespaces by name, jobs and deployments by `Reference`.

    `synced` once all have been listed, and whatever changes is seen.
    """

    resources: Table[Key, Resource] = field(default_factory=Table)
    pods: Table[tuple[str, str], Pod] = field(default_factory=Table)
    namespaces: Table[str, Namespace] = field(default_factory=Table)
    workloads: Table[Reference, Workload] = field(default_factory=Table)
    synced: bool = False

    def present(self) -> set[str]:
        """Return the plurals of all that there is anything of."""
        found = {key.kind.plural for key in self.resources.items}
        found |= {f"{reference.type.lower()}s" for reference in self.workloads.items}
        return found | {name for name in ("pods", "namespaces") if getattr(self, name).items}

    def resource(self, key: Key) -> Resource | None:
        """Return the resource of an object, unless it is absent."""
        return self.resources.items.get(key)

    def pod(self, namespace: str, name: str) -> Pod | None:
        """Return a pod, unless it is absent."""
        return self.pods.items.get((namespace, name))

    def namespaces_in_use(self, label: str) -> set[str]:
        """Return the namespaces that have an object of ours, or in which `label` is "true"; none that is ending."""
        used = {key.namespace for key in self.resources.items}
        used |= {name for name, each in self.namespaces.items.items() if each.labels.get(label) == "true"}
        return {name for name in used if not self.is_ending(name)}

    def is_ending(self, namespace: str) -> bool:
        """Whether a namespace is being deleted, or is gone already."""
        found = self.namespaces.items.get(namespace)
        return found is None or found.ending

    def pods_of(self, namespace: str) -> Iterator[Pod]:
        """Yield every pod of a namespace."""
        return (pod for (where, _), pod in self.pods.items.items() if where == namespace)
