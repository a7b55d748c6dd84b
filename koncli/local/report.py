"""How a run ended: the failure with its last words, the exit code, and the document for `-o json`."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from koncli.local.timeline import seconds
from konductor_core.durations import to_text
from konductor_core.errors import WaitTimeout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from koncli.local.deployment import Deployment
    from koncli.local.job import Job
    from koncli.local.pod import Pod
    from koncli.local.state import ContainerRun
    from koncli.local.workload import Failure, Workload
    from konductor_core.models import Status


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its exit code, one line that says it, and what is worth showing after the timeline."""

    code: int
    text: str
    details: tuple[str, ...] = ()


UNREAD = Outcome(1, "nobody reads the output any more")


def completed(workload: Workload, took: float) -> Outcome:
    """Say that everything ended well."""
    parts = [_count(len(workload.jobs), "job")] if workload.jobs else []
    if workload.deployments:
        parts.append(_count(len(workload.deployments), "deployment"))
    parts.append(_count(len(workload.pods), "pod"))
    return Outcome(0, f"complete: {', '.join(parts)} in {seconds(took)}")


def failed(failure: Failure) -> Outcome:
    """Say what failed (`FAILED job/x: BackoffLimitExceeded: pod x-2k4lm, container c: exit code 3`) and how."""
    text = f"FAILED {failure.what}: {failure.reason}"
    run = failure.pod.failure() if failure.pod is not None else None
    if failure.pod is None or run is None:
        return Outcome(1, text)
    where = f"pod {failure.pod.name}, container {run.container.name}"
    last = (f"the last lines of {where}:", *(f"    {line}" for line in run.tail)) if run.tail else ()
    return Outcome(1, f"{text}: {where}: {run.exit}", last)


def timed_out(timeout_ms: int, unfinished: list[str]) -> Outcome:
    """Say that `--timeout` passed."""
    return Outcome(
        WaitTimeout.exit_code, f"timed out after {to_text(timeout_ms)} with {', '.join(unfinished)} unfinished"
    )


def interrupted(number: int) -> Outcome:
    """Say that a signal ended the run."""
    return Outcome(128 + number, f"interrupted by {signal.Signals(number).name}")


def document(outcome: Outcome, workload: Workload | None, statuses: Iterable[Status], took: float) -> dict[str, object]:
    """Return the run for `-o json`: how it ended, what ran with its pods, and the objects as `status` prints them."""
    jobs, deployments, bare = (
        (workload.jobs, workload.deployments, workload.bare) if workload is not None else ([], [], [])
    )
    return {
        "outcome": outcome.text,
        "exitCode": outcome.code,
        "seconds": round(took, 3),
        "jobs": [_job(job) for job in jobs],
        "deployments": [_deployment(each) for each in deployments],
        "pods": [_pod(pod) for pod in bare],
        "objects": [status.to_dict() for status in statuses],
    }


def _job(job: Job) -> dict[str, object]:
    return {
        "name": job.name,
        "phase": job.phase,
        **({"reason": job.reason} if job.reason else {}),
        "pods": [_pod(pod) for pod in job.pods],
    }


def _deployment(deployment: Deployment) -> dict[str, object]:
    return {
        "name": deployment.name,
        "replicas": deployment.spec.replicas,
        "available": deployment.available.is_set(),
        **({"reason": deployment.reason} if deployment.reason else {}),
        "pods": [_pod(pod) for pod in deployment.pods],
    }


def _pod(pod: Pod) -> dict[str, object]:
    return {
        "name": pod.name,
        "phase": pod.phase,
        **({"reason": pod.reason} if pod.reason else {}),
        "containers": [_container(run) for run in pod.containers.values()],
    }


def _container(run: ContainerRun) -> dict[str, object]:
    worked = None if run.started is None or run.ended is None else round(run.ended - run.started, 3)
    facts = {
        "name": run.container.name,
        "exitCode": None if run.exit is None else run.exit.code,
        "restarts": run.restarts,
        "seconds": worked,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
