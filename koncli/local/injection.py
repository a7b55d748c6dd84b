"""What admission does to a pod before it runs: the webhook's own injection, and what a Job gives to its pods.

What Konductor adds to a pod runs here as in a cluster: waits, the acquire and the keeper as containers of the pod. What
the controller does there, the runner does here: arrivals at the end, scheduling gates, what follows a loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from koncli.local.fields import Fields, Refusals
from konductor_core import __version__
from konductor_core.annotations import PREFIX, RUN_DIRECTORY
from konductor_core.errors import InvalidInput
from webhook.containers import VOLUME_NAME
from webhook.defaults import SLIM_IMAGE, Defaults
from webhook.environment import JOB_INDEX, JOB_UID
from webhook.inject import inject
from webhook.shapes import named

RUN_VARIABLE = "KONDUCTOR_RUN_DIRECTORY"
"""Tells the sidecar where the shared volume is; without mounts it is a directory of the run's."""

_DEFAULTS = Defaults(image=f"{SLIM_IMAGE}:{__version__}")
_MEANINGLESS = ("resources", "securityContext")


def admit(
    pod: Mapping[str, Any], where: str, refusals: Refusals, path: str = "", completions: int | None = None
) -> Fields:
    """Return the pod, or the pod template at `path` of a document, as it would be after admission.

    `completions` are those of its Job, as for `inject`.
    """
    try:
        admitted = _inject(pod, completions)
    except InvalidInput as error:
        if any(str(name).startswith(PREFIX) for name in _annotations(pod)):
            refusals.refuse(f"{where}: {path}" if path else where, error.message)
        return Fields(pod, where, refusals, path)  # what else is wrong with it is found when it is read
    return Fields(admitted, where, refusals, path)


def as_pod_of(
    template: Mapping[str, Any], added_labels: Mapping[str, str], *, indexed: bool = False
) -> Mapping[str, Any]:
    """Return a pod template with what its controller adds to each pod; the index of a Job's is a sample."""
    metadata = template.get("metadata")
    if metadata is not None and not isinstance(metadata, Mapping):
        return template
    metadata = metadata or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if not isinstance(labels, Mapping) or not isinstance(annotations, Mapping):
        return template
    added = {**metadata, "labels": {**labels, **added_labels}}
    if indexed:
        added["annotations"] = {**annotations, JOB_INDEX: "0"}
    return {**template, "metadata": added}


def job_labels(name: str, uid: str) -> dict[str, str]:
    """Return the labels that the Job controller gives to the pods of a Job."""
    return {JOB_UID: uid, "batch.kubernetes.io/job-name": name}


def completions_of(spec: Mapping[str, Any]) -> int | None:
    """Return the completions that a Job's spec asks for; 0 for a work queue, None where the spec is wrong."""
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    if completions is None:
        return 1 if parallelism is None else 0
    return completions if isinstance(completions, int) else None


def _inject(pod: Mapping[str, Any], completions: int | None) -> Mapping[str, Any]:
    """Inject as into a pod of the host's network, which every local pod is in: the API stays on its socket."""
    spec = pod.get("spec")
    if not isinstance(spec, Mapping):
        return pod
    injected = inject({**pod, "spec": {**spec, "hostNetwork": True}}, _DEFAULTS, completions).pod
    changed = {name: value for name, value in injected["spec"].items() if name != "hostNetwork" or name in spec}
    for key in ("initContainers", "containers"):
        own = {each["name"] for each in named(spec, key)}
        if key in changed:
            changed[key] = [_fitted(each, added=each["name"] not in own) for each in named(changed, key)]
    return {**injected, "spec": changed}


def _fitted(container: Mapping[str, Any], *, added: bool) -> Mapping[str, Any]:
    """Return a container that knows where the shared volume is; what means nothing here is noted of the user's only."""
    fitted = {name: value for name, value in container.items() if not added or name not in _MEANINGLESS}
    if added:  # containers do not see each other's processes here: the runner sends the signal
        fitted["args"] = ["continue" if each == "signal" else each for each in container.get("args", ())]
    if any(mount.get("name") == VOLUME_NAME for mount in container.get("volumeMounts") or ()):
        fitted["env"] = [*container.get("env", ()), {"name": RUN_VARIABLE, "value": RUN_DIRECTORY}]
    return fitted


def _annotations(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = pod.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return annotations if isinstance(annotations, Mapping) else {}
