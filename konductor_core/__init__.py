"""Coordination for Kubernetes Jobs and Pods over Redis: barriers, semaphores and what is built from them.

    from konductor_core import Konductor

    with Konductor("redis://localhost:6379/0", namespace="etl") as k:
        k.barrier("extract-complete").wait(timeout="2h")
        with k.semaphore("load-concurrency").acquire(ttl="30s", renew=True) as lease:
            load(fencing_token=lease.token)

Names are imported when they are first used: `import konductor_core` alone does not import redis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "AsyncKonductor": "konductor_core.aio",
    "Konductor": "konductor_core.client",
    "Lease": "konductor_core.lease",
    "Leases": "konductor_core.leases",
    "Released": "konductor_core.flows.leases",
    "Settings": "konductor_core.config",
} | dict.fromkeys(
    (
        "AlreadyDone",
        "AlreadyWaiting",
        "BarrierFailed",
        "BelowZero",
        "Denied",
        "Failed",
        "GateFailed",
        "Impossible",
        "InvalidInput",
        "KonductorError",
        "LeaseLost",
        "NotFound",
        "NotHolder",
        "Owned",
        "Replaced",
        "Unavailable",
        "WaitTimeout",
        "WouldBlock",
    ),
    "konductor_core.errors",
)

if TYPE_CHECKING:
    from konductor_core.aio import AsyncKonductor as AsyncKonductor
    from konductor_core.client import Konductor as Konductor
    from konductor_core.config import Settings as Settings
    from konductor_core.errors import AlreadyDone as AlreadyDone
    from konductor_core.errors import AlreadyWaiting as AlreadyWaiting
    from konductor_core.errors import BarrierFailed as BarrierFailed
    from konductor_core.errors import BelowZero as BelowZero
    from konductor_core.errors import Denied as Denied
    from konductor_core.errors import Failed as Failed
    from konductor_core.errors import GateFailed as GateFailed
    from konductor_core.errors import Impossible as Impossible
    from konductor_core.errors import InvalidInput as InvalidInput
    from konductor_core.errors import KonductorError as KonductorError
    from konductor_core.errors import LeaseLost as LeaseLost
    from konductor_core.errors import NotFound as NotFound
    from konductor_core.errors import NotHolder as NotHolder
    from konductor_core.errors import Owned as Owned
    from konductor_core.errors import Replaced as Replaced
    from konductor_core.errors import Unavailable as Unavailable
    from konductor_core.errors import WaitTimeout as WaitTimeout
    from konductor_core.errors import WouldBlock as WouldBlock
    from konductor_core.flows.leases import Released as Released
    from konductor_core.lease import Lease as Lease
    from konductor_core.leases import Leases as Leases

__all__ = [
    "AlreadyDone",
    "AlreadyWaiting",
    "AsyncKonductor",
    "BarrierFailed",
    "BelowZero",
    "Denied",
    "Failed",
    "GateFailed",
    "Impossible",
    "InvalidInput",
    "Konductor",
    "KonductorError",
    "Lease",
    "LeaseLost",
    "Leases",
    "NotFound",
    "NotHolder",
    "Owned",
    "Released",
    "Replaced",
    "Settings",
    "Unavailable",
    "WaitTimeout",
    "WouldBlock",
    "__version__",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_WHERE[name]), name)
