"""What a pod's own fields say against what it asks for: refusals, and warnings where nobody can know yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from konductor_core.amounts import mode_of
from konductor_core.annotations import ARRIVES, RUN_DIRECTORY, Annotation
from konductor_core.durations import SECOND, to_text
from konductor_core.errors import InvalidInput, quoted
from konductor_core.identity import Kind
from webhook.containers import VOLUME_NAME, reference
from webhook.shapes import mapping, named

if TYPE_CHECKING:
    from konductor_core.coordination import Acquire, Coordination
    from webhook.shapes import Json

__all__ = ["check_pod", "overrun", "summary", "user_of", "warnings_about"]


def check_pod(wanted: Coordination, spec: Json) -> None:
    """Raise `InvalidInput` if the pod's spec contradicts what it asks for."""
    if mapping(spec, "os", "spec.").get("name") == "windows":
        raise InvalidInput("spec.os.name 'windows' has no containers of Konductor: leave out the annotations")
    if wanted.arrives and wanted.arrive_on == "success" and spec.get("restartPolicy", "Always") == "Always":
        annotation = ARRIVES[wanted.arrives[0].kind]
        raise InvalidInput(
            f"annotation {annotation} {quoted(wanted.arrives[0].name)} counts when the pod succeeds, which "
            f"restartPolicy Always prevents: use OnFailure or Never, or {Annotation.ARRIVE_ON}: start"
        )
    if wanted.waits and wanted.wait_mode == "schedule" and spec.get("nodeName"):
        raise InvalidInput(
            f"annotation {Annotation.WAIT_MODE} 'schedule' cannot hold back a pod that names its node: "
            "take out spec.nodeName, or use init"
        )
    _check_volume(spec)


def _check_volume(spec: Json) -> None:
    for volume in named(spec, "volumes", "spec."):
        if volume["name"] == VOLUME_NAME and "emptyDir" not in volume:
            raise InvalidInput(f"the volume {VOLUME_NAME} is Konductor's: give the pod's own another name")
    for key in ("initContainers", "containers"):
        for container in named(spec, key, "spec."):
            for mount in named(container, "volumeMounts", f"spec.{key}.", by="mountPath"):
                if mount["mountPath"].rstrip("/") == RUN_DIRECTORY and mount.get("name") != VOLUME_NAME:
                    raise InvalidInput(
                        f"container {quoted(container['name'])} mounts {quoted(mount.get('name'))} at {RUN_DIRECTORY}, "
                        "which is Konductor's: mount it elsewhere"
                    )


def user_of(wanted: Coordination, spec: Json, default: int | None) -> int | None:
    """Return the user that added containers run as: the app's if they are to signal it, else the pod's or `default`.

    None leaves it to the pod's securityContext. Raises `InvalidInput` if the app's processes could not be signalled.
    """
    of_pod = mapping(spec, "securityContext", "spec.").get("runAsUser")
    if wanted.on_lost != "signal":
        return None if of_pod else default
    if spec.get("hostPID") or spec.get("shareProcessNamespace") is False:
        raise InvalidInput(
            f"annotation {Annotation.ON_LOST} 'signal' needs the pod's processes in a namespace of their own that they "
            "share: leave out spec.hostPID and spec.shareProcessNamespace, or use delete-pod"
        )
    users = [
        mapping(container, "securityContext", "spec.containers.").get("runAsUser", of_pod)
        for container in named(spec, "containers", "spec.")
    ]
    user = users[0] if users and users.count(users[0]) == len(users) else None
    if not isinstance(user, int) or isinstance(user, bool) or user <= 0:
        raise InvalidInput(
            f"annotation {Annotation.ON_LOST} 'signal' needs one user other than root for all containers: "
            "give the pod a securityContext with runAsUser, or use delete-pod"
        )
    return user


_ARRIVING: Final = {Kind.BARRIER: "arrives at", Kind.WAITGROUP: "is done in"}


def summary(wanted: Coordination) -> str:
    """Return what Konductor does for the pod, as one phrase."""
    parts = []
    if wanted.waits:
        unscheduled = " unscheduled" if wanted.wait_mode == "schedule" else ""
        parts.append(f"waits{unscheduled} for {', '.join(reference(each) for each in wanted.waits)}")
    if wanted.acquires:
        parts.append(f"holds {', '.join(_held(each) for each in wanted.acquires)}")
    for kind, verb in _ARRIVING.items():
        if there := [reference(each) for each in wanted.arrives if each.kind is kind]:
            parts.append(f"{verb} {', '.join(there)} on {wanted.arrive_on}")
    if wanted.api:
        parts.append("offers the API")
    return ", ".join(parts)


def _held(each: Acquire) -> str:
    """Return what is held of an object, as people read it."""
    if each.kind is Kind.RWMUTEX:
        return f"{reference(each)} to {mode_of(each.permits)}"
    return reference(each) + (f" ({each.permits} permits)" if each.permits > 1 else "")


def warnings_about(wanted: Coordination, spec: Json) -> list[str]:
    """Return a sentence for each thing that may turn out badly, though nothing is wrong yet."""
    found = []
    if overran := overrun(wanted, spec.get("activeDeadlineSeconds"), ends="the pod"):
        found.append(overran)
    many = [each for each in wanted.acquires if each.kind is Kind.SEMAPHORE and each.permits > 1]
    if many:
        asked = ", ".join(f"{each.permits} of {reference(each)}" for each in many)
        found.append(f"asks for {asked}; the pod fails if a limit is lower, which shows when it acquires")
    names = {container["name"] for container in named(spec, "initContainers", "spec.")}
    if missing := [name for name in wanted.init_first if name not in names]:
        found.append(f"{Annotation.INIT_FIRST} names {', '.join(missing)}, which the pod does not have")
    if wanted.on_lost == "signal" and not spec.get("shareProcessNamespace"):
        found.append("the pod's processes share one namespace, so that they can be signalled")
    return found


def overrun(wanted: Coordination, deadline_s: object, *, ends: str) -> str | None:
    """Return what to say if activeDeadlineSeconds, which `ends` the pod or the Job, may pass while the pod waits."""
    if not isinstance(deadline_s, int):
        return None
    unscheduled = wanted.wait_mode == "schedule" and ends == "the pod"  # its deadline counts from when it is scheduled
    patience = [] if unscheduled else [wait.timeout_ms for wait in wanted.waits]
    if wanted.acquires:
        patience.append(wanted.acquire_timeout_ms)
    known = [ms for ms in patience if ms is not None]
    if len(known) == len(patience) and sum(known) < deadline_s * SECOND:
        return None
    longest = f"up to {to_text(sum(known))}" if len(known) == len(patience) else "without end"
    return f"may wait {longest}, and activeDeadlineSeconds {deadline_s} ends {ends} meanwhile"
