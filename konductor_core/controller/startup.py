"""What the controller waits for before it can do anything: an API that answers and knows our kinds."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from konductor_core.controller.calls import ApiError
from konductor_core.identity import GROUP
from konductor_core.models import SPECS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from konductor_core.controller.cluster import Cluster

__all__ = ["kinds_are_known", "persist"]

log = logging.getLogger(__name__)

RETRY: Final = 2.0


async def persist(work: Callable[[], Awaitable[object]], what: str) -> None:
    """Try until it works, saying what for and why not yet."""
    told = ""
    while True:
        try:
            await work()
        except ApiError as error:
            if str(error) != told:
                log.warning("%s: %s", what, error)
            told = str(error)
            await asyncio.sleep(RETRY)
        else:
            return


async def kinds_are_known(cluster: Cluster) -> None:
    """Raise `ApiError` if the API does not answer, or does not know our kinds."""
    for kind in SPECS:
        try:
            await cluster.resources(kind)
        except ApiError as error:
            if error.status != 404:
                raise
            raise ApiError(f"it does not know {kind.plural}.{GROUP}: apply the CRDs of this version") from None
