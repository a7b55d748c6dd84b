"""`konductor-controller` as a process: what it says, how it ends, how it serves its health."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from konductor_core.identity import Kind
from tests.controller.program import PROGRAM, process
from tests.controller.stage import Stage, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import FreshServer
    from tests.servers import Server


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KONDUCTOR_")}
    return subprocess.run(
        [PROGRAM, *arguments], capture_output=True, text=True, timeout=60, env={**clean, **env}, check=False
    )


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--workers", "0"], "0 is not in the range 1<=x<=64"),
        (["--resync", "1s"], "resync '1s' is too often: use at least 10s"),
        (["--listen", "8080"], "listen address '8080' is not valid: write host:port"),
        (["--redis-url", "http://x"], "--redis-url"),
        (["--log-format", "xml"], "'xml' is not one of"),
        (["--frobnicate"], "No such option"),
        (["--kubeconfig", "/nowhere/config"], "kubeconfig '/nowhere/config' does not exist"),
    ],
)
def test_what_it_cannot_start_with_is_said_in_one_line(arguments: list[str], said: str) -> None:
    ended = run(*arguments)
    assert ended.returncode == 64
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) <= 2
    assert ended.stderr.startswith("error: ")


def test_help_names_every_option_with_its_variable() -> None:
    text = run("--help").stdout
    for option, variable in (
        ("--listen", "KONDUCTOR_LISTEN"),
        ("--resync", "KONDUCTOR_RESYNC"),
        ("--redis-url", "URL"),
    ):
        assert option in text
        assert variable in text


async def test_it_serves_its_health_and_ends_within_five_seconds(any_server: Server, tmp_path: Path) -> None:
    async with Stage(any_server.url) as stage, process(stage, tmp_path) as controller:
        await eventually(controller.is_ready, "it is ready", 30)
        await stage.api.apply(Kind.BARRIER, "b", {"expected": 2})
        await stage.shown("b", progress="0/2")
        assert await controller.get("/healthz") == (200, "ok\n")
        status = json.loads((await controller.get("/status"))[1])
        assert (status["active"], status["objects"]["Barrier"]) == (True, 1)
        metrics = (await controller.get("/metrics"))[1]
        assert 'konductor_barrier_expected{name="b",namespace="etl"} 2.0' in metrics
        controller.process.send_signal(signal.SIGTERM)
        assert await controller.ended() < 5
        assert controller.process.returncode == 0
        assert all(line[:4].isdigit() for line in controller.lines()), "each message is one line with its time"


async def test_it_ends_in_time_while_redis_does_not_answer(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server()
    async with Stage(server.url) as stage, process(stage, tmp_path) as controller:
        await eventually(controller.is_ready, "it is ready", 30)
        server.pause()
        await asyncio.sleep(0)
        controller.process.send_signal(signal.SIGTERM)
        assert await controller.ended() < 5
        server.resume()


async def test_a_second_replica_stands_by_and_takes_over(any_server: Server, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with Stage(any_server.url) as stage, process(stage, tmp_path / "one") as one:
        await eventually(one.is_ready, "the first is ready", 30)
        async with process(stage, tmp_path / "two") as two:
            await eventually(two.is_ready, "the second is ready", 30)
            assert json.loads((await two.get("/status"))[1])["active"] is False
            one.process.send_signal(signal.SIGTERM)
            await one.ended()
            await stage.api.apply(Kind.BARRIER, "b", {"expected": 2})
            await stage.shown("b", progress="0/2")
            assert json.loads((await two.get("/status"))[1])["active"] is True


async def test_its_log_can_be_json(any_server: Server, tmp_path: Path) -> None:
    async with Stage(any_server.url) as stage, process(stage, tmp_path, "--log-format", "json") as controller:
        await eventually(controller.is_ready, "it is ready", 30)
        documents = [json.loads(line) for line in controller.lines()]
        assert {"time", "level", "logger", "message"} <= documents[0].keys()


async def test_it_waits_for_a_cluster_that_does_not_know_its_kinds_yet(any_server: Server, tmp_path: Path) -> None:
    async with Stage(any_server.url) as stage:
        stage.api.refuse = lambda request: 404 if "konductor.io" in str(request.url) else None
        async with process(stage, tmp_path) as controller:
            await eventually(
                lambda: any("waiting for the Kubernetes API" in line for line in controller.lines()), "said", 30
            )
            assert (await controller.get("/healthz"))[0] == 200
            assert (await controller.get("/readyz"))[0] == 503
            stage.api.refuse = lambda _: None
            await eventually(controller.is_ready, "it is ready", 30)


async def test_a_port_that_is_taken_is_said(any_server: Server, tmp_path: Path) -> None:
    async with (
        Stage(any_server.url) as stage,
        process(stage, tmp_path, "--listen", f"127.0.0.1:{stage.port}") as controller,
    ):
        await controller.ended()
        assert controller.process.returncode == 1
        assert "address already in use" in controller.lines()[-1]
        assert "Traceback" not in controller.log.read_text()


async def test_it_ends_when_its_watches_do(any_server: Server, tmp_path: Path) -> None:
    async with Stage(any_server.url) as stage, process(stage, tmp_path) as controller:
        await eventually(controller.is_ready, "it is ready", 30)
        stage.api.refuse = lambda request: 404 if "konductor.io" in str(request.url) else None
        await stage.close_api()
        await stage.open_api()
        await controller.ended()
        assert controller.process.returncode == 1
        assert any("ending: the watches ended" in line for line in controller.lines())
