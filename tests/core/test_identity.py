from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from konductor_core import identity
from konductor_core.errors import InvalidInput
from konductor_core.identity import (
    Kind,
    Owner,
    arrival_id,
    base_holder,
    check_count,
    check_holder,
    check_name,
    check_namespace,
    check_priority,
    namespace,
    new_request_id,
    owner,
    random_suffix,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UID = "2e1f0c1a-1111-2222-3333-444455556666"


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this machine from saying anything about itself."""
    monkeypatch.setattr(identity, "SERVICE_ACCOUNT_NAMESPACE", "/nonexistent")
    monkeypatch.setattr(identity, "MOUNTINFO", "/nonexistent")


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_is_found_by_every_name_in_any_case(kind: Kind) -> None:
    for name in (kind.value, kind.key, kind.plural, kind.short):
        assert Kind.parse(name) is kind
        assert Kind.parse(name.upper()) is kind


def test_short_names_and_plurals_are_those_of_the_custom_resources() -> None:
    assert [kind.short for kind in Kind] == ["bar", "sem", "kl", "mtx", "rwm", "once", "wg", "gate"]
    assert [kind.plural for kind in Kind] == [
        "barriers",
        "semaphores",
        "leases",
        "mutexes",
        "rwmutexes",
        "onces",
        "waitgroups",
        "gates",
    ]


@pytest.mark.parametrize(
    "text,remedy",
    [("semaphre", "did you mean Semaphore?"), ("barrirs", "did you mean barriers?"), ("", "choose one of Barrier, ")],
)
def test_an_unknown_kind_is_refused_with_a_suggestion(text: str, remedy: str) -> None:
    with pytest.raises(InvalidInput, match=remedy.replace("?", r"\?")):
        Kind.parse(text)


@pytest.mark.parametrize("name", ["a", "0", "load-concurrency", "a.b-c.d0", "x" * 253])
def test_names_are_rfc_1123_subdomains(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("label", ["a", "team-a", "0", "x" * 63])
def test_namespaces_are_rfc_1123_labels(label: str) -> None:
    assert check_namespace(label) == label


BAD_NAMES = [
    "",
    "A",
    "-a",
    "a-",
    "a_b",
    "a b",
    "a\n",
    "a\nb",
    "a:b",
    "{a}",
    "é",
    "🚀",
    "a/b",
    "x" * 10_000,
    "\ud800",
    "\0",
]


@pytest.mark.parametrize("check", [check_name, check_namespace])
@pytest.mark.parametrize("value", [*BAD_NAMES, 5, None])
def test_any_other_name_is_refused_on_one_short_line(check: Callable[[Any], str], value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        check(value)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 220


@pytest.mark.parametrize("name", ["a..b", ".a", "a.", "a.-b"])
def test_every_part_of_a_name_begins_and_ends_well(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_name(name)


def test_a_namespace_has_no_dots() -> None:
    with pytest.raises(InvalidInput):
        check_namespace("a.b")


@pytest.mark.parametrize("holder", ["a", "Pod 1", "a:b{c}", "émile", "🚀", "x" * 253, "é" * 126, "a/b", "'\"$(rm)"])
def test_a_holder_is_any_printable_text(holder: str) -> None:
    assert check_holder(holder) == holder


@pytest.mark.parametrize(
    "holder,problem",
    [
        ("", "is empty"),
        (" a", "space"),
        ("a ", "space"),
        ("\N{NO-BREAK SPACE}a", "control characters"),
        ("a\nb", "line breaks"),
        ("a\tb", "control characters"),
        ("a\0b", "control characters"),
        ("\x1b[31mred", "control characters"),
        ("\ud800", "control characters"),
        ("x" * 254, "at most 253 bytes"),
        ("é" * 127, "at most 253 bytes"),
        pytest.param("x" * 10_000, "at most 253 bytes", id="long"),
        (None, "not text"),
        (b"a", "not text"),
    ],
)
def test_any_other_holder_is_refused_with_the_reason(holder: Any, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        check_holder(holder)


@pytest.mark.parametrize("value", [0, 11, -1, pytest.param(10**5_000, id="huge"), "5", 5.0, True, None])
def test_a_count_out_of_bounds_or_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match="from 1 to 10"):
        check_count(value, "permits", 1, 10)


def test_a_count_in_bounds_is_itself() -> None:
    assert [check_count(value, "permits", 1, 10) for value in (1, 10)] == [1, 10]
    assert check_count(1_000_000, "permits", 0) == 1_000_000


def test_priorities_go_from_minus_to_plus_a_thousand() -> None:
    assert [check_priority(value) for value in (-1000, 0, 1000)] == [-1000, 0, 1000]
    for value in (-1001, 1001):
        with pytest.raises(InvalidInput, match="priority"):
            check_priority(value)


def test_request_ids_and_suffixes_are_new_each_time() -> None:
    assert len({new_request_id() for _ in range(100)}) == 100
    assert len({random_suffix() for _ in range(100)}) == 100
    assert len(new_request_id()) == 32


def test_the_holder_comes_from_the_first_variable_that_names_one() -> None:
    env = {"KONDUCTOR_HOLDER": "a", "KONDUCTOR_HOLDER_ID": "b", "POD_NAME": "c", "HOSTNAME": "d"}
    found = []
    while env:
        found.append(base_holder(env))
        del env[next(iter(env))]
    assert found == ["a", "b", "c", "d"]
    assert base_holder({"KONDUCTOR_HOLDER": ""}) == socket.gethostname()


def test_a_bad_holder_in_the_environment_is_refused_by_the_variables_name() -> None:
    with pytest.raises(InvalidInput, match=r"^POD_NAME "):
        base_holder({"POD_NAME": "a\nb"})


def test_an_arrival_id_is_the_variables_or_the_holder() -> None:
    assert arrival_id({"KONDUCTOR_ARRIVAL_ID": "job/3"}, "me") == "job/3"
    assert arrival_id({}, "me") == "me"


def test_the_namespace_comes_from_the_first_source_that_names_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "namespace").write_text("from-account\n")
    (tmp_path / "kubeconfig").write_text(
        "contexts:\n- context:\n    namespace: from-kubeconfig\n  name: c\ncurrent-context: c\n"
    )
    env = {"KUBECONFIG": str(tmp_path / "kubeconfig")}
    assert namespace({}) == "default"
    assert namespace(env) == "from-kubeconfig"
    monkeypatch.setattr(identity, "SERVICE_ACCOUNT_NAMESPACE", str(tmp_path / "namespace"))
    assert namespace(env) == "from-account"
    assert namespace({**env, "POD_NAMESPACE": "from-pod"}) == "from-pod"
    assert namespace({**env, "POD_NAMESPACE": "from-pod", "KONDUCTOR_NAMESPACE": "first"}) == "first"


def test_outside_pods_there_is_no_owner() -> None:
    assert owner({}) == Owner(pod="", uid="", node="")


def test_the_owner_is_the_pod_of_the_environment() -> None:
    env = {"POD_NAME": "loader-1", "POD_UID": UID, "NODE_NAME": "n1"}
    assert owner(env) == Owner(pod="loader-1", uid=UID, node="n1")


@pytest.mark.parametrize("mount", ["/etc/hosts", "/dev/termination-log"])
def test_without_a_variable_the_uid_is_found_in_the_kubelets_mounts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mount: str
) -> None:
    (tmp_path / "mountinfo").write_text(
        "1 2 0:5 / / rw - overlay overlay rw\n"
        f"3 1 8:1 /var/lib/kubelet/pods/{UID}/containers/x {mount} rw,relatime - ext4 /dev/sda1 rw\n"
    )
    monkeypatch.setattr(identity, "MOUNTINFO", str(tmp_path / "mountinfo"))
    assert owner({}).uid == UID
    assert owner({"POD_UID": "other"}).uid == "other"


def test_a_process_on_the_node_itself_belongs_to_no_pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(
        f"3 1 8:1 /var/lib/kubelet/pods/{UID}/vol /var/lib/kubelet/pods/{UID}/vol rw - ext4 /dev/sda1 rw\n\nshort\n"
    )
    monkeypatch.setattr(identity, "MOUNTINFO", str(tmp_path / "mountinfo"))
    assert owner({}).uid == ""
