"""The installed `konductor-sidecar` in processes, as the containers of one pod run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cli.running import PATIENCE, Result, Running
from tests.servers import until

if TYPE_CHECKING:
    from konductor_core.client import Konductor

SIDECAR = str(Path(sys.executable).with_name("konductor-sidecar"))
UID = "3f1c2f9e-0000-4000-8000-000000000001"


@dataclass
class Pod:
    """One pod's containers: they share a volume, and who they are."""

    volume: Path
    env: dict[str, str]
    k: Konductor
    """The library on the same server and namespace."""
    running: list[Running] = field(default_factory=list)

    def run(self, *arguments: str, **env: str) -> Result:
        """Run a container to its end."""
        return self.start(*arguments, **env).end()

    def start(self, *arguments: str, **env: str) -> Running:
        """Start a container; it ends with the test."""
        process = subprocess.Popen(
            [SIDECAR, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.env | env,
            cwd="/",
            text=True,
        )
        running = Running(process)
        self.running.append(running)
        return running

    def keep(self, *arguments: str, **env: str) -> Running:
        """Start the keeper, and wait until it is ready."""
        keeper = self.start("keep", *arguments, **env)
        until(lambda: keeper.process.poll() is not None or (self.volume / "ready").exists(), "the keeper is ready")
        assert keeper.process.poll() is None, keeper.end()
        return keeper

    def grant(self, name: str, file: str) -> str:
        """Read a file of a grant, as the pod's own containers do."""
        return (self.volume / "grants" / f"semaphore-{name}" / file).read_text().strip()

    def token(self, name: str) -> int:
        """The fencing token of the pod's one lease, as Redis has it."""
        (holder,) = self.k.semaphore(name).status().holders
        return holder.token

    def close(self) -> None:
        for running in self.running:
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGCONT)
                running.end(signal.SIGKILL)
            for stream in (running.process.stdout, running.process.stderr):
                if stream is not None:
                    stream.close()


def environment(url: str, volume: Path, pod: str = "load-1") -> dict[str, str]:
    """What the webhook gives to the containers of a pod."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(volume),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "KONDUCTOR_REDIS_URL": url,
        "KONDUCTOR_RUN_DIRECTORY": str(volume),
        "POD_NAME": pod,
        "POD_NAMESPACE": "etl",
        "POD_UID": UID,
        "NODE_NAME": "node-1",
    }


__all__ = ["PATIENCE", "SIDECAR", "UID", "Pod", "environment"]
