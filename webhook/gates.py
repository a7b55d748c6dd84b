"""Gates that would wait for themselves: refused while that can be seen in time."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from webhook.cluster import ApiError
from webhook.objects import referred, refuse_ring

if TYPE_CHECKING:
    from konductor_core.rings import Place, Walk
    from webhook.cluster import Cluster

__all__ = ["Gates"]

log = logging.getLogger(__name__)

IN_TIME: Final = 2.0
"""Seconds for a whole walk: what is not seen by then is left to the controller, which says it in the status."""


class Gates:
    """Asks the API which gates a gate waits for, and which those wait for."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def check(self, walk: Walk) -> None:
        """Walk to the end; raise `InvalidInput` if the gate waits for itself. What cannot be asked is passed over."""
        try:
            async with asyncio.timeout(IN_TIME):
                while walk.due:
                    gate = walk.next()
                    walk.refers(gate, await self._targets(gate))
        except TimeoutError:
            log.warning("the gates behind a gate could not all be followed in %g s; it is let through", IN_TIME)
        except ApiError as error:
            log.warning("the gates behind a gate could not be followed: %s; it is let through", error)
        refuse_ring(walk)

    async def _targets(self, gate: Place) -> list[Place]:
        document = await self._cluster.gate(*gate)
        return [] if document is None else referred(document, gate.namespace)
