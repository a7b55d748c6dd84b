"""A pod that was injected before: other webhooks and the API server have been at it since."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.webhook.pods import (
    DEFAULTS,
    Pod,
    admitted,
    container,
    env,
    init_names,
    injected,
    kubernetes_defaults,
    named,
    pod,
)
from webhook.inject import inject

ALL = {
    "wait-barrier": "a,b:1m",
    "acquire-semaphore": "s",
    "arrive-barrier": "c",
    "arrive-on": "start",
    "api": "true",
    "holder": "me-$(POD_NAME)",
    "init-first": "mesh",
}
OURS = [
    "konductor-wait-barrier-a",
    "konductor-wait-barrier-b",
    "konductor-acquire",
    "konductor-keeper",
    "konductor-arrive-barrier-c",
]


def again(found: Pod) -> Pod:
    return dict(inject(found, DEFAULTS).pod)


def changed(found: Pod, name: str, **fields: Any) -> Pod:
    """Return the pod with other fields in one of its init containers; None takes a field away."""
    found = copy.deepcopy(found)
    for each in found["spec"]["initContainers"]:
        if each["name"] == name:
            each.update(fields)
            for key in [key for key, value in each.items() if value is None]:
                del each[key]
    return found


def test_the_input_is_left_as_it_was() -> None:
    sent = pod(ALL, initContainers=[container("own")])
    before = copy.deepcopy(sent)
    inject(sent, DEFAULTS)
    assert sent == before


def test_what_the_api_server_fills_in_is_no_reason_to_change_anything() -> None:
    filled = kubernetes_defaults()(injected(ALL, initContainers=[container("own")]))
    assert again(filled) == filled


def test_what_another_webhook_adds_to_all_containers_stays_in_ours() -> None:
    found = injected(ALL)
    extra = [{"name": "AWS_ROLE_ARN", "value": "x"}]
    mount = {"name": "token", "mountPath": "/var/run/secrets/token"}
    for each in found["spec"]["initContainers"]:
        each["env"] = [*extra, *each["env"]]
        each["volumeMounts"] = [*each["volumeMounts"], mount]
        each["image"] = "mirror.example/" + each["image"]
    found["spec"]["volumes"].append({"name": "token", "emptyDir": {}})
    assert again(found) == found


def test_a_container_that_another_webhook_puts_first_moves_to_its_place() -> None:
    found = injected(ALL, initContainers=[container("own")])
    found["spec"]["initContainers"] = [container("late"), *found["spec"]["initContainers"], container("mesh")]
    assert init_names(again(found)) == ["mesh", *OURS[:2], "late", "own", *OURS[2:]]


def test_containers_that_were_shuffled_or_taken_away_are_put_right() -> None:
    found = injected(ALL, initContainers=[container("own")])
    whole = copy.deepcopy(found)
    found["spec"]["initContainers"] = found["spec"]["initContainers"][::-2]
    found["spec"]["volumes"] = []
    assert init_names(again(found)) == [name for name in init_names(whole) if name in {*OURS, *init_names(found)}]
    assert again(found)["spec"]["volumes"] == whole["spec"]["volumes"]


@pytest.mark.parametrize(
    "fields",
    [
        {"args": ["keep"]},
        {"command": ["/vault/vault-env"], "args": ["konductor-sidecar", "keep"]},
        {"env": []},
        {"env": None},
        {"startupProbe": None},
        {"restartPolicy": None},
        {"volumeMounts": [{"name": "konductor-run", "mountPath": "/elsewhere"}]},
    ],
)
def test_what_our_containers_cannot_do_without_comes_back(fields: dict[str, Any]) -> None:
    whole = injected(ALL)
    keeper = named(again(changed(whole, "konductor-keeper", **fields)), "konductor-keeper")
    for key in ("command", "args", "restartPolicy", "startupProbe"):
        assert keeper[key] == named(whole, "konductor-keeper")[key]
    assert env(keeper) == env(named(whole, "konductor-keeper"))
    assert {"name": "konductor-run", "mountPath": "/var/run/konductor"} in keeper["volumeMounts"]


def test_a_new_container_of_another_webhook_gets_the_variables_too() -> None:
    found = injected(ALL)
    found["spec"]["containers"].append(container("late"))
    late = named(again(found), "late")
    assert env(late) == env(named(found, "app"))
    assert late["volumeMounts"][0]["readOnly"] is True


def test_a_copied_pod_that_asks_for_something_else_loses_what_it_no_longer_asks_for() -> None:
    copied = injected({"wait-barrier": "a", "acquire-semaphore": "s"})
    copied["metadata"]["annotations"] = {"konductor.io/wait-barrier": "z"}
    assert init_names(again(copied)) == ["konductor-wait-barrier-z"]


def test_a_volume_on_disk_becomes_one_in_memory() -> None:
    found = injected(ALL, volumes=[{"name": "konductor-run", "emptyDir": {}}])
    assert found["spec"]["volumes"] == [
        {"name": "konductor-run", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}},
    ]


def test_the_status_annotation_only_reports() -> None:
    sent = pod({**ALL, "status": "waits for nothing"})
    assert admitted(sent).pod == admitted(pod(ALL)).pod
