"""Manifests are sorted, and what can't run is refused by file, line, name and field."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from koncli.local.documents import Documents, read_documents
from konductor_core.errors import InvalidInput
from tests.local.running import container, job

if TYPE_CHECKING:
    from pathlib import Path

CLAIM = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}


def read(folder: Path, text: str, name: str = "a.yaml") -> Documents:
    (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")
    return read_documents([folder])


def refusal(folder: Path, manifest: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    """Everything that was said when the one manifest was refused."""
    import json

    (folder / "a.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        read_documents([folder])
    return capsys.readouterr().err + str(caught.value)


PIPELINE = """\
    apiVersion: konductor.io/v1
    kind: Barrier
    metadata: {name: ready}
    spec: {expected: 1}
    ---
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata: {name: c}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: settings}
    data: {mode: fast}
    binaryData: {blob: AAE=}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: password}
    data: {p: c2VjcmV0}
    stringData: {q: plain}
    ---
    apiVersion: v1
    kind: ServiceAccount
    metadata: {name: robot}
    ---
    apiVersion: batch/v1
    kind: Job
    metadata: {name: work}
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - {name: main, image: x, command: ["true"], resources: {limits: {cpu: 1}}}
"""


def test_every_kind_finds_its_place(tmp_path: Path) -> None:
    found = read(tmp_path, PIPELINE)
    assert [each.name for each in found.objects] == ["ready"]
    assert [each.name for each in found.jobs] == ["work"]
    assert found.claims == ["c"]
    assert found.configs == {"settings": {"mode": b"fast", "blob": b"\0\1"}}
    assert found.secrets == {"password": {"p": b"secret", "q": b"plain"}}


def test_what_is_left_out_is_said_once(tmp_path: Path) -> None:
    assert read(tmp_path, PIPELINE).notes() == [
        "without meaning here: ServiceAccount robot",
        "ignored in pods: resources",
    ]


def test_a_claim_that_is_not_there_is_noted(tmp_path: Path) -> None:
    mounted = job("work", "ls /v", volumes=[CLAIM], container={"volumeMounts": [{"name": "v", "mountPath": "/v"}]})
    import json

    assert read(tmp_path, json.dumps(mounted)).notes() == [
        "PersistentVolumeClaim c is not among the manifests: it starts as an empty directory"
    ]


@pytest.mark.parametrize(
    "pod,words",
    [
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
            "spec.template.spec.volumes[v].hostPath: a pod's programs",
        ),
        ({"volumes": [{"name": "v", "nfs": {}}]}, "volumes[v].nfs"),
        ({"volumes": [{"name": "../v", "emptyDir": {}}]}, "name '../v' is not valid"),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "/etc"}}]}, "claimName '/etc' is not valid"),
        ({"container": {"name": "a/b"}}, "name 'a/b' is not valid"),
        ({"container": {"lifecycle": {"preStop": {}}}}, "containers[main].lifecycle: postStart and preStop"),
        ({"container": {"volumeMounts": [{"name": "x", "mountPath": "/x"}]}}, "the pod has no volume called 'x'"),
        ({"container": {"command": None, "args": ["x"]}}, "the image none is not pulled here"),
        ({"container": {"env": [{"name": "N", "value": 5}]}}, "env[N].value: 5 is not text: put it in quotes"),
        ({"container": {"envs": []}}, "containers[main].envs: did you mean env?"),
        ({"container": {"restartPolicy": "Always"}}, "only an init container may have one"),
        ({"restartPolicy": "Always"}, "'Always' is none of Never, OnFailure"),
        ({"restartPolicy": None}, "a Job's pods need Never or OnFailure"),
        ({"init": [container("true", "main")]}, "two containers are called main"),
        (
            {"container": {"env": [{"name": "N", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]}},
            "env[N]: ConfigMap c is not among the manifests",
        ),
        (
            {"container": {"env": [{"name": "N", "valueFrom": {"resourceFieldRef": {"resource": "x"}}}]}},
            "resourceFieldRef",
        ),
        (
            {"container": {"env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "status.phase"}}}]}},
            "'status.phase'",
        ),
        ({"container": {"envFrom": [{"secretRef": {"name": "s"}}]}}, "envFrom: Secret s is not among the manifests"),
        ({"volumes": [{"name": "v", "configMap": {"name": "c"}}]}, "volume v: ConfigMap c is not among the manifests"),
        (
            {"volumes": [CLAIM], "container": {"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "../x"}]}},
            "'../x' leads out of the volume",
        ),
        (
            {"volumes": [CLAIM], "container": {"volumeMounts": [{"name": "v", "mountPath": "v"}]}},
            "not an absolute path",
        ),
    ],
)
def test_what_a_pod_can_not_have_is_refused_by_name(
    tmp_path: Path, pod: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(tmp_path, job("work", "true", **pod), capsys)
    assert words in said
    assert f"{tmp_path}/a.json:1: Job work: spec.template" in said


@pytest.mark.parametrize(
    "spec,words",
    [
        ({"parallelism": 0}, "spec.parallelism: 0 pauses a Job"),
        ({"suspend": True}, "spec.suspend: a suspended Job never starts"),
        ({"completionMode": "Indexed"}, "spec.completions: an Indexed Job needs it"),
        ({"podFailurePolicy": {"rules": []}}, "spec.podFailurePolicy: every failed pod counts here"),
        ({"backofLimit": 3}, "spec.backofLimit: did you mean backoffLimit?"),
        ({"backoffLimit": -1}, "-1 is not a whole number of at least 0"),
        ({"completions": "3"}, "'3' is not a whole number"),
        ({"activeDeadlineSeconds": 0}, "at least 1"),
    ],
)
def test_what_a_job_can_not_have_is_refused_by_name(
    tmp_path: Path, spec: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refusal(tmp_path, job("work", "true", job=spec), capsys)


@pytest.mark.parametrize("place", ["template", "pod"])
@pytest.mark.parametrize(
    "given,text",
    [
        ("wait-barier=ready", "did you mean konductor.io/wait-barrier?"),
        ("wait-barrier=UPPER", "is not valid: use lower-case letters"),
        ("wait-barrier=b:5x", "konductor.io/wait-barrier"),
        ("on-lost=signal", "needs one user other than root"),
    ],
)
def test_annotations_that_cannot_be_heeded_are_refused_by_name(
    tmp_path: Path, place: str, given: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, _, value = given.partition("=")
    manifest = job("work", "true")
    annotations = {f"konductor.io/{name}": value, "other.io/x": "1"}
    if name == "on-lost":
        annotations["konductor.io/acquire-semaphore"] = "s"
    metadata = {"name": "work", "annotations": annotations}
    if place == "template":
        manifest["spec"]["template"]["metadata"] = metadata
    else:
        spec = manifest["spec"]["template"]["spec"]
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    said = refusal(tmp_path, manifest, capsys)
    assert text in said
    assert "a.json" in said
    assert "other.io" not in said


@pytest.mark.parametrize("kind", ["DaemonSet", "StatefulSet", "CronJob", "Service", "Frobnicator"])
def test_other_kinds_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InvalidInput, match=f"a.yaml:2: {kind} x: {kind} can't run here"):
        read(tmp_path, f"# a comment\napiVersion: x/v1\nkind: {kind}\nmetadata: {{name: x}}\n")


@pytest.mark.parametrize(
    "text,words",
    [
        (
            "{apiVersion: batch/v2, kind: Job, metadata: {name: x}}",
            "apiVersion 'batch/v2' is unknown for a Job: write b",
        ),
        ("{apiVersion: v1, kind: Secret, metadata: {name: ../x}}", "metadata.name '../x' is not valid"),
        ("{apiVersion: v1, kind: Pod, metadata: {generateName: x}}", "needs metadata.name"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {../k: v}}", r"data\[../k\]: a key has letters"),
        ("{apiVersion: v1, kind: Secret, metadata: {name: x}, data: {k: '!'}}", r"data\[k\]: is not base64"),
        ("{kind: 5}", "a manifest needs a kind"),
    ],
)
def test_what_the_api_server_would_not_take_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read(tmp_path, text)


def test_several_reasons_are_all_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(tmp_path, job("work", "true", job={"suspend": True, "parallelism": 0}), capsys)
    assert said.count("refused: ") == 2
    assert said.endswith("there are 2 reasons why these manifests can't run here")


def test_a_typo_in_one_of_our_objects_is_refused_with_its_line(tmp_path: Path) -> None:
    text = "apiVersion: konductor.io/v1\nkind: Barrier\nmetadata: {name: b}\nspec: {expectd: 5}\n"
    with pytest.raises(InvalidInput, match=r"a\.yaml:1: Barrier b: .*did you mean expected\?"):
        read(tmp_path, text)


def test_the_same_object_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(textwrap.dedent(PIPELINE), encoding="utf-8")
    with pytest.raises(InvalidInput, match="reasons why"):
        read(tmp_path, PIPELINE)


def test_bad_yaml_is_refused_with_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"a\.yaml:2:\d+: not YAML"):
        read(tmp_path, "kind: Job\n  bad: [\n")


@pytest.mark.parametrize(
    "files,words",
    [
        ({}, "no .yaml, .yml or .json file"),
        ({"a.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n"}, "nothing to run"),
    ],
)
def test_nothing_to_run_is_said(tmp_path: Path, files: dict[str, str], words: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=words):
        read_documents([tmp_path])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no file or folder .*absent\.yaml"):
        read_documents([tmp_path / "absent.yaml"])


@pytest.mark.parametrize(
    "flag,named,wanted",
    [(None, {}, "default"), ("etl", {}, "etl"), (None, {"etl": "a:1"}, "etl"), ("etl", {"etl": "a:1"}, "etl")],
)
def test_the_namespace_is_the_flags_the_manifests_or_the_default(
    flag: str | None, named: dict[str, str], wanted: str
) -> None:
    assert Documents(namespaces=named).namespace(flag, "default") == wanted


def test_two_namespaces_are_refused_with_their_places() -> None:
    with pytest.raises(InvalidInput, match=r"one namespace, but here are a \(x:1\), b \(-n\)"):
        Documents(namespaces={"a": "x:1"}).namespace("b", "default")
