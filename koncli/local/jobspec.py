"""A Job's spec, parsed, and the bookkeeping of its pods as the Job controller does it: pure, no processes, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from koncli.local.podspec import PodSpec, read_pod

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from koncli.local.fields import Fields

_UNSUPPORTED = {
    "backoffLimitPerIndex": "failures are counted for the whole Job here",
    "maxFailedIndexes": "failures are counted for the whole Job here",
    "podFailurePolicy": "every failed pod counts here",
    "successPolicy": "a Job is complete here when all its completions are",
    "managedBy": "another controller would run this Job",
    "suspend": "a suspended Job never starts",
}
_SILENT = ("ttlSecondsAfterFinished", "manualSelector", "selector", "podReplacementPolicy")

COMPLETE = "Complete"
FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One Job. `completions` None is a work queue: a success ends it once no pod is left. Deadline: from its start."""

    name: str
    uid: str
    pod: PodSpec
    completions: int | None
    parallelism: int
    backoff_limit: int
    deadline_ms: int | None
    indexed: bool
    labels: Mapping[str, str]


def read_job(document: Fields, template: Fields, name: str, uid: str) -> JobSpec:
    """Parse a Job document; `template` is its pod template, prepared already."""
    metadata = document.child("metadata")
    spec = document.child("spec")
    spec.ignore("template", note=False)
    parallelism = spec.whole("parallelism")
    completions = spec.whole("completions")
    backoff_limit = spec.whole("backoffLimit")
    deadline_s = spec.whole("activeDeadlineSeconds", minimum=1)
    indexed = spec.one_of("completionMode", ("NonIndexed", "Indexed")) == "Indexed"
    if parallelism == 0:
        spec.refuse("parallelism", "0 pauses a Job: it would never start")
    if indexed and completions is None:
        spec.refuse("completions", "an Indexed Job needs it")
    if completions is None and parallelism is None:
        completions = 1
    spec.unsupported(_UNSUPPORTED)
    spec.ignore(*_SILENT, note=False)
    spec.done()
    return JobSpec(
        name=name,
        uid=uid,
        # "" marks that there is no default: the API server refuses a Job without restartPolicy.
        pod=read_pod(template, ("", "Never", "OnFailure")),
        completions=completions,
        parallelism=1 if parallelism is None else parallelism,
        backoff_limit=6 if backoff_limit is None else backoff_limit,
        deadline_ms=None if deadline_s is None else deadline_s * 1000,
        indexed=indexed,
        labels=metadata.pairs("labels"),
    )


@dataclass(slots=True)
class Ledger:
    """What has become of a Job's pods so far. An index is a completion index, or None for Jobs that are not Indexed."""

    spec: JobSpec
    succeeded: int = 0
    failed: int = 0
    done_indexes: set[int] = field(default_factory=set)

    def record(self, *, success: bool, index: int | None = None) -> None:
        """Note that a pod has ended."""
        if not success:
            self.failed += 1
        elif index is None or index not in self.done_indexes:
            self.succeeded += 1
            if index is not None:
                self.done_indexes.add(index)

    def wanted(self, active: Collection[int | None]) -> list[int | None]:
        """Indexes of the pods to start now, given those of the running ones."""
        room = self.spec.parallelism - len(active)
        if self.spec.completions is None:
            return [None] * room if not self.succeeded else []
        left = self.spec.completions - self.succeeded - len(active)
        room = max(0, min(room, left))
        if not self.spec.indexed:
            return [None] * room
        free = [
            index for index in range(self.spec.completions) if index not in self.done_indexes and index not in active
        ]
        return list(free[:room])

    def verdict(self, active: int, restarts: int = 0) -> tuple[str, str] | None:
        """(`Complete` or `Failed`, reason) once decided. `restarts`: of containers in the `active` running pods."""
        limit = self.spec.backoff_limit
        if self.failed > limit or (self._restarts_count and restarts and restarts >= limit):
            return FAILED, "BackoffLimitExceeded"
        if self.spec.completions is None:
            return (COMPLETE, "") if self.succeeded and not active else None
        return (COMPLETE, "") if self.succeeded >= self.spec.completions else None

    @property
    def _restarts_count(self) -> bool:
        return self.spec.pod.restart_policy == "OnFailure"
