"""Pods as the API server sends them, short to write, and what to look at in the injected ones."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from konductor_core.annotations import PREFIX
from tests.deploy.rendering import against_kubernetes
from webhook.defaults import Defaults
from webhook.inject import Injection, inject

DEFAULTS: Final = Defaults(image="example.org/slim:1")
JOB: Final = {"batch.kubernetes.io/controller-uid": "job-uid", "batch.kubernetes.io/job-name": "load"}
INDEX: Final = "batch.kubernetes.io/job-completion-index"

Pod = dict[str, Any]


def container(name: str = "app", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "example.org/app:1", **more}


def pod(annotations: dict[str, str] | None = None, /, **spec: Any) -> Pod:
    """Return a pod; annotations are written without their prefix, unless they have one."""
    named = {name if "/" in name else PREFIX + name: value for name, value in (annotations or {}).items()}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "load-1", "namespace": "etl", **({"annotations": named} if named else {})},
        "spec": {"restartPolicy": "Never", "containers": [container()], **spec},
    }


def injected(annotations: dict[str, str] | None = None, /, **spec: Any) -> Pod:
    """Return the pod after admission."""
    return admitted(pod(annotations, **spec)).pod  # type: ignore[return-value]  # nobody else has it


def admitted(sent: Pod, defaults: Defaults = DEFAULTS) -> Injection:
    """Inject, and check what must hold of every pod: the API server would take it, and a second time is no change."""
    injection = inject(sent, defaults)
    assert problems(dict(injection.pod)) == []
    assert inject(injection.pod, defaults).pod == injection.pod
    return injection


def problems(found: Pod) -> list[str]:
    """Return what the API server would have against a pod."""
    spec = found["spec"]
    names = [each["name"] for each in (*spec.get("initContainers", ()), *spec["containers"])]
    volumes = {each["name"] for each in spec.get("volumes", ())}
    complaints = [f"two containers are called {name}" for name in names if names.count(name) > 1]
    complaints += [f"a container's name has {len(name)} characters" for name in names if len(name) > 63]
    for each in (*spec.get("initContainers", ()), *spec["containers"]):
        mounts = each.get("volumeMounts", ())
        complaints += [f"{mount['name']} is no volume" for mount in mounts if mount["name"] not in volumes]
        paths = [mount["mountPath"] for mount in mounts]
        complaints += [f"{path} is mounted twice" for path in paths if paths.count(path) > 1]
        variables = [variable["name"] for variable in each.get("env", ())]
        complaints += [f"{name} is set twice" for name in variables if variables.count(name) > 1]
    return [*complaints, *against_kubernetes(found, "1.30"), *against_kubernetes(found, "1.36")]


def init_names(found: Pod) -> list[str]:
    return [each["name"] for each in found["spec"].get("initContainers", ())]


def named(found: Pod, name: str) -> dict[str, Any]:
    spec = found["spec"]
    (one,) = [each for each in (*spec.get("initContainers", ()), *spec["containers"]) if each["name"] == name]
    return dict(one)


def env(found: dict[str, Any]) -> dict[str, Any]:
    """Return a container's variables: the value, or the key or field that it comes from."""
    return {each["name"]: each.get("value") or _source(each["valueFrom"]) for each in found.get("env", ())}


def _source(source: dict[str, Any]) -> str:
    if "fieldRef" in source:
        return str(source["fieldRef"]["fieldPath"])
    reference = source["secretKeyRef"]
    return f"{reference['name']}/{reference['key']}" + ("?" if reference.get("optional") else "")


@cache
def kubernetes_defaults() -> Any:
    """Return what fills in a pod as the API server does between two webhooks."""

    def fill(found: Pod) -> Pod:
        def filled(each: dict[str, Any]) -> dict[str, Any]:
            done = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", **each}
            if "startupProbe" in each:
                done["startupProbe"] = {**each["startupProbe"], "initialDelaySeconds": 0}
            return done

        spec = dict(found["spec"])
        for key in ("initContainers", "containers"):
            if key in spec:
                spec[key] = [filled(each) for each in spec[key]]
        return {**found, "spec": {"dnsPolicy": "ClusterFirst", **spec}}

    return fill
