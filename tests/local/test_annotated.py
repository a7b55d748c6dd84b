"""Pods that say by annotation what they wait for, hold and arrive at: what runs beside them, what is done for them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from konductor_core.client import Konductor
from tests.local.running import KONCLI, PATIENCE, bare_pod, container, job, konductor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from konductor_core.models import Event
    from tests.local.running import Local, Manifest
    from tests.servers import Server

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def annotated(manifest: Manifest, **annotations: str) -> Manifest:
    """What makes pods, or the Pod, with annotations: `wait_barrier="b"` is konductor.io/wait-barrier."""
    holder = manifest if manifest["kind"] == "Pod" else manifest["spec"]["template"]
    named = {f"konductor.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    holder.setdefault("metadata", {})["annotations"] = named
    return manifest


@pytest.fixture
def k(valkey_server: Server) -> Iterator[Konductor]:
    with Konductor(valkey_server.url, namespace="local") as connected:
        yield connected


def run_on(k: Konductor, local: Local, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run something on the test's server, and leave the objects there to be looked at."""
    command = [KONCLI, "--redis-url", k.settings.redis_url, "-n", "local", "local", "run", "--keep", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=1.8 * PATIENCE, env=local.env(), check=False)


def moments(events: list[Event], kind: str) -> list[int]:
    return [event.at_ms for event in events if event.type == kind]


def test_the_annotated_pipeline_runs_in_the_right_order(local: Local, k: Konductor) -> None:
    done = run_on(k, local, str(EXAMPLES / "etl-pipeline" / "annotated"))
    assert done.returncode == 0, done
    extract, transform = k.barrier("extract-complete").events(), k.barrier("transform-complete").events()
    load = k.semaphore("load-concurrency").events()
    assert len(moments(extract, "arrived")) == 5
    assert len(moments(transform, "arrived")) == 3
    assert max(moments(extract, "arrived")) <= moments(extract, "opened")[0] < min(moments(transform, "arrived"))
    assert moments(transform, "opened")[0] <= min(moments(load, "granted"))
    assert len(moments(load, "granted")) == len(moments(load, "released")) == 2
    assert k.semaphore("load-concurrency").status().in_use == 0


def test_the_batches_never_hold_more_than_there_are(local: Local, k: Konductor) -> None:
    done = run_on(k, local, str(EXAMPLES / "batch-processing"))
    assert done.returncode == 0, done
    held = most = 0
    for event in k.semaphore("warehouse-connections").events(500):
        held += (event.type == "granted") - (event.type in {"released", "force-released", "expired", "lapsed"})
        most = max(most, held)
    assert (held, most) == (0, 4)
    tokens = {event.token for event in k.semaphore("warehouse-connections").events(500) if event.type == "granted"}
    assert len(tokens) == 20
    opened = moments(k.barrier("batches-done").events(), "opened")
    assert opened[0] >= max(moments(k.semaphore("warehouse-connections").events(500), "granted"))
    assert "20 batches, 33,202 rows, 20 tokens" in done.stdout


def test_a_pod_reads_its_grant_while_the_keeper_holds_it(local: Local, mounts: tuple[str, ...]) -> None:
    grants = "/var/run/konductor/grants/semaphore-s"
    script = (
        f"cat {grants}/state {grants}/holder; test $(cat {grants}/token) -gt 0 && koncli semaphore status s -o json"
    )
    work = annotated(job("work", script), acquire_semaphore="s=2", ttl="20s", acquire_timeout="10s")
    result = local.run(konductor("Semaphore", "s", permits=3), work, args=mounts)
    assert result.code == 0, result
    assert result.said()[0] == "held"
    assert result.said()[1].startswith("work-")
    assert '  "inUse": 2,' in result.said()
    assert any("semaphore/s: released" in line for line in result.said("konductor-keeper"))


def test_the_api_is_served_to_the_pod_on_its_socket(local: Local) -> None:
    ask = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/var/run/konductor/api.sock'); "
        "s.sendall(b'POST /v1/barriers/b/arrive HTTP/1.0\\r\\nContent-Length: 0\\r\\n\\r\\n'); "
        "print(s.recv(99).split()[1].decode())"
    )
    result = local.run(konductor("Barrier", "b", expected=1), annotated(job("work", f'python3 -c "{ask}"'), api="true"))
    assert (result.code, result.said()) == (0, ["200"])


def test_permits_that_do_not_come_in_time_fail_the_pod(local: Local) -> None:
    holder = annotated(job("first", "sleep 60"), acquire_semaphore="s")
    late = annotated(job("second", "true", job={"backoffLimit": 0}), acquire_semaphore="s", acquire_timeout="2s")
    late["spec"]["template"]["spec"]["initContainers"] = [
        container(
            "until koncli semaphore status s -o json | grep -q '\"inUse\": 1'; do sleep 0.1; done", "wait-for-first"
        )
    ]
    result = local.run(konductor("Semaphore", "s", permits=1), holder, late)
    assert result.code == 1
    assert any("FAILED job/second" in line and "konductor-acquire: exit code 3" in line for line in result.lines)


