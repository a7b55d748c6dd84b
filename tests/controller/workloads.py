"""Jobs and deployments on the stage's API, and how they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.controller.api import DEPLOYMENTS, JOBS

if TYPE_CHECKING:
    from tests.controller.stage import Stage

__all__ = ["change_deployment", "change_job", "deployment", "job", "remove_job"]


def ended(state: str) -> dict[str, Any]:
    """Return the status of a job that is Complete or Failed."""
    return {"conditions": [{"type": state, "status": "True"}], "succeeded": int(state == "Complete")}


async def job(stage: Stage, name: str, state: str = "", namespace: str = "etl") -> None:
    """Create a job; without a state it runs."""
    status = ended(state) if state else {"active": 1}
    await stage.api.add(JOBS, name, namespace, spec={"completions": 1}, status=status)


async def change_job(stage: Stage, name: str, state: str, namespace: str = "etl") -> None:
    """Let a job end."""
    await stage.api._send("PATCH", f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}", {"status": ended(state)})


async def remove_job(stage: Stage, name: str, namespace: str = "etl") -> None:
    """Delete a job, as its TTL does."""
    await stage.api._send("DELETE", f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}", None)


def rolled_out(available: int, updated: int, generation: int = 1) -> dict[str, int]:
    """Return the status of a deployment."""
    return {
        "observedGeneration": generation,
        "replicas": updated,
        "updatedReplicas": updated,
        "availableReplicas": available,
    }


async def deployment(stage: Stage, name: str, replicas: int, available: int) -> None:
    """Create a deployment that is rolled out, of whose replicas so many are available."""
    await stage.api.add(
        DEPLOYMENTS, name, "etl", spec={"replicas": replicas}, status=rolled_out(available, updated=replicas)
    )


async def change_deployment(stage: Stage, name: str, available: int, updated: int) -> None:
    """Let a roll-out go on."""
    path = f"/apis/apps/v1/namespaces/etl/deployments/{name}"
    await stage.api._send("PATCH", path, {"status": rolled_out(available, updated)})
