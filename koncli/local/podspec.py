"""The part of a pod's spec that can be had locally, parsed into values; the rest is refused or ignored by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from koncli.local.podenv import Import, Variable, read_imports, read_variable
from koncli.local.podvolumes import Volume, VolumeMount, read_mounts, read_volumes
from koncli.local.probes import Probes, read_probes
from konductor_core.annotations import SCHEDULING_GATE
from konductor_core.coordination import Coordination
from konductor_core.errors import InvalidInput
from konductor_core.identity import check_namespace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koncli.local.fields import Fields

DEFAULT_GRACE_MS = 30_000

_UNSUPPORTED_IN_CONTAINER = {
    "lifecycle": "postStart and preStop hooks are not run here",
    "volumeDevices": "block devices can't be had here",
    "restartPolicyRules": "restart rules are not followed here",
}
_UNSUPPORTED_IN_POD = {
    "ephemeralContainers": "they are for debugging in a cluster",
    "hostAliases": "pods share the host's names here",
    "resourceClaims": "devices can't be had here",
}
_IGNORED_IN_CONTAINER = ("resources", "securityContext", "resizePolicy")
_SILENT_IN_CONTAINER = (
    "imagePullPolicy",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "stdin",
    "stdinOnce",
    "tty",
)
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_IGNORED_IN_POD = (
    "affinity", "automountServiceAccountToken", "dnsConfig", "dnsPolicy", "hostIPC", "hostNetwork", "hostPID",
    "hostUsers", "imagePullSecrets", "nodeSelector", "overhead", "preemptionPolicy", "priority", "priorityClassName",
    "readinessGates", "resources", "runtimeClassName", "securityContext", "serviceAccount", "shareProcessNamespace",
    "tolerations", "topologySpreadConstraints",
)  # fmt: skip
_SILENT_IN_POD = ("enableServiceLinks", "os", "schedulerName", "setHostnameAsFQDN", "subdomain")


@dataclass(frozen=True, slots=True)
class Container:
    """One container; `sidecar` is an init container with `restartPolicy: Always`. `place` is for messages."""

    name: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[Variable, ...]
    env_from: tuple[Import, ...]
    mounts: tuple[VolumeMount, ...]
    workdir: str
    sidecar: bool
    probes: Probes
    place: str


@dataclass(frozen=True, slots=True)
class PodSpec:
    """A pod, or the pods of a Job. `deadline_ms` counts from the pod's start."""

    init: tuple[Container, ...]
    apps: tuple[Container, ...]
    volumes: Mapping[str, Volume]
    restart_policy: str
    grace_ms: int
    deadline_ms: int | None
    hostname: str
    node: str
    service_account: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    wanted: Coordination
    place: str

    @property
    def containers(self) -> tuple[Container, ...]:
        """All containers in the order they start."""
        return self.init + self.apps


def read_pod(pod: Fields, restart_policies: tuple[str, ...]) -> PodSpec:
    """Parse a pod or a Job's template: `{metadata, spec}`. The first of `restart_policies` is the default."""
    metadata = pod.child("metadata")
    spec = pod.child("spec")
    volumes = {volume.name: volume for volume in read_volumes(spec)}
    grace_s = spec.whole("terminationGracePeriodSeconds")
    deadline_s = spec.whole("activeDeadlineSeconds", minimum=1)
    parsed = PodSpec(
        init=tuple(_read_container(each, volumes, init=True) for each in spec.children("initContainers")),
        apps=tuple(_read_container(each, volumes, init=False) for each in spec.children("containers")),
        volumes=volumes,
        restart_policy=_restart_policy(spec, restart_policies),
        grace_ms=DEFAULT_GRACE_MS if grace_s is None else grace_s * 1000,
        deadline_ms=None if deadline_s is None else deadline_s * 1000,
        hostname=spec.text("hostname"),
        node=spec.text("nodeName"),
        service_account=spec.text("serviceAccountName", "default"),
        labels=metadata.pairs("labels"),
        annotations=metadata.pairs("annotations"),
        wanted=_wanted(metadata.pairs("annotations")),
        place=pod.place(),
    )
    spec.unsupported(_UNSUPPORTED_IN_POD)
    spec.ignore(*_IGNORED_IN_POD)
    spec.ignore(*_SILENT_IN_POD, note=False)
    _check_names(spec, parsed)
    _check_gates(spec)
    spec.done()
    return parsed


def _wanted(annotations: Mapping[str, str]) -> Coordination:
    """Return what the annotations ask for; what is wrong with them was refused at admission."""
    try:
        return Coordination.from_annotations(annotations)
    except InvalidInput:
        return Coordination()


def _check_gates(spec: Fields) -> None:
    for gate in spec.children("schedulingGates"):
        if gate.text("name") != SCHEDULING_GATE:
            gate.refuse("name", f"nothing here would lift the scheduling gate {gate.text('name')}")
        gate.done()


def _restart_policy(spec: Fields, allowed: tuple[str, ...]) -> str:
    if "restartPolicy" in spec or "" not in allowed:
        return spec.one_of("restartPolicy", tuple(each for each in allowed if each))
    spec.refuse(
        "restartPolicy", "a Job's pods need Never or OnFailure; the default, Always, is refused by the API server"
    )
    return "Never"


def _check_names(spec: Fields, pod: PodSpec) -> None:
    if not pod.apps:
        spec.refuse("containers", "a pod needs at least one container")
    seen: set[str] = set()
    for container in pod.containers:
        if container.name in seen:
            spec.refuse("containers", f"two containers are called {container.name}")
        seen.add(container.name)


def _read_container(fields: Fields, volumes: Mapping[str, Volume], *, init: bool) -> Container:
    name = fields.name(check=check_namespace)  # a label, as namespaces are
    restart = fields.text("restartPolicy")
    if restart and not (init and restart == "Always"):
        fields.refuse("restartPolicy", "only an init container may have one, and only Always (a native sidecar)")
    command = fields.strings("command")
    if not command:
        image = _image(fields.text("image"))
        fields.refuse(
            "command", f"is missing: {image} is not pulled here, so its entrypoint is unknown; give the command"
        )
    sidecar = init and restart == "Always"
    if init and not sidecar:
        fields.unsupported(dict.fromkeys(_PROBES, "an init container that runs to its end has none"))
    fields.ignore("image", note=False)
    fields.ignore(*_IGNORED_IN_CONTAINER)
    fields.ignore(*_SILENT_IN_CONTAINER, note=False)
    fields.unsupported(_UNSUPPORTED_IN_CONTAINER)
    container = Container(
        name=name,
        command=command,
        args=fields.strings("args"),
        env=tuple(read_variable(each) for each in fields.children("env")),
        env_from=tuple(each for entry in fields.children("envFrom") for each in read_imports(entry)),
        mounts=read_mounts(fields, volumes),
        workdir=fields.text("workingDir"),
        sidecar=sidecar,
        probes=read_probes(fields),
        place=fields.place(),
    )
    fields.done()
    return container


def _image(image: str) -> str:
    return f"the image {image}" if image else "the image"
