"""Every name that Konductor gives a meaning to in a cluster: annotations, labels, and what its own parts are called.

The reference of annotations is made from `Annotation`. What their values may be is decided in `coordination`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

from konductor_core.identity import GROUP, Kind

__all__ = [
    "ACQUIRES",
    "ARRIVES",
    "CA_KEY",
    "CONNECTION_SECRET",
    "CONTROLLER",
    "ENABLED_LABEL",
    "GATES_FROM",
    "MIN_REPLICAS_KEY",
    "MIRROR_LABEL",
    "PREFIX",
    "REDIS_SERVICE",
    "RUN_DIRECTORY",
    "SCHEDULING_GATE",
    "SYSTEM_NAMESPACE",
    "URL_KEY",
    "WAITS",
    "WEBHOOK",
    "Annotation",
]

PREFIX: Final = f"{GROUP}/"
"""What every annotation and label of Konductor begins with."""


class Annotation(StrEnum):
    """The annotations of a pod. A member is its full name; `form`, `meaning` and `example` describe its value."""

    form: str
    meaning: str
    example: str

    def __new__(cls, word: str, form: str, meaning: str, example: str) -> Self:
        """Make the member for `konductor.io/<word>`."""
        member = str.__new__(cls, PREFIX + word)
        member._value_ = PREFIX + word
        member.form, member.meaning, member.example = form, meaning, example
        return member

    @property
    def word(self) -> str:
        """The name without its prefix."""
        return self.removeprefix(PREFIX)

    WAIT_BARRIER = (
        "wait-barrier",
        "`name` or `name:timeout`, several with commas",
        "The pod waits until each of these barriers is open, one after the other, before its own containers start.",
        "extract-complete, schema-ready:10m",
    )
    WAIT_GATE = (
        "wait-gate",
        "`name` or `name:timeout`, several with commas",
        "The pod waits until each of these gates is open, one after the other.",
        "ready-to-load:1h",
    )
    WAIT_WAITGROUP = (
        "wait-waitgroup",
        "`name` or `name:timeout`, several with commas",
        "The pod waits until no member of these wait groups is left; also for the first one to be added.",
        "partitions:1h",
    )
    WAIT_ONCE = (
        "wait-once",
        "`name` or `name:timeout`, several with commas",
        "The pod waits until these are done, by whoever does them.",
        "schema-migration:30m",
    )
    WAIT_TIMEOUT = (
        "wait-timeout",
        "a duration",
        (
            "How long each wait that names no timeout of its own may take; without it a wait has no end. "
            "A wait that takes longer fails the pod."
        ),
        "2h",
    )
    WAIT_MODE = (
        "wait-mode",
        "`init` (default) or `schedule`",
        (
            "Where the pod waits: in init containers, or unscheduled, where it holds no resources, behind a scheduling "
            "gate that the controller lifts. There a wait that fails or takes too long is told in an Event of the pod, "
            "which stays as it is: a pod that was never scheduled cannot fail."
        ),
        "schedule",
    )
    ACQUIRE_SEMAPHORE = (
        "acquire-semaphore",
        "`name` or `name=permits`, several with commas",
        (
            "Permits that the pod acquires after its own init containers, holds while it runs, and gives back when it "
            "ends. Several are acquired all or none."
        ),
        "load-concurrency, warehouse=2",
    )
    ACQUIRE_LEASE = (
        "acquire-lease",
        "names, several with commas",
        "Leases that the pod acquires and holds in the same way, together with all else that it acquires.",
        "scheduler-leader",
    )
    ACQUIRE_MUTEX = (
        "acquire-mutex",
        "names, several with commas",
        "Mutexes that the pod locks and holds in the same way, together with all else that it acquires.",
        "schema-migration",
    )
    ACQUIRE_RWMUTEX = (
        "acquire-rwmutex",
        "`name=read` or `name=write`, several with commas; `name` alone is to write",
        "RWMutexes that the pod locks and holds in the same way, together with all else that it acquires.",
        "warehouse=read",
    )
    PERMITS = (
        "permits",
        "a whole number from 1",
        "How many permits of each semaphore that names no number of its own; 1 without it.",
        "2",
    )
    TTL = (
        "ttl",
        "a duration, at least 15s",
        (
            "How long a lease lives unless renewed, so how soon others get the permits of a pod whose node is lost; "
            "without it what the object says. It is renewed three times as often."
        ),
        "30s",
    )
    ACQUIRE_TIMEOUT = (
        "acquire-timeout",
        "a duration",
        (
            "How long the pod waits for what it acquires before it fails; without it as long as it takes. "
            "With 0 it tries once."
        ),
        "10m",
    )
    PRIORITY = (
        "priority",
        "a whole number from -1000 to 1000",
        "The pod's place in the queues of what it acquires: higher goes first; 0 without it.",
        "10",
    )
    ARRIVE_BARRIER = (
        "arrive-barrier",
        "names, several with commas",
        "Barriers at which the pod arrives when it has succeeded.",
        "extract-complete",
    )
    DONE_WAITGROUP = (
        "done-waitgroup",
        "names, several with commas",
        "Wait groups in which the pod is done when it has succeeded, as a member under its own id.",
        "partitions",
    )
    ARRIVE_ON = (
        "arrive-on",
        "`success` (default), `completion` or `start`",
        (
            "When it arrives: after success, after it ended either way, or just before its own containers start. With "
            "`start`, a barrier that it also waits for is arrived at just before that wait."
        ),
        "completion",
    )
    ON_LOST = (
        "on-lost",
        "`continue` (default), `signal` or `delete-pod`",
        (
            "What happens when the pod's lease is lost: nothing but a note; TERM to its processes, which needs "
            "the same explicit `runAsUser` for all its containers; or the controller deletes the pod."
        ),
        "signal",
    )
    API = (
        "api",
        "`true` or `false` (default)",
        (
            "Whether the pod's containers may use Konductor's objects over HTTP, on a unix socket and, unless "
            "the pod is in the host's network, on loopback."
        ),
        "true",
    )
    HOLDER = (
        "holder",
        "text of up to 253 bytes; `$(POD_NAME)`, `$(POD_UID)` and `$(NODE_NAME)` stand for what they say",
        "Under which name the pod holds; the pod's name without it. Pods with the same name share one lease.",
        "nightly-$(NODE_NAME)",
    )
    INIT_FIRST = (
        "init-first",
        "names of init containers, several with commas",
        "Init containers of the pod that run before Konductor's, for example because the network needs them.",
        "istio-init, istio-proxy",
    )
    IMAGE = (
        "image",
        "an image",
        "The image of the containers that Konductor adds.",
        "registry.example/konductor-slim:1.0",
    )
    IMAGE_PULL_POLICY = (
        "image-pull-policy",
        "`Always`, `IfNotPresent` or `Never`",
        "When that image is pulled.",
        "IfNotPresent",
    )
    RESOURCES = (
        "resources",
        "`cpu=`, `memory=` or `ephemeral-storage=`, each with a request or `request:limit`, several with commas",
        "The resources of each container that Konductor adds. A request without a limit is the limit too.",
        "cpu=10m:200m, memory=64Mi",
    )
    INJECT = (
        "inject",
        "`true` (default) or `false`",
        "With `false` Konductor leaves the pod alone, whatever else it says.",
        "false",
    )
    STATUS = (
        "status",
        "written by Konductor",
        "What was added to the pod. It only reports; nothing reads it.",
        "waits for barrier/extract-complete",
    )


WAITS: Final = {
    Kind.BARRIER: Annotation.WAIT_BARRIER,
    Kind.GATE: Annotation.WAIT_GATE,
    Kind.WAITGROUP: Annotation.WAIT_WAITGROUP,
    Kind.ONCE: Annotation.WAIT_ONCE,
}
"""Which annotation waits for objects of a kind."""

ACQUIRES: Final = {
    Kind.SEMAPHORE: Annotation.ACQUIRE_SEMAPHORE,
    Kind.LEASE: Annotation.ACQUIRE_LEASE,
    Kind.MUTEX: Annotation.ACQUIRE_MUTEX,
    Kind.RWMUTEX: Annotation.ACQUIRE_RWMUTEX,
}
"""Which annotation acquires objects of a kind."""

ARRIVES: Final = {Kind.BARRIER: Annotation.ARRIVE_BARRIER, Kind.WAITGROUP: Annotation.DONE_WAITGROUP}
"""Which annotation arrives at objects of a kind, or is done there."""

SCHEDULING_GATE: Final = f"{PREFIX}wait"
"""The scheduling gate of a pod that waits unscheduled."""

ENABLED_LABEL: Final = f"{PREFIX}enabled"
"""On a namespace: `true` gives the connection to every pod in it, `false` keeps Konductor out of it."""

GATES_FROM: Final = f"{PREFIX}gates-from"
"""Annotation of a namespace: which other namespaces' gates may look into it, with commas; without it, all may."""

