"""A real cluster as these tests use it: kubectl, a namespace for each test, and pods that run koncli."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.deploy.rendering import ROOT, program
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["IMAGE", "SYSTEM", "Namespace", "environment", "kubectl", "lose_everything", "pod"]

Document = dict[str, Any]

SYSTEM: Final = "konductor-system"
VERSION: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
IMAGE: Final = os.environ.get("KONDUCTOR_E2E_IMAGE", f"konductor/konductor-slim:{VERSION}")
"""The slim image, where the cluster's nodes find it."""
PATIENCE: Final = 60.0


def kubectl(*arguments: str, given: str = "", check: bool = True) -> str:
    """Run kubectl with `given` on its input; return what it prints, complaints included, or fail if it fails."""
    command = [program("kubectl"), *arguments]
    done = subprocess.run(
        command, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0 or not check, f"$ kubectl {' '.join(arguments)}\n{done.stdout}"
    return done.stdout


class Namespace:
    """kubectl in one namespace."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: str, given: str = "", check: bool = True) -> str:
        """Run kubectl in this namespace."""
        return kubectl("--namespace", self.name, *arguments, given=given, check=check)

    def apply(self, *documents: Document) -> str:
        """Apply manifests."""
        return self("apply", "-f", "-", given=yaml.safe_dump_all(documents))

    def refused(self, document: Document) -> str:
        """Return why the API server does not take a manifest; fail if it does."""
        said = self("apply", "-f", "-", given=yaml.safe_dump(document), check=False)
        assert "invalid" in said or "error" in said.lower(), f"it was taken: {said}"
        return said

    def get(self, what: str) -> Document:
        """Return an object, such as `barrier/x`."""
        found: Document = json.loads(self("get", what, "-o", "json"))
        return found

    def there(self, what: str) -> bool:
        """Tell whether an object exists."""
        return self("get", what, "--ignore-not-found", "-o", "name") != ""

    def rows(self, *arguments: str) -> list[list[str]]:
        """Return the table that `kubectl get` prints, without its ages."""
        lines = self("get", *arguments).splitlines()
        return [line.split()[:-1] if number else line.split() for number, line in enumerate(lines)]

    def until_status(self, what: str, wanted: Mapping[str, Any]) -> Document:
        """Wait until an object's status has these values, and return it."""
        until(
            lambda: wanted.items() <= self.get(what).get("status", {}).items(),
            f"{what} has {wanted}",
            timeout=PATIENCE,
            interval=0.2,
        )
        return self.get(what)

    def run(self, name: str, script: str, **more: Any) -> str:
        """Run a script in a pod of its own to its end; return what it printed, or fail if it fails."""
        self.apply(pod(name, script, **more))
        until(
            lambda: self._phase(name) in {"Succeeded", "Failed"},
            f"pod {name} has ended",
            timeout=PATIENCE,
            interval=0.2,
        )
        printed = self("logs", name)
        assert self._phase(name) == "Succeeded", printed
        return printed

    def _phase(self, name: str) -> str:
        return self("get", f"pod/{name}", "-o", "jsonpath={.status.phase}")


def environment() -> list[Document]:
    """Return the variables that koncli needs in a pod, as one writes them by hand."""
    fields = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace", "POD_UID": "metadata.uid"}
    secret = {"name": "konductor-connection"}
    return [
        {"name": "KONDUCTOR_REDIS_URL", "valueFrom": {"secretKeyRef": {**secret, "key": "redis-url"}}},
        {"name": "KONDUCTOR_REDIS_CA", "valueFrom": {"secretKeyRef": {**secret, "key": "ca.crt", "optional": True}}},
        *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()),
    ]


def pod(name: str, script: str, *, env: list[Document] | None = None, image: str = IMAGE) -> Document:
    """Return a pod that runs a script with koncli on its path, and keeps to the restricted standard."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "main",
        "image": image,
        "command": ["sh", "-ec", script],
        "env": environment() if env is None else env,
        "securityContext": security,
    }
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def lose_everything() -> None:
    """Have Redis lose all that it has."""
    flush = "import os, redis; redis.Redis('konductor-redis', password=os.environ['PASSWORD']).flushall()"
    password = {"secretKeyRef": {"name": "konductor-redis", "key": "password"}}
    system, name = Namespace(SYSTEM), f"flush-{secrets.token_hex(3)}"
    system.run(name, f'python -c "{flush}"', env=[{"name": "PASSWORD", "valueFrom": password}])
    system("delete", f"pod/{name}", "--wait=false")
