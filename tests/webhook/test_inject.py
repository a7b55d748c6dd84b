"""Pods in, pods out: what each annotation adds, and where."""

from __future__ import annotations

from typing import Any

import pytest

from konductor_core.annotations import ARRIVES
from konductor_core.errors import InvalidInput
from tests.webhook.pods import DEFAULTS, INDEX, JOB, admitted, container, env, init_names, injected, named, pod
from webhook.defaults import Defaults
from webhook.inject import inject

CONNECTION = {
    "KONDUCTOR_REDIS_CA": "konductor-connection/ca.crt?",
    "KONDUCTOR_MIN_REPLICAS": "konductor-connection/min-replicas?",
    "KONDUCTOR_REDIS_URL": "konductor-connection/redis-url",
}
IDENTITY = {
    "POD_NAME": "metadata.name",
    "POD_NAMESPACE": "metadata.namespace",
    "POD_UID": "metadata.uid",
    "NODE_NAME": "spec.nodeName",
}
ENVIRONMENT = {**CONNECTION, **IDENTITY, "KONDUCTOR_ARRIVAL_ID": "metadata.uid"}

ARGUMENTS = [
    ({"wait-barrier": "a"}, "konductor-wait-barrier-a", "wait barrier/a"),
    ({"wait-barrier": "a:90s"}, "konductor-wait-barrier-a", "wait barrier/a --timeout 1m30s"),
    ({"wait-barrier": "a:0"}, "konductor-wait-barrier-a", "wait barrier/a --timeout 0s"),
    ({"wait-barrier": "a", "wait-timeout": "2h"}, "konductor-wait-barrier-a", "wait barrier/a --timeout 2h"),
    ({"acquire-semaphore": "a"}, "konductor-acquire", "acquire semaphore/a=1"),
    ({"acquire-semaphore": "a=2,b"}, "konductor-acquire", "acquire semaphore/a=2 semaphore/b=1"),
    ({"acquire-semaphore": "a,b=2", "permits": "3"}, "konductor-acquire", "acquire semaphore/a=3 semaphore/b=2"),
    (
        {"acquire-semaphore": "a", "ttl": "30s", "acquire-timeout": "10m", "priority": "-5"},
        "konductor-acquire",
        "acquire semaphore/a=1 --ttl 30s --timeout 10m --priority -5",
    ),
    (
        {"acquire-lease": "l", "acquire-mutex": "m", "acquire-rwmutex": "r=read,w=write,x", "acquire-semaphore": "s=2"},
        "konductor-acquire",
        "acquire semaphore/s=2 lease/l mutex/m rwmutex/r=read rwmutex/w=write rwmutex/x=write",
    ),
    ({"wait-gate": "g:1h"}, "konductor-wait-gate-g", "wait gate/g --timeout 1h"),
    ({"wait-waitgroup": "w:1h"}, "konductor-wait-waitgroup-w", "wait waitgroup/w --timeout 1h"),
    ({"done-waitgroup": "w", "arrive-on": "start"}, "konductor-arrive-waitgroup-w", "arrive waitgroup/w"),
    ({"acquire-semaphore": "a"}, "konductor-keeper", "keep --on-lost continue"),
    ({"acquire-semaphore": "a", "on-lost": "delete-pod"}, "konductor-keeper", "keep --on-lost delete-pod"),
    ({"api": "true"}, "konductor-keeper", "keep --on-lost continue --api"),
    ({"arrive-barrier": "a", "arrive-on": "start"}, "konductor-arrive-barrier-a", "arrive barrier/a"),
]


@pytest.mark.parametrize("annotations,name,arguments", ARGUMENTS)
def test_what_a_pod_asks_for_becomes_the_arguments_of_a_container(
    annotations: dict[str, str], name: str, arguments: str
) -> None:
    found = named(injected(annotations), name)
    assert found["command"] == ["konductor-sidecar"]
    assert found["args"] == arguments.split()


