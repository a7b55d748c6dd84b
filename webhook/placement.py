"""Where added containers stand among the pod's own, also in a pod that was injected before.

A container is ours by its name and its content, not by any mark: what another webhook has added to it since stays,
what is missing comes back, and what the pod no longer asks for goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from konductor_core.annotations import RUN_DIRECTORY
from konductor_core.errors import InvalidInput, quoted
from webhook.containers import PREFIX, PROGRAM, VOLUME, VOLUME_NAME
from webhook.shapes import items, named, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from webhook.shapes import Json

__all__ = ["place", "with_mount", "with_volume"]

_ESSENTIAL: Final = ("command", "args", "restartPolicy", "startupProbe")
"""What makes an added container do its work: never left as another webhook would have it."""

_MERGED: Final = {"env": "name", "volumeMounts": "mountPath"}
"""Lists whose entries are ours or another's, and what tells them apart."""


def place(spec: Json, before: Sequence[Json], after: Sequence[Json], first: Sequence[str]) -> list[Json]:
    """Return the init containers: those named in `first`, then `before`, the pod's own, and `after`.

    Raises `InvalidInput` if a container of the pod's own has a name that Konductor uses.
    """
    ours = {container["name"]: container for container in (*before, *after)}
    present: dict[str, Json] = {}
    own: list[Json] = []
    for container in named(spec, "initContainers", "spec."):
        if not _is_ours(container):
            _refuse_name(container, ours)
            own.append(container)
        elif container["name"] in ours:
            present[container["name"]] = container
    for container in named(spec, "containers", "spec."):
        _refuse_name(container, ours)

    def settled(containers: Sequence[Json]) -> list[Json]:
        return [completed(present.get(each["name"]), each) for each in containers]

    return [
        *(container for container in own if container["name"] in first),
        *settled(before),
        *(container for container in own if container["name"] not in first),
        *settled(after),
    ]


def _is_ours(container: Json) -> bool:
    """Tell whether Konductor added it. Some webhooks put a program of theirs before a container's own."""
    path = "spec.initContainers."
    program = [*words(container, "command", path), *words(container, "args", path)]
    mounts = [mount.get("name") for mount in items(container, "volumeMounts", path)]
    return str(container["name"]).startswith(PREFIX) and PROGRAM in program and VOLUME_NAME in mounts


def _refuse_name(container: Json, ours: Mapping[str, Json]) -> None:
    if container["name"] in ours:
        raise InvalidInput(f"container {quoted(container['name'])} has a name that Konductor uses: give it another")


def completed(present: Json | None, ours: Json) -> Json:
    """Return `present` with all that `ours` needs; equal to `present` if it had that already."""
    if present is None:
        return ours
    essential = {key: _settled(present.get(key), ours[key]) for key in _ESSENTIAL if key in ours}
    merged = {key: _merged(named(present, key, by=by), ours[key], by) for key, by in _MERGED.items()}
    return {**ours, **present, **essential, **merged}


def _merged(present: list[Json], ours: list[Json], by: str) -> list[Json]:
    """Return the entries of both, ours where both have one."""
    wanted = {entry[by]: entry for entry in ours}
    names = [entry.get(by) for entry in present]
    kept = [
        _settled(entry, wanted[name]) if name in wanted else entry for name, entry in zip(names, present, strict=True)
    ]
    return [*kept, *(entry for entry in ours if entry[by] not in names)]


def _settled(present: Any, ours: Any) -> Any:  # noqa: ANN401 - any value of a manifest
    """Return `present` if it says all that `ours` does: the API server fills in defaults between two calls."""
    return present if _says(present, ours) else ours


def _says(present: object, ours: object) -> bool:
    if isinstance(ours, Mapping) and isinstance(present, Mapping):
        return all(key in present and _says(present[key], value) for key, value in ours.items())
    return present == ours


def with_volume(volumes: list[Json]) -> list[Json]:
    """Return the pod's volumes with the shared one, in memory."""
    if not any(volume["name"] == VOLUME_NAME for volume in volumes):
        return [*volumes, VOLUME]
    return [_settled(volume, VOLUME) if volume["name"] == VOLUME_NAME else volume for volume in volumes]


def with_mount(container: Json) -> Json:
    """Return a container of the pod's own that sees the shared volume, read-only."""
    mounts = items(container, "volumeMounts", "spec.containers.")
    if any(str(mount.get("mountPath")).rstrip("/") == RUN_DIRECTORY for mount in mounts):
        return container
    return {**container, "volumeMounts": [*mounts, {"name": VOLUME_NAME, "mountPath": RUN_DIRECTORY, "readOnly": True}]}
