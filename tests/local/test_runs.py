"""Whole runs of short programs through the installed koncli: order, restarts, Jobs, leases, exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from konductor_core import Konductor
from tests.local.running import PATIENCE, bare_pod, container, job, konductor

if TYPE_CHECKING:
    from tests.local.running import Local
    from tests.servers import Server

TRY = "n=$(cat /tries/n 2>/dev/null || echo 0); echo $((n+1)) > /tries/n; echo try $n on $POD_NAME;"
"""A script's beginning that counts its runs in the volume TRIES; $n is how many went before."""
TRIES: dict[str, Any] = {
    "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
    "container": {"volumeMounts": [{"name": "v", "mountPath": "/tries"}]},
}
SCRATCH: dict[str, Any] = {"volumes": [{"name": "v", "emptyDir": {}}], "container": TRIES["container"]}


def test_init_containers_run_one_by_one_before_the_app(local: Local) -> None:
    init = [container("sleep 0.1; echo first", "one"), container("echo second", "two")]
    result = local.run(job("work", "echo third", init=init))
    assert result.code == 0, result
    assert [line.partition("] ")[2] for line in result.lines if line.startswith("[")] == ["first", "second", "third"]
    assert "complete: 1 job, 1 pod in" in result.lines[-1]
    assert result.lines[-1].endswith("exit code 0")


