"""A Deployment's spec, parsed, and what follows from its numbers: pure, no processes, no clock."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from koncli.local.crew import ALPHABET
from koncli.local.podspec import PodSpec, read_pod

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koncli.local.fields import Fields

TEMPLATE_HASH = "pod-template-hash"
"""The label that a Deployment gives to its pods."""

SHORTEST_READY_MS = 1_000
"""What a pod must have been ready for at least, so that a program that fails at once is not taken for one that runs."""

_SILENT = ("revisionHistoryLimit",)
_DEFAULT_UNAVAILABLE = "25%"


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """One Deployment. It is available with `needed` pods available, which are those ready for `min_ready_ms`.

    `deadline_ms`: from its start until it must be available, None without a limit.
    """

    name: str
    pod: PodSpec
    replicas: int
    needed: int
    min_ready_ms: int
    deadline_ms: int | None
    template_hash: str


def template_hash(template: Mapping[str, Any]) -> str:
    """Return ten characters that stand for a pod template, of the kind that Kubernetes puts into the pods' names."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True, default=str).encode()).digest()
    return "".join(ALPHABET[each % len(ALPHABET)] for each in digest[:10])


def read_deployment(document: Fields, template: Fields, name: str, hashed: str) -> DeploymentSpec:
    """Parse a Deployment document; `template` is its pod template, prepared already, `hashed` its hash."""
    spec = document.child("spec")
    spec.ignore("template", *_SILENT, note=False)
    replicas = spec.whole("replicas")
    replicas = 1 if replicas is None else replicas
    min_ready_s, deadline_s = spec.whole("minReadySeconds"), spec.whole("progressDeadlineSeconds", minimum=1)
    spec.unsupported({"paused": "a paused Deployment starts nothing new"})
    pod = read_pod(template, ("Always",))
    if pod.deadline_ms is not None:
        template.child("spec").refuse("activeDeadlineSeconds", "the API server refuses it in a Deployment")
    _check_selector(spec, pod)
    needed = replicas - _max_unavailable(spec, replicas)
    spec.done()
    return DeploymentSpec(
        name=name,
        pod=pod,
        replicas=replicas,
        needed=needed,
        min_ready_ms=max(1000 * (min_ready_s or 0), SHORTEST_READY_MS),
        deadline_ms=None if deadline_s is None else deadline_s * 1000,
        template_hash=hashed,
    )


def _check_selector(spec: Fields, pod: PodSpec) -> None:
    selector = spec.child("selector")
    wanted = selector.pairs("matchLabels")
    selector.ignore("matchExpressions", note=False)
    if not wanted and "matchExpressions" not in selector:
        spec.refuse("selector", "is missing: the API server refuses a Deployment without one")
    for label, value in wanted.items():
        if pod.labels.get(label) != value:
            spec.refuse("selector", f"the pod template has no label {label}: {value}")
    selector.done()


def _max_unavailable(spec: Fields, replicas: int) -> int:
    """Return how many pods an available Deployment may lack: a quarter, rounded down, unless it says otherwise."""
    strategy = spec.child("strategy")
    kind = strategy.one_of("type", ("RollingUpdate", "Recreate"))
    rolling = strategy.child("rollingUpdate")
    rolling.ignore("maxSurge", note=False)
    given = rolling.whole_or_text("maxUnavailable")
    rolling.done()
    strategy.done()
    if kind == "Recreate":
        return 0
    given = _DEFAULT_UNAVAILABLE if given is None else given
    if isinstance(given, int):
        return min(given, replicas)
    number, percent = given[:-1], given[-1:]
    if percent != "%" or not (number.isascii() and number.isdigit()):
        rolling.refuse("maxUnavailable", f"{given!r} is neither a whole number nor a percentage such as 25%")
        return 0
    return min(replicas * int(number) // 100, replicas)
