"""The models: what manifests ask for and what snapshots show, as frozen dataclasses.

Of each kind there is a spec (`BarrierSpec`), read from manifests by `from_dict`, and a status (`BarrierStatus`), whose
`to_dict` is the JSON that koncli prints. `SPECS` is the registry of the kinds that exist.

Names are imported when they are first used: making these classes takes longer than all else koncli does at its start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from konductor_core.models.barrier import Arrival, BarrierPhase, BarrierSpec, BarrierStatus
    from konductor_core.models.base import Model, Spec
    from konductor_core.models.gate import Check, Condition, GateOverride, GatePhase, GateSpec, GateStatus, GateVerdict
    from konductor_core.models.lease import LeasePhase, LeaseSpec, LeaseStatus
    from konductor_core.models.mutex import MutexPhase, MutexSpec, MutexStatus
    from konductor_core.models.objects import Event, Listener, Status
    from konductor_core.models.once import OncePhase, OnceSpec, OnceStatus
    from konductor_core.models.permits import Holder, LockSpec, PermitStatus, Policy, Waiter
    from konductor_core.models.registry import SPECS, STATUSES
    from konductor_core.models.rwmutex import RWMutexPhase, RWMutexSpec, RWMutexStatus
    from konductor_core.models.semaphore import SemaphorePhase, SemaphoreSpec, SemaphoreStatus
    from konductor_core.models.waitgroup import Member, WaitGroupPhase, WaitGroupSpec, WaitGroupStatus

__all__ = [
    "SPECS",
    "STATUSES",
    "Arrival",
    "BarrierPhase",
    "BarrierSpec",
    "BarrierStatus",
    "Check",
    "Condition",
    "Event",
    "GateOverride",
    "GatePhase",
    "GateSpec",
    "GateStatus",
    "GateVerdict",
    "Holder",
    "LeasePhase",
    "LeaseSpec",
    "LeaseStatus",
    "Listener",
    "LockSpec",
    "Member",
    "Model",
    "MutexPhase",
    "MutexSpec",
    "MutexStatus",
    "OncePhase",
    "OnceSpec",
    "OnceStatus",
    "PermitStatus",
    "Policy",
    "RWMutexPhase",
    "RWMutexSpec",
    "RWMutexStatus",
    "SemaphorePhase",
    "SemaphoreSpec",
    "SemaphoreStatus",
    "Spec",
    "Status",
    "WaitGroupPhase",
    "WaitGroupSpec",
    "WaitGroupStatus",
    "Waiter",
]

_WHERE: Final = {
    "SPECS": "registry",
    "STATUSES": "registry",
    "Arrival": "barrier",
    "BarrierPhase": "barrier",
    "BarrierSpec": "barrier",
    "BarrierStatus": "barrier",
    "Check": "gate",
    "Condition": "gate",
    "Event": "objects",
    "GateOverride": "gate",
    "GatePhase": "gate",
    "GateSpec": "gate",
    "GateStatus": "gate",
    "GateVerdict": "gate",
    "Holder": "permits",
    "LeasePhase": "lease",
    "LeaseSpec": "lease",
    "LeaseStatus": "lease",
    "Listener": "objects",
    "LockSpec": "permits",
    "Member": "waitgroup",
    "Model": "base",
    "MutexPhase": "mutex",
    "MutexSpec": "mutex",
    "MutexStatus": "mutex",
    "OncePhase": "once",
    "OnceSpec": "once",
    "OnceStatus": "once",
    "PermitStatus": "permits",
    "Policy": "permits",
    "RWMutexPhase": "rwmutex",
    "RWMutexSpec": "rwmutex",
    "RWMutexStatus": "rwmutex",
    "SemaphorePhase": "semaphore",
    "SemaphoreSpec": "semaphore",
    "SemaphoreStatus": "semaphore",
    "Spec": "base",
    "Status": "objects",
    "WaitGroupPhase": "waitgroup",
    "WaitGroupSpec": "waitgroup",
    "WaitGroupStatus": "waitgroup",
    "Waiter": "permits",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value
