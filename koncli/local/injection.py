"""What admission does to a pod before it runs: the one place where a local run meets `konductor.io/…` annotations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from koncli.local.fields import Fields, Refusals
from konductor_core.identity import GROUP


def admit(pod: Mapping[str, Any], where: str, refusals: Refusals, path: str = "") -> Fields:
    """Return the pod, or the pod template at `path` of a document, as it would be after admission."""
    metadata = pod.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    for name in annotations if isinstance(annotations, Mapping) else ():
        if str(name).startswith(f"{GROUP}/"):
            refusals.refuse(
                f"{where}: {f'{path}: ' if path else ''}annotation {name}",
                "a local run does not act on annotations; call koncli in init containers and commands instead",
            )
    return Fields(pod, where, refusals, path)
