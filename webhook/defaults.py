"""What the cluster's administrator decides about the containers that Konductor adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from konductor_core.quantities import Amount

__all__ = ["SLIM_IMAGE", "Defaults"]

SLIM_IMAGE: Final = "konductor/konductor-slim"


@dataclass(frozen=True, slots=True)
class Defaults:
    """The image of added containers, their resources, and the user they run as where the pod names none.

    A `run_as_user` of None leaves it to the image, or to a platform that assigns users.
    """

    image: str
    image_pull_policy: str = "IfNotPresent"
    resources: tuple[Amount, ...] = (Amount("cpu", "10m", "500m"), Amount("memory", "32Mi", "128Mi"))
    run_as_user: int | None = 65_532
