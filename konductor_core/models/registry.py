"""The kinds that exist, each with the class of its spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from konductor_core.models.barrier import BarrierSpec
from konductor_core.models.semaphore import SemaphoreSpec

if TYPE_CHECKING:
    from konductor_core.identity import Kind
    from konductor_core.models.base import Spec

__all__ = ["SPECS"]

SPECS: Final[dict[Kind, type[Spec]]] = {spec.kind: spec for spec in (BarrierSpec, SemaphoreSpec)}
"""Kind -> the class of its spec."""