ORDER = [
    ({"wait-barrier": "b,a"}, ["konductor-wait-barrier-b", "konductor-wait-barrier-a", "own", "mesh"]),
    ({"acquire-semaphore": "s"}, ["own", "mesh", "konductor-acquire", "konductor-keeper"]),
    ({"api": "true"}, ["own", "mesh", "konductor-keeper"]),
    ({"arrive-barrier": "a"}, ["own", "mesh"]),
    ({"arrive-barrier": "a", "arrive-on": "completion"}, ["own", "mesh"]),
    ({"arrive-barrier": "a", "arrive-on": "start"}, ["own", "mesh", "konductor-arrive-barrier-a"]),
    (
        {"arrive-barrier": "a,b", "wait-barrier": "x,b", "arrive-on": "start", "acquire-semaphore": "s"},
        [
            "konductor-wait-barrier-x",
            "konductor-arrive-barrier-b",
            "konductor-wait-barrier-b",
            "own",
            "mesh",
            "konductor-acquire",
            "konductor-keeper",
            "konductor-arrive-barrier-a",
        ],
    ),
    (
        {"wait-barrier": "a", "acquire-semaphore": "s", "init-first": "mesh"},
        ["mesh", "konductor-wait-barrier-a", "own", "konductor-acquire", "konductor-keeper"],
    ),
    (
        {"wait-barrier": "a", "acquire-semaphore": "s", "wait-mode": "schedule"},
        ["own", "mesh", "konductor-acquire", "konductor-keeper"],
    ),
]


@pytest.mark.parametrize("annotations,names", ORDER)
def test_waits_come_before_the_pods_own_init_containers_and_what_holds_after_them(
    annotations: dict[str, str], names: list[str]
) -> None:
    own = [container("own"), container("mesh", restartPolicy="Always")]
    assert init_names(injected(annotations, initContainers=own)) == names


def test_an_added_container_satisfies_the_restricted_standard_and_says_what_it_needs() -> None:
    found = named(injected({"wait-barrier": "a"}), "konductor-wait-barrier-a")
    assert found["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 65_532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert found["resources"] == {
        "requests": {"cpu": "10m", "memory": "32Mi"},
        "limits": {"cpu": "500m", "memory": "128Mi"},
    }
    assert (found["image"], found["imagePullPolicy"]) == ("example.org/slim:1", "IfNotPresent")
    assert found["volumeMounts"] == [{"name": "konductor-run", "mountPath": "/var/run/konductor"}]
    assert env(found) == ENVIRONMENT


def test_the_keeper_is_a_native_sidecar_that_is_probed_before_the_app_starts() -> None:
    keeper = named(injected({"acquire-semaphore": "s"}), "konductor-keeper")
    assert keeper["restartPolicy"] == "Always"
    assert keeper["startupProbe"]["exec"] == {"command": ["konductor-sidecar", "ready"]}
    assert "restartPolicy" not in named(injected({"acquire-semaphore": "s"}), "konductor-acquire")


def test_overrides_change_every_added_container() -> None:
    found = injected(
        {
            "wait-barrier": "a",
            "acquire-semaphore": "s",
            "image": "r.example/x:2",
            "image-pull-policy": "Always",
            "resources": "cpu=20m, ephemeral-storage=1Mi:2Mi",
            "holder": "nightly-$(POD_NAME)",
        }
    )
    for name in ("konductor-wait-barrier-a", "konductor-acquire", "konductor-keeper"):
        each = named(found, name)
        assert (each["image"], each["imagePullPolicy"]) == ("r.example/x:2", "Always")
        assert each["resources"] == {
            "requests": {"cpu": "20m", "memory": "32Mi", "ephemeral-storage": "1Mi"},
            "limits": {"cpu": "20m", "memory": "128Mi", "ephemeral-storage": "2Mi"},
        }
        assert env(each)["KONDUCTOR_HOLDER"] == "nightly-$(POD_NAME)"
        assert list(env(each)).index("POD_NAME") < list(env(each)).index("KONDUCTOR_HOLDER")
    assert env(named(found, "app"))["KONDUCTOR_HOLDER"] == "nightly-$(POD_NAME)"


@pytest.mark.parametrize(
    "of_pod,default,expected",
    [({}, 65_532, 65_532), ({"runAsUser": 1000}, 65_532, None), ({"runAsUser": 0}, 65_532, 65_532), ({}, None, None)],
)
def test_added_containers_run_as_the_pods_user_unless_that_is_root_or_nobody_says(
    of_pod: dict[str, int], default: int | None, expected: int | None
) -> None:
    found = admitted(pod({"wait-barrier": "a"}, securityContext=of_pod), Defaults(image="i", run_as_user=default)).pod
    assert named(dict(found), "konductor-wait-barrier-a")["securityContext"].get("runAsUser") == expected


