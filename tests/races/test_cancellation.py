"""A task that is cancelled ends, at whatever moment of its talk with Redis that comes."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from konductor_core import AsyncKonductor

if TYPE_CHECKING:
    from tests.conftest import FreshServer

ROUNDS = 300


async def lost_cancellations(url: str) -> int:
    """Cancel a task's first command, and the connecting before it, at random moments; count those that went on."""
    lost, usual = 0, 0.01
    loop = asyncio.get_running_loop()
    for number in range(ROUNDS):
        async with AsyncKonductor(url, namespace="ns") as k:
            began = loop.time()
            task = asyncio.create_task(k.objects())
            if number % 10 == 0:
                await task
                usual = loop.time() - began
                continue
            await asyncio.sleep(random.uniform(0.0, usual))
            task.cancel()
            await asyncio.wait({task})
            lost += not task.cancelled() and bool(task.cancelling())
    return lost


def test_no_cancellation_is_lost_while_a_connection_is_made_or_a_command_is_sent(fresh_server: FreshServer) -> None:
    server = fresh_server("redis", options={"requirepass": "sesame"})
    assert asyncio.run(lost_cancellations(server.url)) == 0