MIRROR_LABEL: Final = f"{PREFIX}mirror"
"""On a custom resource: `true` where it only shows an object that was made without one."""

CONNECTION_SECRET: Final = "konductor-connection"  # noqa: S105 - its name
"""The Secret in each namespace from which pods know how to reach Redis."""

URL_KEY: Final = "redis-url"
"""Its key for the URL, with the user and password of that namespace."""

CA_KEY: Final = "ca.crt"
"""Its key for the certificate authority of Redis, PEM; absent without TLS or with a public one."""

MIN_REPLICAS_KEY: Final = "min-replicas"
"""Its key for how many replicas must acknowledge a grant; absent for none."""

SYSTEM_NAMESPACE: Final = "konductor-system"
"""Where Konductor itself runs, unless installed elsewhere."""

REDIS_SERVICE: Final = "konductor-redis"
"""The Service of the Redis that comes with Konductor."""

CONTROLLER: Final = "konductor-controller"
"""The controller's Deployment, ServiceAccount and Lease, and its name as a field manager."""

WEBHOOK: Final = "konductor-webhook"
"""The webhook's Deployment, ServiceAccount, Service, Secret and configurations."""

RUN_DIRECTORY: Final = "/var/run/konductor"
"""Where the shared in-memory volume is mounted: the grants, deadlines, and the socket of the API."""
