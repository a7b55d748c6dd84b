"""The environment that containers get: how to reach Redis, and who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from konductor_core.annotations import CA_KEY, CONNECTION_SECRET, MIN_REPLICAS_KEY, URL_KEY
from webhook.shapes import mapping, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from webhook.shapes import Json

__all__ = ["JOB_INDEX", "JOB_UID", "environment", "with_missing"]

JOB_UID: Final = "batch.kubernetes.io/controller-uid"
"""The label that the Job controller gives to the pods of a Job."""

JOB_INDEX: Final = "batch.kubernetes.io/job-completion-index"
"""The annotation that it gives to those of an Indexed Job."""


def _from_secret(name: str, key: str, *, optional: bool) -> dict[str, Any]:
    reference = {"name": CONNECTION_SECRET, "key": key}
    return {"name": name, "valueFrom": {"secretKeyRef": {**reference, "optional": True} if optional else reference}}


def _from_field(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


_CONNECTION: Final = (
    _from_secret("KONDUCTOR_REDIS_CA", CA_KEY, optional=True),
    _from_secret("KONDUCTOR_MIN_REPLICAS", MIN_REPLICAS_KEY, optional=True),
    _from_secret("KONDUCTOR_REDIS_URL", URL_KEY, optional=False),
)
_IDENTITY: Final = (
    _from_field("POD_NAME", "metadata.name"),
    _from_field("POD_NAMESPACE", "metadata.namespace"),
    _from_field("POD_UID", "metadata.uid"),
    _from_field("NODE_NAME", "spec.nodeName"),
)


def environment(
    metadata: Json, holder: str | None = None, completions: int | None = None
) -> list[tuple[dict[str, Any], ...]]:
    """Return the variables for the containers of the pod with this metadata, in groups.

    `completions` are those of the Job without indexes that makes the pod, as far as known.

    The last of a group decides: a container that sets it sets the whole group by itself. The Secret must have the URL:
    a container waits for it, and never starts without.
    """
    groups = [_CONNECTION, *((variable,) for variable in _IDENTITY)]
    if holder is not None:
        groups.append(({"name": "KONDUCTOR_HOLDER", "value": holder},))
    return [*groups, _arrival(metadata, completions)]


def _arrival(metadata: Json, completions: int | None) -> tuple[dict[str, Any], ...]:
    """Return the arrival id: the tries of one completion arrive as one, as far as Kubernetes tells them apart.

    Those of a Job whose completions nobody knows count as one completion: a barrier that stays closed is noticed.
    """
    job_uid = f"metadata.labels['{JOB_UID}']"
    indexed = JOB_INDEX in mapping(metadata, "annotations", "metadata.")
    if not mapping(metadata, "labels", "metadata.").get(JOB_UID) or not (indexed or completions in {None, 1}):
        return (_from_field("KONDUCTOR_ARRIVAL_ID", "metadata.uid"),)
    if not indexed:
        return (_from_field("KONDUCTOR_ARRIVAL_ID", job_uid),)
    return (
        _from_field("KONDUCTOR_JOB_UID", job_uid),
        _from_field("KONDUCTOR_JOB_INDEX", f"metadata.annotations['{JOB_INDEX}']"),
        {"name": "KONDUCTOR_ARRIVAL_ID", "value": "$(KONDUCTOR_JOB_UID)/$(KONDUCTOR_JOB_INDEX)"},
    )


def with_missing(container: Json, groups: Sequence[tuple[dict[str, Any], ...]], path: str) -> Json:
    """Return the container with the variables that it does not set itself, after its own."""
    own = named(container, "env", path)
    names = {variable["name"] for variable in own}
    missing = [
        variable
        for group in groups
        if group[-1]["name"] not in names
        for variable in group
        if variable["name"] not in names
    ]
    return {**container, "env": [*own, *missing]} if missing else container