def test_the_apps_containers_see_the_grant_but_cannot_write_it_and_waits_alone_give_them_no_volume() -> None:
    found = injected({"acquire-semaphore": "s"}, containers=[container("one"), container("two")])
    for name in ("one", "two"):
        mounts = named(found, name)["volumeMounts"]
        assert mounts == [{"name": "konductor-run", "mountPath": "/var/run/konductor", "readOnly": True}]
    assert found["spec"]["volumes"] == [
        {"name": "konductor-run", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}},
    ]
    assert "volumeMounts" not in named(injected({"wait-barrier": "a"}), "app")
    assert "volumes" not in injected({"arrive-barrier": "a"})["spec"]


def test_a_user_container_changes_in_nothing_but_variables_and_the_mount() -> None:
    own = container(
        command=["sh"], env=[{"name": "A", "value": "1"}], volumeMounts=[{"name": "data", "mountPath": "/data"}]
    )
    found = named(
        injected({"acquire-semaphore": "s"}, containers=[own], volumes=[{"name": "data", "emptyDir": {}}]), "app"
    )
    assert {**found, "env": own["env"], "volumeMounts": own["volumeMounts"]} == own
    assert found["env"][0] == own["env"][0]
    assert found["volumeMounts"][0] == own["volumeMounts"][0]
    assert env(found) == {"A": "1", **ENVIRONMENT}


def test_a_variable_that_a_container_sets_stays_and_its_own_redis_takes_no_part_of_ours() -> None:
    own = container(env=[{"name": "KONDUCTOR_REDIS_URL", "value": "redis://mine"}, {"name": "POD_NAME", "value": "me"}])
    found = env(named(injected({"wait-barrier": "a"}, containers=[own], initContainers=[container("own")]), "app"))
    assert found["KONDUCTOR_REDIS_URL"] == "redis://mine"
    assert found["POD_NAME"] == "me"
    assert "KONDUCTOR_REDIS_CA" not in found
    assert found["POD_UID"] == "metadata.uid"


def test_a_pod_without_annotations_gets_the_variables_in_all_containers_and_nothing_else() -> None:
    sent = pod(initContainers=[container("own")], containers=[container("one"), container("two")])
    injection = admitted(sent)
    for name in ("own", "one", "two"):
        assert env(named(dict(injection.pod), name)) == ENVIRONMENT
    assert injection.warnings == ()
    assert injection.pod["metadata"] == sent["metadata"]
    assert injection.pod["spec"].keys() == sent["spec"].keys()


def test_a_pod_that_opts_out_stays_as_it_is() -> None:
    sent = pod({"inject": "false", "wait-barrier": "a"})
    assert inject(sent, DEFAULTS).pod is sent


def test_the_mirror_of_a_static_pod_stays_as_it_is_because_nothing_in_it_runs() -> None:
    sent = pod({"kubernetes.io/config.mirror": "hash", "wait-barrier": "a"})
    assert inject(sent, DEFAULTS).pod is sent


@pytest.mark.parametrize(
    "labels,annotations,expected",
    [
        ({}, {}, {"KONDUCTOR_ARRIVAL_ID": "metadata.uid"}),
        (JOB, {}, {"KONDUCTOR_ARRIVAL_ID": "metadata.labels['batch.kubernetes.io/controller-uid']"}),
        (
            JOB,
            {INDEX: "3"},
            {
                "KONDUCTOR_JOB_UID": "metadata.labels['batch.kubernetes.io/controller-uid']",
                "KONDUCTOR_JOB_INDEX": f"metadata.annotations['{INDEX}']",
                "KONDUCTOR_ARRIVAL_ID": "$(KONDUCTOR_JOB_UID)/$(KONDUCTOR_JOB_INDEX)",
            },
        ),
    ],
)
def test_the_pods_of_a_job_arrive_as_one_and_those_of_an_indexed_job_as_one_for_each_index(
    labels: dict[str, str], annotations: dict[str, str], expected: dict[str, str]
) -> None:
    sent = pod({"wait-barrier": "a", **annotations})
    sent["metadata"]["labels"] = labels
    for name in ("app", "konductor-wait-barrier-a"):
        found = env(named(dict(admitted(sent).pod), name))
        assert {key: found[key] for key in found if key not in {**CONNECTION, **IDENTITY}} == expected
        assert list(found)[-1] == "KONDUCTOR_ARRIVAL_ID"  # its value refers to those before it


