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
    from konductor_core.models.objects import Event, Status
    from konductor_core.models.registry import SPECS
    from konductor_core.models.semaphore import Holder, Policy, SemaphorePhase, SemaphoreSpec, SemaphoreStatus, Waiter
    from konductor_core.models.waitgroup import Member, WaitGroupPhase, WaitGroupSpec, WaitGroupStatus

__all__ = [
    "SPECS",
    "Arrival",
    "BarrierPhase",
    "BarrierSpec",
    "BarrierStatus",
    "Event",
    "Holder",
    "Member",
    "Model",
    "Policy",
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
    "Arrival": "barrier",
    "BarrierPhase": "barrier",
    "BarrierSpec": "barrier",
    "BarrierStatus": "barrier",
    "Event": "objects",
    "Holder": "semaphore",
    "Member": "waitgroup",
    "Model": "base",
    "Policy": "semaphore",
    "SemaphorePhase": "semaphore",
    "SemaphoreSpec": "semaphore",
    "SemaphoreStatus": "semaphore",
    "Spec": "base",
    "Status": "objects",
    "WaitGroupPhase": "waitgroup",
    "WaitGroupSpec": "waitgroup",
    "WaitGroupStatus": "waitgroup",
    "Waiter": "semaphore",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value