def test_arrivals_come_with_the_end_and_count_once_for_each_index(local: Local, k: Konductor) -> None:
    indexed = annotated(
        job("many", "true", job={"completions": 2, "completionMode": "Indexed", "parallelism": 2}), arrive_barrier="b"
    )
    plain = annotated(job("one", "true"), arrive_barrier="b")
    others = (
        "until koncli barrier status b -o json | grep -q '\"arrived\": 4'; do sleep 0.1; done"  # a failure ends all
    )
    failing = annotated(bare_pod("bad", f"{others}; exit 1"), arrive_barrier="b", arrive_on="completion")
    succeeding = annotated(bare_pod("sad", "exit 1"), arrive_barrier="b")
    starting = annotated(bare_pod("early", "true"), arrive_barrier="b", arrive_on="start")
    waiting = annotated(job("last", "true"), wait_barrier="b")
    local.write(konductor("Barrier", "b", expected=5), indexed, plain, failing, starting, waiting)
    done = run_on(k, local, str(local.folder / "manifests.json"))
    assert (done.returncode, "FAILED pod/bad" in done.stdout) == (1, True)
    arrived = [event.holder or "" for event in k.barrier("b").events() if event.type == "arrived"]
    assert sorted(each.partition("/")[2] for each in arrived)[-2:] == ["0", "1"]
    assert len({each.partition("/")[0] for each in arrived if "/" in each}) == 1
    local.write(konductor("Barrier", "c", expected=1), succeeding)
    assert run_on(k, local, str(local.folder / "manifests.json")).returncode == 1
    assert k.barrier("c").status().arrived == 0


def test_a_pod_that_waits_unscheduled_starts_nothing_until_its_barrier_opens(local: Local) -> None:
    gated = annotated(job("later", "echo began"), wait_barrier="b", wait_mode="schedule")
    opener = job("opener", "sleep 0.5; echo opens; koncli barrier arrive b")
    result = local.run(konductor("Barrier", "b", expected=1), gated, opener)
    assert result.code == 0, result
    assert result.said()[:1] == ["opens"]
    assert "began" in result.said()


def test_a_pod_whose_barrier_fails_is_never_scheduled(local: Local) -> None:
    gated = annotated(bare_pod("never", "echo began"), wait_barrier="b", wait_mode="schedule")
    result = local.run(konductor("Barrier", "b", expected=1, timeout="300ms"), gated)
    assert result.code == 1
    assert any("pod never is never scheduled: barrier/b has failed" in line for line in result.lines)
    assert result.said() == []


def test_a_pod_that_lost_its_lease_is_deleted_or_gets_a_signal_as_it_says(local: Local) -> None:
    lose = "koncli semaphore force-release s $POD_NAME"
    told = bare_pod("told", f"trap 'echo told; exit 0' TERM; {lose}; while :; do sleep 0.1; done")
    told["spec"]["securityContext"] = {"runAsUser": 1000}
    until_told = "while koncli semaphore holders s | grep -q told; do sleep 0.2; done"
    deleted = bare_pod("deleted", f"{until_told}; sleep 6; {lose}; sleep 60")  # after the other's next renewal
    result = local.run(
        konductor("Semaphore", "s", permits=2),
        annotated(told, acquire_semaphore="s", ttl="15s", on_lost="signal"),
        annotated(deleted, acquire_semaphore="s", ttl="15s", on_lost="delete-pod"),
    )
    assert result.code == 1
    assert any("pod told has lost semaphore-s: its containers get TERM" in line for line in result.lines)
    assert "told" in result.said()
    assert any("pod deleted has lost semaphore-s: it is deleted" in line for line in result.lines)


@pytest.mark.parametrize(
    "probe,code", [({"exec": {"command": ["test", "-e", "/run-it/up"]}}, 0), ({"exec": {"command": ["false"]}}, 3)]
)
def test_the_containers_after_a_sidecar_wait_for_its_startup_probe(local: Local, probe: Any, code: int) -> None:
    mount = [{"name": "shared", "mountPath": "/run-it"}]
    sidecar = container(
        "echo up > /run-it/up; sleep 60",
        "side",
        restartPolicy="Always",
        volumeMounts=mount,
        startupProbe={**probe, "periodSeconds": 1, "failureThreshold": 30},
    )
    work = job(
        "work", "cat /run-it/up", init=[sidecar], container={"volumeMounts": mount}, volumes=[{"name": "shared"}]
    )
    result = local.run(work, args=("--timeout", "20s" if code == 0 else "1500ms"))
    assert (result.code, result.said()) == (code, ["up"] if code == 0 else [])


def test_a_grpc_probe_of_a_sidecar_is_refused_by_name(local: Local) -> None:
    side = container("sleep 60", "side", restartPolicy="Always", startupProbe={"grpc": {"port": 80}})
    result = local.run(job("work", "true", init=[side]))
    assert result.code == 64
    assert "startupProbe.grpc: only exec, httpGet and tcpSocket probes are run here" in result.err
