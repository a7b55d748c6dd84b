"""Volumes as directories below the run's folder.

claims/<claim>               kept for the run: what one pod writes there, the next one finds
pods/<pod>/<volume>          emptyDir, ConfigMap and Secret volumes, gone with the pod
pods/<pod>/.work/<container> where a program starts that names no working directory (without namespaces)
stage                        empty; each container builds its root on it, in its own mount namespace
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from koncli.local.expand import Sources, expand
from koncli.local.podvolumes import CLAIM, EMPTY, SECRET, Volume, VolumeMount
from konductor_core.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    from koncli.local.isolation import Mount
    from koncli.local.podspec import Container, PodSpec


class Volumes:
    """The directories of one run, below `root`; claims may live elsewhere (`claims`)."""

    def __init__(self, root: Path, sources: Sources) -> None:
        self.root = root
        self._sources = sources
        self.stage = root / "stage"
        self.claims = root / "claims"
        for folder in (self.stage, self.claims, root / "pods"):
            folder.mkdir(parents=True, exist_ok=True)

    def make(self, pod: str, spec: PodSpec) -> PodVolumes:
        """Make the directories of a pod's volumes."""
        folder = self.root / "pods" / pod
        folder.mkdir(mode=0o755)
        return PodVolumes(folder, {name: self._make(folder, volume) for name, volume in spec.volumes.items()})

    def claim(self, name: str) -> Path:
        """Return the directory of a claim, made at its first use."""
        folder = self.claims / name
        folder.mkdir(exist_ok=True)
        return folder

    def _make(self, folder: Path, volume: Volume) -> Path:
        if volume.kind == CLAIM:
            return self.claim(volume.source)
        place = folder / volume.name
        place.mkdir()
        if volume.kind != EMPTY:
            self._write_files(place, volume)
        return place

    def _write_files(self, place: Path, volume: Volume) -> None:
        content = self._sources.keys("secret" if volume.kind == SECRET else "config", volume.source) or {}
        for key, path in (volume.items or {key: key for key in content}).items():
            if key in content:
                file = place / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content[key])
                file.chmod(0o644 if volume.mode is None else volume.mode)


class PodVolumes:
    """The volumes of one pod: name → directory."""

    def __init__(self, folder: Path, directories: dict[str, Path]) -> None:
        self._folder = folder
        self._directories = directories

    def mounts(self, container: Container, variables: dict[str, str]) -> list[Mount]:
        """Return what the container sees where. InvalidInput for a subPath that leads out of its volume."""
        return [
            (str(self._source(mount, container, variables)), mount.path, mount.read_only) for mount in container.mounts
        ]

    def directory(self, name: str) -> Path | None:
        """Return where a volume is, if the pod has it."""
        return self._directories.get(name)

    def workdir(self, container: Container) -> Path:
        """Return a directory of the container's own."""
        folder = self._folder / ".work" / container.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def remove(self) -> None:
        """Delete what goes with the pod; claims stay."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _source(self, mount: VolumeMount, container: Container, variables: dict[str, str]) -> Path:
        directory = self._directories[mount.volume]
        sub_path = expand(mount.sub_path, variables) if mount.expand else mount.sub_path
        source = directory / sub_path
        if not source.resolve().is_relative_to(directory.resolve()):
            raise InvalidInput(f"{container.place}: subPath {sub_path!r} leads out of volume {mount.volume}")
        if not source.exists():
            source.mkdir(parents=True)
        return source
