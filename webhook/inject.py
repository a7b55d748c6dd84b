"""A pod as it was sent, and as it is to run: pure, the same for the API server and for a local run.

A pod that asks for something by annotation gets

- its waits as init containers, or as a scheduling gate;
- after its own init containers: the acquire, the keeper as a native sidecar, the arrivals on start;
- in all its containers: how to reach Redis and who it is, and in those that may use it, the shared volume.

Any other pod gets the variables only; the webhook's configuration decides which pods come here at all. A pod of a Job
is known by the labels and annotations that the Job controller gives it. Injecting twice is the same as once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from konductor_core.annotations import SCHEDULING_GATE, Annotation
from konductor_core.coordination import Coordination
from webhook.checks import check_pod, summary, user_of, warnings_about
from webhook.containers import Builder
from webhook.environment import environment, with_missing
from webhook.placement import place, with_mount, with_volume
from webhook.shapes import items, mapping, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from webhook.defaults import Defaults
    from webhook.shapes import Json

__all__ = ["Injection", "inject"]


_MIRROR: Final = "kubernetes.io/config.mirror"
"""Marks what only shows a pod that a kubelet runs from a file: nothing that is added to it would run."""


@dataclass(frozen=True, slots=True)
class Injection:
    """The pod to run, what it asked for, and what its author should know; the first warning says what was done."""

    pod: Json
    wanted: Coordination
    warnings: tuple[str, ...] = ()


def inject(pod: Json, defaults: Defaults, completions: int | None = None) -> Injection:
    """Return the pod as it is to run; it shares what did not change with `pod`, which is left as it was.

    `completions` are those of the Job without indexes that makes the pod, as far as known; 0 is a work queue.

    Raises `InvalidInput`, with one sentence, for annotations that are unknown or malformed, and for a pod that
    contradicts them.
    """
    metadata, spec = mapping(pod, "metadata"), mapping(pod, "spec")
    annotations = mapping(metadata, "annotations", "metadata.")
    wanted = Coordination.from_annotations(annotations)
    if not wanted.inject or _MIRROR in annotations:
        return Injection(pod, wanted)
    variables = environment(metadata, wanted.holder, completions)
    if not wanted.asks:
        return Injection({**pod, "spec": _with_variables(spec, variables)}, wanted)
    check_pod(wanted, spec)
    builder = Builder(
        wanted=wanted,
        defaults=defaults,
        environment=[variable for group in variables for variable in group],
        user=user_of(wanted, spec, defaults.run_as_user),
        host_network=bool(spec.get("hostNetwork")),
    )
    done = summary(wanted)
    warned = tuple(f"konductor: {each}" for each in (done, *warnings_about(wanted, spec)))
    annotated = {**annotations, str(Annotation.STATUS): done}
    injected = _with_containers(_with_variables(spec, variables), builder)
    return Injection({**pod, "metadata": {**metadata, "annotations": annotated}, "spec": injected}, wanted, warned)


def _with_variables(spec: Json, variables: Sequence[tuple[dict[str, Any], ...]]) -> Json:
    changed = {}
    for key in ("initContainers", "containers"):
        containers = named(spec, key, "spec.")
        if containers:
            changed[key] = [with_missing(each, variables, f"spec.{key}.") for each in containers]
    return {**spec, **changed}


def _with_containers(spec: Json, builder: Builder) -> Json:
    wanted = builder.wanted
    before, after = _added(builder)
    changed: dict[str, Any] = {}
    containers = place(spec, before, after, wanted.init_first)
    if containers or "initContainers" in spec:
        changed["initContainers"] = containers
    if before or after:
        changed["volumes"] = with_volume(named(spec, "volumes", "spec."))
    if wanted.keeper:
        changed["containers"] = [with_mount(each) for each in named(spec, "containers", "spec.")]
    if wanted.waits and wanted.wait_mode == "schedule":
        gates = items(spec, "schedulingGates", "spec.")
        if not any(gate.get("name") == SCHEDULING_GATE for gate in gates):
            changed["schedulingGates"] = [*gates, {"name": SCHEDULING_GATE}]
    if wanted.on_lost == "signal":
        changed["shareProcessNamespace"] = True
    return {**spec, **changed}


def _added(builder: Builder) -> tuple[list[Json], list[Json]]:
    """Return the containers that go before the pod's own init containers, and those that go after them.

    An arrival on start comes last, when all that was waited for is there; only at a barrier that the pod also waits
    for, it comes just before that wait.
    """
    wanted = builder.wanted
    before: list[Json] = []
    starting = {(each.kind, each.name): each for each in wanted.arrives if wanted.arrive_on == "start"}
    for wait in wanted.waits if wanted.wait_mode == "init" else ():
        if arrive := starting.pop((wait.kind, wait.name), None):
            before.append(builder.arrive(arrive))
        before.append(builder.wait(wait))
    after: list[Json] = [builder.acquire()] if wanted.acquires else []
    after += [builder.keeper()] if wanted.keeper else []
    after += [builder.arrive(arrive) for arrive in starting.values()]
    return before, after
