"""The containers that Konductor adds to a pod, from what the pod asks for.

All run `konductor-sidecar` as one user, under the `restricted` pod security standard, and share a volume in memory:
deadlines that survive a restart, the grants, the socket of the API.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from konductor_core.amounts import named
from konductor_core.annotations import RUN_DIRECTORY
from konductor_core.durations import to_text
from konductor_core.identity import LABEL_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from konductor_core.coordination import Acquire, Arrive, Coordination, Wait
    from webhook.defaults import Defaults

__all__ = ["PREFIX", "PROGRAM", "VOLUME", "VOLUME_NAME", "Builder", "container_name", "reference"]

PROGRAM: Final = "konductor-sidecar"
PREFIX: Final = "konductor-"
"""What the name of every added container begins with."""

VOLUME_NAME: Final = "konductor-run"
VOLUME: Final = {"name": VOLUME_NAME, "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}}

_PROBE: Final = {
    "exec": {"command": [PROGRAM, "ready"]},
    "periodSeconds": 1,
    "timeoutSeconds": 5,
    "successThreshold": 1,
    "failureThreshold": 60,
}


def reference(each: Wait | Acquire | Arrive) -> str:
    """Return an object as commands and messages name it: `barrier/extract-complete`."""
    return f"{each.kind.key}/{each.name}"


def container_name(verb: str, each: Wait | Arrive) -> str:
    """Return the name of the container that does `verb` with the object: a label, though the object's may be longer."""
    plain = f"{PREFIX}{verb}-{each.kind.key}-{each.name}"
    name = plain.replace(".", "-")
    if name == plain and len(name) <= LABEL_MAX:
        return name
    digest = hashlib.sha256(each.name.encode()).hexdigest()[:8]
    return f"{name[: LABEL_MAX - len(digest) - 1].rstrip('-')}-{digest}"


@dataclass(frozen=True, slots=True)
class Builder:
    """Makes the containers of one pod. `environment` is theirs; `user` is None where the image or pod decides."""

    wanted: Coordination
    defaults: Defaults
    environment: Sequence[dict[str, Any]]
    user: int | None
    host_network: bool

    def wait(self, wait: Wait) -> dict[str, Any]:
        """Return the container that waits for one object."""
        timeout = () if wait.timeout_ms is None else ("--timeout", to_text(wait.timeout_ms))
        return self._container(container_name("wait", wait), "wait", reference(wait), *timeout)

    def arrive(self, arrive: Arrive) -> dict[str, Any]:
        """Return the container that arrives at one object as the pod starts."""
        return self._container(container_name("arrive", arrive), "arrive", reference(arrive))

    def acquire(self) -> dict[str, Any]:
        """Return the container that acquires all permits, and leaves the grant in the volume."""
        wanted = self.wanted
        args = [named(each.kind, each.name, each.permits) for each in wanted.acquires]
        if wanted.ttl_ms is not None:
            args += ["--ttl", to_text(wanted.ttl_ms)]
        if wanted.acquire_timeout_ms is not None:
            args += ["--timeout", to_text(wanted.acquire_timeout_ms)]
        if wanted.priority:
            args += ["--priority", str(wanted.priority)]
        return self._container(f"{PREFIX}acquire", "acquire", *args)

    def keeper(self) -> dict[str, Any]:
        """Return the native sidecar that keeps the grant, and offers the API if asked to."""
        args = ["--on-lost", self.wanted.on_lost]
        if self.wanted.api:
            args += ["--api"]
            if self.host_network:  # its loopback is the node's, which is everybody's
                args += ["--no-loopback"]
        container = self._container(f"{PREFIX}keeper", "keep", *args)
        return {**container, "restartPolicy": "Always", "startupProbe": _PROBE}

    def _container(self, name: str, *args: str) -> dict[str, Any]:
        wanted, defaults = self.wanted, self.defaults
        amounts = {each.resource: each for each in (*defaults.resources, *wanted.resources)}
        return {
            "name": name,
            "image": wanted.image or defaults.image,
            "imagePullPolicy": wanted.image_pull_policy or defaults.image_pull_policy,
            "command": [PROGRAM],
            "args": list(args),
            "env": list(self.environment),
            "resources": {
                "requests": {each.resource: each.request for each in amounts.values()},
                "limits": {each.resource: each.limit for each in amounts.values()},
            },
            "securityContext": self._security(),
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [{"name": VOLUME_NAME, "mountPath": RUN_DIRECTORY}],
        }

    def _security(self) -> dict[str, Any]:
        context: dict[str, Any] = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        return context if self.user is None else {**context, "runAsUser": self.user}