def test_all_containers_of_a_pod_know_who_they_are(local: Local) -> None:
    show = "echo $HOSTNAME $POD_NAME $POD_NAMESPACE $POD_UID $NODE_NAME"
    env = [{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    extra = container(f"{show}; echo $NAME $SHELL_LEVEL", "extra", env=env)
    result = local.run(job("work", show, init=[extra], nodeName="rack-1"), args=("-n", "etl"))
    first, name = result.said("extra")
    assert result.said() == [first]
    hostname, pod, namespace, uid, node = first.split()
    assert hostname == pod == name
    assert pod.startswith("work-")
    assert len(pod) == len("work-12345")
    assert (namespace, len(uid), node) == ("etl", 36, "rack-1")


def test_the_environment_is_clean_but_for_what_programs_need(local: Local) -> None:
    result = local.run(job("work", "env | cut -d= -f1 | sort | tr '\\n' ' '"))
    assert set(result.said()[0].split()) - {"PWD", "OLDPWD", "_", "SHLVL"} == {
        *("HOME", "HOSTNAME", "LANG", "PATH"),
        *("KONDUCTOR_ARRIVAL_ID", "KONDUCTOR_CONFIG", "KONDUCTOR_NAMESPACE", "KONDUCTOR_REDIS_URL"),
        *("NODE_NAME", "POD_NAME", "POD_NAMESPACE", "POD_UID"),
    }


def test_programs_come_from_path_options_and_the_bin_folder_beside_the_manifests(local: Local) -> None:
    for folder, name in (("bin", "beside"), ("more", "given"), ("bin", "both"), ("more", "both")):
        file = local.folder / folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\necho {name} of {folder}\n", encoding="utf-8")
        file.chmod(0o755)
    result = local.run(job("work", "beside; given; both"), args=("--path", str(local.folder / "more")))
    assert result.said() == ["beside of bin", "given of more", "both of more"]


def test_a_program_that_is_nowhere_is_refused_before_anything_starts(local: Local) -> None:
    result = local.run(job("work", "x", container={"command": ["no-such-program"]}))
    assert result.code == 64
    assert result.out == ""
    assert "containers[main].command: the program no-such-program is not on the path" in result.err


def test_a_failing_job_ends_the_run_with_its_reason_and_last_words(local: Local) -> None:
    result = local.run(
        job("broken", "echo about to fail; exit 3", job={"backoffLimit": 0}),
        job("patient", "sleep 300", terminationGracePeriodSeconds=5),
        args=("--then", "echo never"),
    )
    assert result.code == 1
    assert any(line.startswith("-- FAILED job/broken: BackoffLimitExceeded: pod broken-") for line in result.lines)
    assert "container main: exit code 3; exit code 1" in result.lines[-1]
    assert "    about to fail" in result.lines
    assert "-- stopping job/patient" in result.lines
    assert "never" not in result.out


def test_a_failed_pod_is_replaced_by_another_one(local: Local) -> None:
    result = local.run(job("work", f"{TRY} [ $n -ge 1 ]", **TRIES))
    assert result.code == 0, result
    (_, _, _, first), (_, _, _, second) = (line.split() for line in result.said())
    assert first != second
    assert f"-- pod {first} has failed: another one in 1s (failure 1 of 7)" in result.lines


def test_on_failure_restarts_the_container_in_the_same_pod_and_with_its_volumes(local: Local) -> None:
    result = local.run(job("work", f"{TRY} [ $n -ge 2 ]", restartPolicy="OnFailure", **SCRATCH))
    assert result.code == 0, result
    assert [line.split()[1] for line in result.said()] == ["0", "1", "2"]
    assert len({line.split()[3] for line in result.said()}) == 1


def test_restarts_count_against_the_backoff_limit(local: Local) -> None:
    result = local.run(job("work", "echo again; exit 1", restartPolicy="OnFailure", job={"backoffLimit": 2}))
    assert result.code == 1
    assert "BackoffLimitExceeded" in result.lines[-1]
    assert 2 <= len(result.said()) <= 3


def test_an_init_container_that_fails_fails_a_pod_that_never_restarts(local: Local) -> None:
    broken = container("echo no; exit 4", "check")
    result = local.run(job("work", "echo never", init=[broken], job={"backoffLimit": 0}))
    assert result.code == 1
    assert "container check: exit code 4" in result.lines[-1]
    assert result.said() == []


def test_an_indexed_job_runs_each_index_once_with_its_host_name(local: Local) -> None:
    spec = {"completions": 3, "parallelism": 2, "completionMode": "Indexed"}
    result = local.run(job("work", "echo $JOB_COMPLETION_INDEX $HOSTNAME ${POD_NAME%-*}", job=spec))
    assert result.code == 0, result
    assert sorted(result.said()) == [f"{index} work-{index} work-{index}" for index in range(3)]


def test_parallelism_bounds_how_many_pods_run_at_once(local: Local) -> None:
    count = "mkdir /tries/$POD_NAME; ls /tries | wc -l; sleep 0.3; rmdir /tries/$POD_NAME"
    result = local.run(job("work", count, job={"completions": 5, "parallelism": 2}, **TRIES))
    assert result.code == 0, result
    assert len(result.said()) == 5
    assert max(int(line) for line in result.said()) == 2


def test_a_job_past_its_deadline_fails(local: Local) -> None:
    result = local.run(job("slow", "echo started; exec sleep 300", job={"activeDeadlineSeconds": 1}))
    assert result.code == 1
    assert "FAILED job/slow: DeadlineExceeded" in result.lines[-1]


def test_a_pod_past_its_deadline_fails_and_is_replaced(local: Local) -> None:
    result = local.run(job("work", f"{TRY} [ $n -ge 1 ] || exec sleep 300", activeDeadlineSeconds=1, **TRIES))
    assert result.code == 0, result
    assert len(result.said()) == 2


def test_a_bare_pod_that_fails_fails_the_run(local: Local) -> None:
    result = local.run(bare_pod("alone", "exit 5"))
    assert result.code == 1
    assert "FAILED pod/alone: failed: pod alone, container main: exit code 5" in result.lines[-1]


def test_a_pod_that_always_restarts_is_stopped_when_the_jobs_are_done(local: Local) -> None:
    server = bare_pod(
        "server", "echo up; trap 'echo down; exit 0' TERM; while :; do sleep 0.05; done", restartPolicy="Always"
    )
    result = local.run(server, job("work", "sleep 0.5; echo done"))
    assert result.code == 0, result
    assert result.said() == ["up", "done", "down"]


def test_a_sidecar_lives_as_long_as_the_app(local: Local) -> None:
    helper = container(
        "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done", "helper", restartPolicy="Always"
    )
    result = local.run(job("work", "sleep 0.3; echo work", init=[helper]))
    assert result.code == 0, result
    assert result.said("helper") == ["up", "bye"]
    assert result.said() == ["work"]


def test_objects_of_the_manifests_coordinate_the_pods(local: Local) -> None:
    wait = {"name": "wait", "command": ["koncli", "barrier", "wait", "ready", "--timeout=1m"]}
    result = local.run(
        job("after", "echo after", init=[wait]),
        job("before", "sleep 0.3; echo before; koncli barrier arrive ready"),
        konductor("Barrier", "ready", expected=1, timeout="2h"),
    )
    assert result.code == 0, result
    assert [line for line in result.said() if " " not in line] == ["before", "after"]
    assert "-- barrier/ready created" in result.lines
    assert any(line.startswith("-- barrier/ready: Open, arrived 1/1") for line in result.lines)


def test_the_app_releases_what_its_init_container_acquired(local: Local) -> None:
    take = {"name": "take", "command": ["koncli", "semaphore", "acquire", "slots", "--wait", "--ttl=30m"]}
    result = local.run(
        job("work", "koncli semaphore release slots", init=[take], job={"completions": 2, "parallelism": 2}),
        konductor("Semaphore", "slots", permits=1, ttl="30m"),
    )
    assert result.code == 0, result
    assert "still held" not in result.out


def test_what_an_ended_pod_still_holds_is_released(local: Local) -> None:
    work = "koncli semaphore acquire slots --wait --ttl=30m; exit 0"
    result = local.run(
        job("work", work, job={"completions": 2, "parallelism": 2}),
        konductor("Semaphore", "slots", permits=1, ttl="30m"),
    )
    assert result.code == 0, result
    assert sum("semaphore/slots: released what work-" in line for line in result.lines) == 2


def test_a_command_may_follow_in_the_folder_of_the_claims(local: Local) -> None:
    result = local.run(job("work", "echo 42 > /tries/answer", **TRIES), args=("--then", "cat c/answer; exit 9"))
    assert "42" in result.lines
    assert result.code == 1
    assert "the command after it ended with exit code 9" in result.lines[-1]


def test_keep_keeps_the_claims_and_says_where(local: Local) -> None:
    result = local.run(job("work", "echo 42 > /tries/answer", **TRIES), args=("--keep",))
    kept = next(line for line in result.lines if "kept: " in line).split("the claims are in ")[1].rstrip(")")
    assert (local.temporary / kept / "c" / "answer").read_text(encoding="utf-8") == "42\n"


def test_nothing_is_left_in_the_temporary_folder(local: Local) -> None:
    local.run(job("work", "echo x > /tries/x", **TRIES))
    assert list(local.temporary.iterdir()) == []


def test_the_run_ends_at_its_timeout(local: Local) -> None:
    result = local.run(job("slow", "exec sleep 300"), args=("--timeout", "1s"))
    assert result.code == 3
    assert result.lines[-1] == "-- timed out after 1s with job/slow unfinished; exit code 3"


def test_json_is_one_document_and_the_lines_go_to_stderr(local: Local) -> None:
    result = local.run(job("work", "echo hello"), konductor("Barrier", "b", expected=1), args=("-o", "json"))
    document = json.loads(result.out)
    assert (document["exitCode"], document["jobs"][0]["phase"]) == (0, "Complete")
    assert document["jobs"][0]["pods"][0]["containers"][0]["exitCode"] == 0
    assert document["objects"][0]["phase"] == "Waiting"
    assert "] hello" in result.err


def test_another_redis_may_be_used_and_is_left_as_it_was(local: Local, valkey_server: Server) -> None:
    result = local.run(
        job("work", "koncli barrier arrive ready"),
        konductor("Barrier", "ready", expected=1),
        args=("--redis-url", valkey_server.url, "-n", "etl"),
    )
    assert result.code == 0, result
    with Konductor(valkey_server.url, namespace="etl") as k:
        assert k.objects() == []


def test_objects_that_were_there_before_are_left_there(local: Local, valkey_server: Server) -> None:
    with Konductor(valkey_server.url, namespace="etl") as k:
        k.barrier("ready").define(expected=1)
        result = local.run(
            job("work", "koncli barrier arrive ready"),
            konductor("Barrier", "ready", expected=1),
            args=("--redis-url", valkey_server.url, "-n", "etl"),
        )
        assert "-- barrier/ready unchanged" in result.lines
        assert k.barrier("ready").status().phase == "Open"


@pytest.mark.parametrize(
    "args,code,words", [(("--timeout", "5"), 64, "has no unit"), (("--redis-url", "x://y"), 64, "unknown scheme")]
)
def test_bad_options_are_refused(local: Local, args: tuple[str, ...], code: int, words: str) -> None:
    result = local.run(job("work", "true"), args=args, timeout=PATIENCE)
    assert (result.code, result.out) == (code, "")
    assert words in result.err
