"""`konductor-controller` in a process of its own, on a stage's API and Redis."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp

from tests.controller.stage import Stage, eventually
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["PROGRAM", "Process", "process"]

PROGRAM: Final = str(Path(sys.executable).parent / "konductor-controller")


class Process:
    """A running controller; `arguments` are more of its options."""

    def __init__(self, stage: Stage, directory: Path, *arguments: str) -> None:
        self.port = free_port()
        self.log = directory / "log"
        kubeconfig = directory / "kubeconfig"
        kubeconfig.write_text(json.dumps(_kubeconfig(f"http://127.0.0.1:{stage.port}")))
        options = ["--kubeconfig", str(kubeconfig), "--redis-url", stage.redis_url, "-n", "konductor-system"]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KONDUCTOR_")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, *options, "--listen", f"127.0.0.1:{self.port}", *arguments], stderr=log, stdout=log, env=clean
            )

    async def get(self, path: str) -> tuple[int, str]:
        """Ask it; 0 while nobody listens."""
        with contextlib.suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{self.port}{path}") as answer:
                return answer.status, await answer.text()
        return 0, ""

    def cpu_seconds(self) -> float:
        """Return how much CPU time it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def is_ready(self) -> bool:
        return (await self.get("/readyz"))[0] == 200

    async def ended(self) -> float:
        """Wait for its end; return how many seconds it took."""
        began = time.monotonic()
        await eventually(lambda: self.process.poll() is not None, "it has ended", 30)
        return time.monotonic() - began

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()


def _kubeconfig(server: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {"token": "secret"}}],
    }


@contextlib.asynccontextmanager
async def process(stage: Stage, directory: Path, *arguments: str) -> AsyncIterator[Process]:
    started = Process(stage, directory, *arguments)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()
