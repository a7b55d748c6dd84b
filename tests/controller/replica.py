"""A replica in a process of its own, for the tests of leadership: it says when it begins and ends to lead.

It is given a URL and a TTL in seconds, and prints `ready`, `leads` and `stops`, each with the fencing
token and the monotonic time.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time

from konductor_core.config import Settings
from konductor_core.controller.leader import Leader
from konductor_core.controller.store import Store


def say(word: str) -> None:
    sys.stdout.write(f"{word} {time.monotonic()}\n")
    sys.stdout.flush()


async def main(url: str, ttl: float) -> None:
    settings = Settings.load({"redis_url": url, "namespace": "konductor-system"})
    async with Store(settings) as store:

        async def work() -> None:
            say(f"leads {leader.token}")
            try:
                await asyncio.Event().wait()
            finally:
                say(f"stops {leader.token}")

        leader = Leader(store, settings, work, ttl=ttl)
        leading = asyncio.create_task(leader.run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leading.cancel)
        say("ready 0")
        await asyncio.wait({leading})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
