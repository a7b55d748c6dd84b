"""How a task is ended for good."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["end"]

AGAIN = 0.05
"""Seconds after which a task that has not ended is cancelled once more."""


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended: before Python 3.12, `wait_for` may swallow a cancellation and go on."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN)
