"""Jobs and Deployments, as far as gates ask about them: of each a fact only, since there may be thousands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from konductor_core.facts import FACTS
from konductor_core.gates import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.facts import Fact

__all__ = ["Workload", "workload_of"]


@dataclass(frozen=True, slots=True)
class Workload:
    """How a job or a deployment stands, as of a version."""

    version: str
    fact: Fact


def workload_of(which: Literal["Job", "Deployment"], body: Mapping[str, Any]) -> tuple[Reference, Workload]:
    """Return what a body from the API is about, and what matters of it."""
    metadata = body["metadata"]
    reference = Reference(which, metadata["namespace"], metadata["name"])
    return reference, Workload(metadata.get("resourceVersion", ""), FACTS[which](body))