@pytest.mark.parametrize(
    "completions,field",
    [(1, "metadata.labels['batch.kubernetes.io/controller-uid']"), (3, "metadata.uid"), (0, "metadata.uid")],
)
def test_the_pods_of_a_job_of_several_completions_arrive_each_for_itself(completions: int, field: str) -> None:
    sent = pod({"wait-barrier": "a"})
    sent["metadata"]["labels"] = JOB
    assert env(named(dict(inject(sent, DEFAULTS, completions).pod), "app"))["KONDUCTOR_ARRIVAL_ID"] == field


def test_a_pod_whose_name_is_yet_to_be_generated_is_injected_alike() -> None:
    sent = pod({"wait-barrier": "a"})
    del sent["metadata"]["name"]
    sent["metadata"]["generateName"] = "load-"
    assert init_names(dict(admitted(sent).pod)) == ["konductor-wait-barrier-a"]


def test_in_the_hosts_network_the_api_stays_off_loopback() -> None:
    assert named(injected({"api": "true"}, hostNetwork=True), "konductor-keeper")["args"][-1] == "--no-loopback"


def test_a_pod_that_waits_unscheduled_gets_one_scheduling_gate_beside_its_own() -> None:
    found = injected({"wait-barrier": "a,b", "wait-mode": "schedule"}, schedulingGates=[{"name": "quota"}])
    assert found["spec"]["schedulingGates"] == [{"name": "quota"}, {"name": "konductor.io/wait"}]
    assert init_names(found) == []
    assert "volumes" not in found["spec"]


def test_a_signal_on_loss_needs_the_apps_user_which_the_added_containers_take_on() -> None:
    found = injected({"acquire-semaphore": "s", "on-lost": "signal"}, securityContext={"runAsUser": 1000})
    assert found["spec"]["shareProcessNamespace"] is True
    for name in ("konductor-acquire", "konductor-keeper"):
        assert named(found, name)["securityContext"]["runAsUser"] == 1000
    own = [container(securityContext={"runAsUser": 7}), container("two", securityContext={"runAsUser": 7})]
    found = injected({"acquire-semaphore": "s", "on-lost": "signal"}, containers=own, shareProcessNamespace=True)
    assert named(found, "konductor-keeper")["securityContext"]["runAsUser"] == 7


SIGNAL = {"acquire-semaphore": "s", "on-lost": "signal"}
REFUSED: list[tuple[dict[str, str], dict[str, Any], str]] = [
    (SIGNAL, {}, "needs one user other than root for all containers: give the pod a securityContext with runAsUser"),
    (SIGNAL, {"securityContext": {"runAsUser": 0}}, "needs one user other than root"),
    (SIGNAL, {"containers": [container(securityContext={"runAsUser": 7}), container("b")]}, "needs one user other"),
    (SIGNAL, {"securityContext": {"runAsUser": 7}, "hostPID": True}, "leave out spec.hostPID"),
    (SIGNAL, {"securityContext": {"runAsUser": 7}, "shareProcessNamespace": False}, "or use delete-pod"),
    (
        {"arrive-barrier": "a"},
        {"restartPolicy": "Always"},
        "which restartPolicy Always prevents: use OnFailure or Never",
    ),
    ({"wait-barrier": "a", "wait-mode": "schedule"}, {"nodeName": "n"}, "take out spec.nodeName, or use init"),
    ({"api": "true"}, {"os": {"name": "windows"}}, "has no containers of Konductor: leave out the annotations"),
    (
        {"api": "true"},
        {"containers": [container("konductor-keeper")]},
        "has a name that Konductor uses: give it another",
    ),
    (
        {"api": "true"},
        {"initContainers": [container("konductor-keeper")]},
        "'konductor-keeper' has a name that Konductor",
    ),
    (
        {"api": "true"},
        {"volumes": [{"name": "konductor-run", "configMap": {"name": "x"}}]},
        "the volume konductor-run is Konductor's: give the pod's own another name",
    ),
    (
        {"api": "true"},
        {
            "volumes": [{"name": "own", "emptyDir": {}}],
            "containers": [container(volumeMounts=[{"name": "own", "mountPath": "/var/run/konductor/"}])],
        },
        "container 'app' mounts 'own' at /var/run/konductor, which is Konductor's: mount it elsewhere",
    ),
    ({"wait-barier": "a"}, {}, "did you mean konductor.io/wait-barrier?"),
]


