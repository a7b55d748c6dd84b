"""A pod's volumes and where its containers mount them, as the manifest says it."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from konductor_core.identity import check_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from koncli.local.fields import Fields

EMPTY, CLAIM, CONFIG, SECRET = "emptyDir", "persistentVolumeClaim", "configMap", "secret"

_UNSUPPORTED = {
    "hostPath": "a pod's programs would write to this machine; use an emptyDir or a PersistentVolumeClaim",
    "projected": "projected volumes can't be had here",
    "downwardAPI": "downward API files can't be had here; env with fieldRef can",
    "ephemeral": "ephemeral claims can't be had here; use an emptyDir",
}


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume: the manifest's `kind`; `source` names the claim, ConfigMap or Secret; `items` is key → path."""

    name: str
    kind: str
    source: str = ""
    items: Mapping[str, str] | None = None
    optional: bool = False
    read_only: bool = False
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class VolumeMount:
    """`volume` appears at the absolute `path`; `expand`: whether to replace `$(NAME)` in the relative `sub_path`."""

    volume: str
    path: str
    sub_path: str = ""
    expand: bool = False
    read_only: bool = False


def read_volumes(spec: Fields) -> Iterator[Volume]:
    """Read each volume of a pod's spec."""
    for fields in spec.children("volumes"):
        yield _read_volume(fields)


def _read_volume(fields: Fields) -> Volume:
    name = fields.name(check=check_namespace)  # a label, as namespaces are
    if EMPTY in fields or not any(kind in fields for kind in (CLAIM, CONFIG, SECRET, *_UNSUPPORTED)):
        fields.ignore(EMPTY, note=False)
        fields.done()
        return Volume(name, EMPTY)
    fields.unsupported(_UNSUPPORTED)
    volume = Volume(name, EMPTY)  # what was just refused goes on as this, so that its mounts aren't refused once more
    if CLAIM in fields:
        claim = fields.child(CLAIM)
        volume = Volume(name, CLAIM, claim.name("claimName"), read_only=claim.flag("readOnly"))
        claim.done()
    for kind, named in ((CONFIG, "name"), (SECRET, "secretName")):
        if kind in fields:
            volume = _read_files(name, kind, named, fields.child(kind))
    fields.ignore(CLAIM, CONFIG, SECRET, note=False)
    fields.done()
    return volume


def _read_files(name: str, kind: str, named: str, fields: Fields) -> Volume:
    items = None
    if "items" in fields:
        items = {}
        for item in fields.children("items"):
            items[item.text("key")] = _relative(item, "path")
            item.ignore("mode", note=False)
            item.done()
    fields.ignore("items", note=False)
    volume = Volume(
        name, kind, fields.name(named), items, fields.flag("optional"), read_only=True, mode=fields.whole("defaultMode")
    )
    fields.done()
    return volume


def read_mounts(container: Fields, volumes: Mapping[str, Volume]) -> tuple[VolumeMount, ...]:
    """Return the container's `volumeMounts`; a mount of an unknown volume is refused."""
    mounts = []
    for fields in container.children("volumeMounts"):
        volume, path = fields.text("name"), fields.text("mountPath")
        if volume not in volumes:
            fields.refuse("name", f"the pod has no volume called {volume!r}")
        if not path.startswith("/") or posixpath.normpath(path) == "/":
            fields.refuse("mountPath", f"{path!r} is not an absolute path below /")
            path = "/refused"
        expand = "subPathExpr" in fields
        sub_path = _relative(fields, "subPathExpr" if expand else "subPath")
        fields.ignore("subPath", "subPathExpr", "recursiveReadOnly", note=False)
        fields.unsupported({"mountPropagation": "mounts don't propagate here"})
        read_only = fields.flag("readOnly") or (volume in volumes and volumes[volume].read_only)
        mounts.append(VolumeMount(volume, posixpath.normpath(path), sub_path, expand, read_only))
        fields.done()
    _refuse_twice(container, mounts)
    return tuple(mounts)


def _refuse_twice(container: Fields, mounts: list[VolumeMount]) -> None:
    paths = [mount.path for mount in mounts]
    for path in {path for path in paths if paths.count(path) > 1}:
        container.refuse("volumeMounts", f"{path} is mounted twice")


def _relative(fields: Fields, name: str) -> str:
    """Return a path that stays inside its volume, normalised; empty where absent."""
    path = fields.text(name)
    if path.startswith("/") or ".." in path.split("/"):
        fields.refuse(name, f"{path!r} leads out of the volume")
        return ""
    return posixpath.normpath(path) if path else ""
