"""Volumes do what they do in a cluster, mounted and, where that can't be, by rewritten paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.local.running import container, job

if TYPE_CHECKING:
    from tests.local.running import Local, Manifest

CLAIM: Manifest = {"name": "data", "persistentVolumeClaim": {"claimName": "shared"}}
SCRATCH: Manifest = {"name": "scratch", "emptyDir": {}}


def on(*mounts: tuple[str, str], **fields: Any) -> dict[str, Any]:
    """Fields of a container with mounts: (volume, path) or (volume, path/subPath after a colon)."""
    made = []
    for volume, place in mounts:
        path, _, sub_path = place.partition(":")
        made.append({"name": volume, "mountPath": path, **({"subPath": sub_path} if sub_path else {})})
    return {"volumeMounts": made, **fields}


def config(**data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}


def test_a_claim_is_shared_and_kept_for_the_run(local: Local, mounts: tuple[str, ...]) -> None:
    result = local.run(
        job(
            "write", "echo 42 > /data/x.part; mv /data/x.part /data/x", volumes=[CLAIM], container=on(("data", "/data"))
        ),
        job(
            "read",
            "while [ ! -e $IN/x ]; do sleep 0.05; done; cat $IN/x",
            volumes=[CLAIM],
            container=on(("data", "/in"), env=[{"name": "IN", "value": "/in"}]),
        ),
        args=mounts,
    )
    assert result.code == 0, result
    assert result.said() == ["42"]


def test_an_empty_dir_is_shared_by_the_pods_containers_and_new_for_each_pod(
    local: Local, mounts: tuple[str, ...]
) -> None:
    first = container("echo $HOSTNAME >> /tmp/seen", "first", **on(("scratch", "/tmp")))
    result = local.run(
        job(
            "work",
            "wc -l < /tmp/seen",
            init=[first],
            volumes=[SCRATCH],
            container=on(("scratch", "/tmp")),
            job={"completions": 2},
        ),
        args=mounts,
    )
    assert result.code == 0, result
    assert [line.strip() for line in result.said()] == ["1", "1"]


def test_config_maps_and_secrets_are_files(local: Local, mounts: tuple[str, ...]) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "data": {"token": "czNjcmV0"}}
    volumes = [
        {"name": "c", "configMap": {"name": "settings", "items": [{"key": "mode", "path": "deep/mode.txt"}]}},
        {"name": "s", "secret": {"secretName": "key", "defaultMode": 0o400}},
    ]
    script = "cat /etc/app/deep/mode.txt; echo; cat /etc/keys/token; echo; ls -l /etc/keys/token | cut -c1-10"
    result = local.run(
        config(mode="fast", other="x"),
        secret,
        job("work", script, volumes=volumes, container=on(("c", "/etc/app"), ("s", "/etc/keys"))),
        args=mounts,
    )
    assert result.code == 0, result
    assert result.said() == ["fast", "s3cret", "-r--------"]


def test_a_program_of_a_config_map_can_be_run(local: Local, mounts: tuple[str, ...]) -> None:
    volume = {"name": "c", "configMap": {"name": "settings", "defaultMode": 0o755}}
    fields = on(("c", "/programs"), command=["/programs/hello"], args=["you"])
    result = local.run(
        config(hello="#!/bin/sh\necho hello $1\n"), job("work", "", volumes=[volume], container=fields), args=mounts
    )
    assert result.said() == ["hello you"]


def test_sub_paths_are_parts_of_a_volume(local: Local, mounts: tuple[str, ...]) -> None:
    inner = container("echo 1 > /out/x", "inner", **on(("data", "/out:a/b")))
    result = local.run(
        job(
            "work",
            "cat /all/a/b/x /one",
            init=[inner],
            volumes=[CLAIM],
            container=on(("data", "/all"), ("data", "/one:a/b/x")),
        ),
        args=mounts,
    )
    assert result.said() == ["1", "1"]


def test_arguments_and_the_working_directory_may_name_mounts(local: Local, mounts: tuple[str, ...]) -> None:
    fields = on(("data", "/data"), command=["sh"], args=["-c", "pwd -P > $(OUT); ls"], workingDir="/data/deep")
    fields["env"] = [{"name": "OUT", "value": "/data/deep/where"}]
    maker = container("mkdir /data/deep", "maker", **on(("data", "/data")))
    result = local.run(job("work", "", init=[maker], volumes=[CLAIM], container=fields), args=mounts)
    assert result.code == 0, result
    assert result.said() == ["where"]


def test_a_read_only_mount_can_not_be_written_to(local: Local, mounts: tuple[str, ...]) -> None:
    fields: dict[str, Any] = {"volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}]}
    result = local.run(
        job("work", "touch /data/x 2>/dev/null && echo written || echo refused", volumes=[CLAIM], container=fields),
        args=mounts,
    )
    if mounts:
        assert "-- without mounts, read-only volumes can be written to" in result.lines
    else:
        assert result.said() == ["refused"]


def test_rewriting_is_announced_once(local: Local) -> None:
    manifests = [job(name, "ls /data", volumes=[CLAIM], container=on(("data", "/data"))) for name in ("one", "two")]
    result = local.run(*manifests, args=("--no-namespaces",))
    assert sum("in command, args and env /data become directories below" in line for line in result.lines) == 1


def test_what_can_not_be_rewritten_is_refused_by_name(local: Local) -> None:
    volume = {"name": "c", "configMap": {"name": "settings"}}
    result = local.run(
        config(run="cat /data/x"),
        job("silent", "extract", volumes=[CLAIM], container=on(("data", "/data"))),
        job("scripted", "sh /c/run; ls /data", volumes=[CLAIM, volume], container=on(("data", "/data"), ("c", "/c"))),
        args=("--no-namespaces",),
    )
    assert result.code == 64
    assert (
        "Job silent: spec.template.spec.containers[main]: volume data is mounted at /data, which neither" in result.err
    )
    assert "Job scripted: spec.template.spec.containers[main]: ConfigMap settings mentions /data in run" in result.err


def test_what_programs_write_elsewhere_in_the_root_is_gone_with_the_container(
    local: Local, mounts: tuple[str, ...]
) -> None:
    result = local.run(job("work", "echo x > konductor-test-file; pwd"), args=mounts)
    assert result.code == 0, result
    assert result.said() == ["/"] if not mounts else result.said()[0].startswith(str(local.temporary))
