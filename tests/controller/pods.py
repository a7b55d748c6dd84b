"""Pods on the stage's API, and what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from konductor_core.flows import permits
from konductor_core.identity import Kind, Owner
from konductor_core.keys import ObjectKeys
from tests.controller.api import JOBS, PODS

if TYPE_CHECKING:
    from konductor_core.flows.permits import Grant
    from tests.controller.stage import Stage

__all__ = ["acquire", "delete", "end", "job", "new", "uid_of"]


def uid_of(stage: Stage, name: str) -> str:
    found = stage.api.get_object(PODS, "etl", name)
    assert found is not None, f"there is no pod {name}"
    return str(found["metadata"]["uid"])


async def new(stage: Stage, name: str, phase: str = "Running", **body: Any) -> str:
    """Create a pod in the namespace `etl`; returns its uid."""
    await stage.api.add(PODS, name, "etl", **{"spec": {}, "status": {"phase": phase}, **body})
    return uid_of(stage, name)


async def end(stage: Stage, name: str, phase: str = "Succeeded", finished: str = "") -> None:
    """Let a pod end; `finished` is the moment that its container has for that, RFC 3339."""
    status: dict[str, Any] = {"phase": phase}
    if finished:
        status["containerStatuses"] = [{"state": {"terminated": {"finishedAt": finished}}}]
    await stage.api._send("PATCH", f"/api/v1/namespaces/etl/pods/{name}", {"status": status})


async def delete(stage: Stage, name: str) -> None:
    await stage.api._send("DELETE", f"/api/v1/namespaces/etl/pods/{name}", None)


async def job(stage: Stage, name: str, completions: int | None) -> dict[str, Any]:
    """Create a Job; returns the owner reference of its pods."""
    spec = {} if completions is None else {"completions": completions}
    await stage.api.add(JOBS, name, "etl", spec=spec)
    found = stage.api.get_object(JOBS, "etl", name)
    assert found is not None
    return {"kind": "Job", "name": name, "uid": found["metadata"]["uid"], "controller": True}


async def acquire(
    stage: Stage,
    holder: str,
    *,
    pod: str = "",
    uid: str = "",
    name: str = "s",
    ttl_ms: int = 600_000,
    wait: bool = False,
) -> Grant:
    """Acquire one permit of the semaphore `s` as a process in a pod does."""
    keys = ObjectKeys("etl", Kind.SEMAPHORE, "s")
    ask = permits.Ask((keys,), (1,), holder, ttl_ms=ttl_ms, owner=Owner(pod, uid, ""))
    return await stage.konductor.driver.run(permits.acquire(ask, None if wait else 0))
