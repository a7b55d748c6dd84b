"""The kinds that exist, each with the classes of its spec and its status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from konductor_core.models.barrier import BarrierSpec, BarrierStatus
from konductor_core.models.gate import GateSpec, GateStatus
from konductor_core.models.lease import LeaseSpec, LeaseStatus
from konductor_core.models.mutex import MutexSpec, MutexStatus
from konductor_core.models.once import OnceSpec, OnceStatus
from konductor_core.models.rwmutex import RWMutexSpec, RWMutexStatus
from konductor_core.models.semaphore import SemaphoreSpec, SemaphoreStatus
from konductor_core.models.waitgroup import WaitGroupSpec, WaitGroupStatus

if TYPE_CHECKING:
    from konductor_core.identity import Kind
    from konductor_core.models.base import Spec
    from konductor_core.models.objects import Status

__all__ = ["SPECS", "STATUSES"]

_SPECS: Final = (BarrierSpec, SemaphoreSpec, LeaseSpec, MutexSpec, RWMutexSpec, OnceSpec, WaitGroupSpec, GateSpec)
_STATUSES: Final = (
    BarrierStatus,
    SemaphoreStatus,
    LeaseStatus,
    MutexStatus,
    RWMutexStatus,
    OnceStatus,
    WaitGroupStatus,
    GateStatus,
)

SPECS: Final[dict[Kind, type[Spec]]] = {spec.kind: spec for spec in _SPECS}
"""Kind -> the class of its spec."""

STATUSES: Final[dict[Kind, type[Status]]] = {status.kind: status for status in _STATUSES}
"""Kind -> the class of its status."""
