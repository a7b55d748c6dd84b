"""`konductor-webhook` as a process: what it refuses to start with, and how it ends."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.certificates import Authority
from tests.servers import free_port
from tests.webhook.pods import pod
from tests.webhook.serving import review

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = [str(Path(sys.executable).with_name("konductor-webhook"))]
BARE = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


@pytest.mark.parametrize(
    "arguments,sentence",
    [
        (["--resources", "gpu=1"], "--resources 'gpu=1' is not valid: write cpu=, memory=, ephemeral-storage="),
        (["--run-as-user", "0"], "--run-as-user '0' is not a user other than root: use a number from 1, or none"),
        (["--listen", "0.0.0.0:x"], "port 'x' is not valid: use a number from 1 to 65535"),
        (["--health-port", "70000"], "port '70000' is not valid"),
        (["--namespace", "A"], "--namespace 'A' is not valid"),
        (["--linger", "5"], "--linger '5' has no unit: for seconds write 5s"),
        (["--certificates", "/nonexistent"], "/nonexistent"),
        (["--image-pull-policy", "Often"], "'Often' is not one of"),
        (["--colour"], "--colour"),
        ([], "the Kubernetes API is not configured"),
    ],
)
def test_what_it_cannot_start_with_is_said_in_one_line(arguments: list[str], sentence: str) -> None:
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False, env=BARE, timeout=60)
    assert done.returncode in {1, 64}
    assert done.stderr.startswith("error: ")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, int, Authority]]:
    authority = Authority(tmp_path)
    pair = authority.issue("tls", "localhost")
    pair.certificate.rename(tmp_path / "tls.crt")
    pair.key.rename(tmp_path / "tls.key")
    port, health_port = free_port(), free_port()
    command = [*PROGRAM, "--certificates", str(tmp_path), "--listen", f"127.0.0.1:{port}", "--linger", "500ms"]
    arguments = [*command, "--health-port", str(health_port)]
    with subprocess.Popen(arguments, env=BARE, stderr=subprocess.PIPE) as process:
        yield process, port, health_port, authority
        process.kill()


async def get(url: str) -> int:
    """Return the HTTP status, or 0 if nobody answers."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status
    except aiohttp.ClientError:
        return 0


async def until_status(url: str, *statuses: int) -> int:
    deadline = time.monotonic() + 30
    while (status := await get(url)) not in statuses:
        assert time.monotonic() < deadline, f"{url} answers {status}"
        await asyncio.sleep(0.02)
    return status


async def test_it_serves_until_sigterm_and_then_a_little_longer(
    running: tuple[subprocess.Popen[bytes], int, int, Authority],
) -> None:
    process, port, health_port, authority = running
    ready = f"http://127.0.0.1:{health_port}/readyz"
    await until_status(ready, 200)
    tls = ssl.create_default_context(cafile=authority.certificate)
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(connector=connector) as session:
        url = f"https://localhost:{port}/mutate"
        async with session.post(url, json=review(pod({"api": "true"}))) as answer:
            assert (await answer.json())["response"]["patchType"] == "JSONPatch"
        process.send_signal(signal.SIGTERM)
        assert await until_status(ready, 503, 0) == 503
        async with session.post(url, json=review(pod())) as answer:
            assert answer.status == 200
    assert await asyncio.to_thread(process.wait, 30) == 0
    assert process.stderr is not None
    assert not re.search(rb"Traceback|ERROR", process.stderr.read())
