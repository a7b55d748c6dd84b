"""The models: what manifests ask for and what snapshots show, as frozen dataclasses.

Of each kind there is a spec (`BarrierSpec`), read from manifests by `from_dict`, and a status (`BarrierStatus`), whose
`to_dict` is the JSON that koncli prints. `SPECS` is the registry of the kinds that exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from konductor_core.models.barrier import Arrival, BarrierPhase, BarrierSpec, BarrierStatus
from konductor_core.models.base import Model, Spec
from konductor_core.models.objects import Event, Status
from konductor_core.models.semaphore import Holder, Policy, SemaphorePhase, SemaphoreSpec, SemaphoreStatus, Waiter

if TYPE_CHECKING:
    from konductor_core.identity import Kind

__all__ = [
    "SPECS",
    "Arrival",
    "BarrierPhase",
    "BarrierSpec",
    "BarrierStatus",
    "Event",
    "Holder",
    "Model",
    "Policy",
    "SemaphorePhase",
    "SemaphoreSpec",
    "SemaphoreStatus",
    "Spec",
    "Status",
    "Waiter",
]

SPECS: Final[dict[Kind, type[Spec]]] = {spec.kind: spec for spec in (BarrierSpec, SemaphoreSpec)}
"""Kind -> the class of its spec."""
