"""The installed `koncli local run` in subprocesses, manifests made in Python, a look at this machine's processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

KONCLI = str(Path(sys.executable).with_name("koncli"))
PATIENCE = 60.0
"""Seconds after which something that should happen within moments counts as never."""

Manifest = dict[str, Any]


def container(script: str, name: str = "main", **fields: Any) -> dict[str, Any]:
    """A container that runs a shell script."""
    return {"name": name, "image": "none", "command": ["sh", "-c", script], **fields}


def pod_spec(script: str, *, init: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """A pod's spec with one app container; fields of the container go under `container`."""
    spec = {"restartPolicy": "Never", "containers": [container(script, **fields.pop("container", {}))], **fields}
    return {**spec, "initContainers": init} if init else spec


def job(name: str, script: str, *, job: Manifest | None = None, **pod: Any) -> Manifest:
    """A Job of one container; `job` are fields of its spec, the rest are those of its pods'."""
    spec = {**(job or {}), "template": {"spec": pod_spec(script, **pod)}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def bare_pod(name: str, script: str, **pod: Any) -> Manifest:
    """A Pod of one container."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod_spec(script, **pod)}


def deployment(name: str, script: str, *, deployment: Manifest | None = None, **pod: Any) -> Manifest:
    """A Deployment of one container; `deployment` are fields of its spec, the rest are those of its pods'."""
    template = {"metadata": {"labels": {"app": name}}, "spec": pod_spec(script, **{"restartPolicy": "Always", **pod})}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template, **(deployment or {})}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def konductor(kind: str, name: str, **spec: Any) -> Manifest:
    """One of our own objects."""
    return {"apiVersion": "konductor.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@dataclass(frozen=True, slots=True)
class Result:
    """What one run left."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def said(self, container: str = "main") -> list[str]:
        """What the containers of that name printed, in the order of arrival."""
        return [line.partition("] ")[2] for line in self.lines if line.startswith("[") and f" {container}]" in line]


class Running:
    """A run in the background."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until the run has printed so many lines with the text."""
        with self._news:
            assert self._news.wait_for(lambda: sum(text in line for line in self._lines) >= times, PATIENCE), (
                self._lines
            )

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def finish(self) -> Result:
        """Wait for the end."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stderr is not None
        return Result(code, "".join(self._lines), self.process.stderr.read())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


class Local:
    """Runs manifests in a folder of the test's own; all its processes have the folder's name in their command lines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self._running: list[Running] = []

    def write(self, *documents: Manifest, name: str = "manifests.json") -> Path:
        """Write the documents as one file."""
        path = self.folder / name
        path.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": documents}), encoding="utf-8")
        return path

    def run(self, *documents: Manifest, args: tuple[str, ...] = (), timeout: float = PATIENCE) -> Result:
        """Run the documents to their end."""
        done = subprocess.run(
            [KONCLI, "local", "run", str(self.write(*documents)), *args],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.env(),
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *documents: Manifest, args: tuple[str, ...] = ()) -> Running:
        """Run the documents in the background."""
        return self.start_files(str(self.write(*documents)), *args)

    def start_files(self, *arguments: str) -> Running:
        """Run files or folders in the background."""
        command = [KONCLI, "local", "run", *arguments]
        running = Running(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env())
        )
        self._running.append(running)
        return running

    def env(self) -> dict[str, str]:
        return {
            "PATH": f"{Path(KONCLI).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.temporary),
        }

    def close(self) -> None:
        for running in self._running:
            running.close()


def processes(mark: str) -> dict[int, str]:
    """Process id → command line and working directory of all live processes, where these contain the mark."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            line += f" in {(entry / 'cwd').readlink()}"
        except OSError:  # it has ended
            continue
        if mark in line and int(entry.name) != os.getpid():
            found[int(entry.name)] = line
    return found


def wait_until(condition: Callable[[], bool], patience: float = 10.0) -> bool:
    """Whether the condition comes true in time; it is looked at every few milliseconds."""
    deadline = time.monotonic() + patience
    pause = threading.Event()
    while time.monotonic() < deadline:
        if condition():
            return True
        pause.wait(0.02)
    return condition()