@pytest.mark.parametrize("annotations,spec,sentence", REFUSED)
def test_a_pod_that_contradicts_what_it_asks_for_is_refused_with_the_remedy(
    annotations: dict[str, str], spec: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        inject(pod(annotations, **spec), DEFAULTS)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_container_that_only_looks_like_ours_by_its_prefix_is_the_users() -> None:
    found = injected({"wait-barrier": "a"}, initContainers=[container("konductor-migrate")])
    assert init_names(found) == ["konductor-wait-barrier-a", "konductor-migrate"]


def test_long_and_dotted_names_of_objects_make_names_of_containers_that_differ() -> None:
    names = init_names(injected({"wait-barrier": f"a.b,a-b,{'x' * 253},{'x' * 252}"}))
    assert len(set(names)) == 4
    assert names[1] == "konductor-wait-barrier-a-b"


WARNINGS: list[tuple[dict[str, str], dict[str, Any], list[str]]] = [
    (
        {"wait-barrier": "extract-complete", "acquire-semaphore": "load-concurrency"},
        {},
        ["waits for barrier/extract-complete, holds semaphore/load-concurrency"],
    ),
    (
        {"wait-barrier": "a,b", "wait-mode": "schedule", "arrive-barrier": "c"},
        {},
        ["waits unscheduled for barrier/a, barrier/b, arrives at barrier/c on success"],
    ),
    ({"api": "true"}, {}, ["offers the API"]),
    (
        {"wait-waitgroup": "w", "acquire-rwmutex": "r=read,x", "acquire-mutex": "m", "done-waitgroup": "d"},
        {},
        [
            (
                "waits for waitgroup/w, holds mutex/m, rwmutex/r to read, rwmutex/x to write, "
                "is done in waitgroup/d on success"
            ),
        ],
    ),
    (
        {"wait-barrier": "a:10m,b:5m", "acquire-semaphore": "s", "acquire-timeout": "5m"},
        {"activeDeadlineSeconds": 1200},
        ["waits for", "may wait up to 20m, and activeDeadlineSeconds 1200 ends the pod meanwhile"],
    ),
    ({"wait-barrier": "a:10m"}, {"activeDeadlineSeconds": 601}, ["waits for"]),
    ({"wait-barrier": "a"}, {"activeDeadlineSeconds": 5}, ["waits for", "may wait without end"]),
    ({"wait-barrier": "a", "wait-mode": "schedule"}, {"activeDeadlineSeconds": 5}, ["waits unscheduled for"]),
    (
        {"acquire-semaphore": "s=3"},
        {},
        ["holds semaphore/s (3 permits)", "asks for 3 of semaphore/s; the pod fails if"],
    ),
    (
        {"wait-barrier": "a", "init-first": "mesh"},
        {},
        ["waits for", "init-first names mesh, which the pod does not have"],
    ),
    (SIGNAL, {"securityContext": {"runAsUser": 7}}, ["holds", "the pod's processes share one namespace"]),
]


def test_there_is_a_phrase_for_every_kind_at_which_a_pod_arrives() -> None:
    for kind, annotation in ARRIVES.items():
        assert f"{kind.key}/x on success" in admitted(pod({str(annotation): "x"})).warnings[0]


@pytest.mark.parametrize("annotations,spec,beginnings", WARNINGS)
def test_the_warnings_say_what_was_done_and_what_may_turn_out_badly(
    annotations: dict[str, str], spec: dict[str, Any], beginnings: list[str]
) -> None:
    injection = admitted(pod(annotations, **spec))
    assert len(injection.warnings) == len(beginnings)
    for warning, beginning in zip(injection.warnings, beginnings, strict=True):
        assert warning.startswith("konductor: ")
        assert beginning in warning
    done = injection.pod["metadata"]["annotations"]["konductor.io/status"]
    assert injection.warnings[0] == f"konductor: {done}"
