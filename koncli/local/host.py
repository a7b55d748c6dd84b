"""What the containers of a run share, and how one of them becomes a `Launch`: its variables, command line, mounts.

With namespaces the volumes are mounted; without, mount paths are rewritten in command, args, env and working directory.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from koncli.local import isolation
from koncli.local.expand import Identity, Sources, environment, expand
from koncli.local.process import Launch
from koncli.local.rewrite import Rewriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from koncli.local.podspec import Container, PodSpec
    from koncli.local.volumes import PodVolumes, Volumes

_KEPT = ("HOME", "LANG", "TERM")


@dataclass(frozen=True, slots=True)
class Host:
    """The surroundings of every container. `mode` is one of `isolation`'s; `connection`: KONDUCTOR_… variables."""

    mode: str
    search: tuple[str, ...]
    namespace: str
    node: str
    connection: Mapping[str, str]
    sources: Sources
    volumes: Volumes
    inherited: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def base_variables(self) -> dict[str, str]:
        """Return what every program of the run gets: PATH, HOME, LANG, TERM and the connection."""
        kept = {name: self.inherited[name] for name in _KEPT if name in self.inherited}
        path = os.pathsep.join((*self.search, self.inherited.get("PATH", os.defpath)))
        return kept | {"PATH": path, **self.connection}

    def variables(self, container: Container, spec: PodSpec, identity: Identity) -> dict[str, str]:
        """Return the container's environment: clean but for the base, with what the webhook would add."""
        base = self.base_variables() | {
            "HOSTNAME": (spec.hostname or identity.name)[:63],
            "POD_NAME": identity.name,
            "POD_NAMESPACE": identity.namespace,
            "POD_UID": identity.uid,
            "NODE_NAME": identity.node,
        }
        if identity.index is not None:
            base["JOB_COMPLETION_INDEX"] = str(identity.index)
        return environment(container, spec, identity, self.sources, base)

    def launch(self, container: Container, spec: PodSpec, identity: Identity, volumes: PodVolumes) -> Launch:
        """Return what to start for one container. InvalidInput if a volume can't be mounted."""
        variables = self.variables(container, spec, identity)
        argv = [expand(text, variables) for text in (*container.command, *container.args)]
        mounts = volumes.mounts(container, variables)
        label = f"{identity.name}/{container.name}"
        if self.mode != isolation.NONE:
            hostname, stage = variables["HOSTNAME"], str(self.volumes.stage)
            return Launch(argv, variables, container.workdir or "/", self.mode, hostname, mounts, stage, label)
        rewrite = Rewriter({target: source for source, target, _ in mounts})
        given = self.base_variables()
        workdir = rewrite(container.workdir) if container.workdir else str(volumes.workdir(container))
        # PATH and the like are the host's: only what the manifest says is about the container's paths.
        variables = {name: text if given.get(name) == text else rewrite(text) for name, text in variables.items()}
        return Launch([rewrite(text) for text in argv], variables, workdir, label=label)

    def notes(self, specs: Sequence[PodSpec]) -> list[str]:
        """Say what people should know about how volumes are had here; nothing where they are mounted."""
        mounts = [mount for spec in specs for container in spec.containers for mount in container.mounts]
        if self.mode != isolation.NONE or not mounts:
            return []
        paths = sorted({mount.path for mount in mounts})
        become = f"{', '.join(paths)} become directories below {self.volumes.root}"
        notes = [f"volumes are not mounted: in command, args and env {become}"]
        if any(mount.read_only for mount in mounts):
            notes.append("without mounts, read-only volumes can be written to")
        return notes
