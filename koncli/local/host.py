"""What the containers of a run share, and how one of them becomes a `Launch`: its variables, command line, mounts.

With namespaces the volumes are mounted; without, mount paths are rewritten in command, args, env and working directory.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from koncli.local import isolation
from koncli.local.expand import Identity, Sources, environment, expand
from koncli.local.process import Launch
from koncli.local.rewrite import Rewriter, refuse_unmentioned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from koncli.local.fields import Refusals
    from koncli.local.podspec import Container, PodSpec
    from koncli.local.volumes import PodVolumes, Volumes

_KEPT = ("HOME", "LANG", "TERM")


@dataclass(frozen=True, slots=True)
class Host:
    """The surroundings of every container. `mode` is one of `isolation`'s; `connection` are the KONDUCTOR_… variables."""

    mode: str
    search: tuple[str, ...]
    namespace: str
    node: str
    connection: Mapping[str, str]
    sources: Sources
    volumes: Volumes
    inherited: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def base_variables(self) -> dict[str, str]:
        """What every program of the run gets: PATH, HOME, LANG, TERM and the connection."""
        kept = {name: self.inherited[name] for name in _KEPT if name in self.inherited}
        path = os.pathsep.join((*self.search, self.inherited.get("PATH", os.defpath)))
        return kept | {"PATH": path, **self.connection}

    def variables(self, container: Container, spec: PodSpec, identity: Identity) -> dict[str, str]:
        """The container's environment: clean but for PATH, HOME, LANG and TERM, with what the webhook would add."""
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
        if self.mode != isolation.NONE:
            return Launch(
                argv,
                variables,
                container.workdir or "/",
                self.mode,
                variables["HOSTNAME"],
                mounts,
                str(self.volumes.stage),
            )
        rewrite = Rewriter({mount.target: mount.source for mount in mounts})
        workdir = rewrite(container.workdir) if container.workdir else str(volumes.workdir(container))
        variables = {name: rewrite(value) for name, value in variables.items()}
        return Launch([rewrite(text) for text in argv], variables, workdir)

    def check(self, spec: PodSpec, refusals: Refusals) -> None:
        """Refuse containers whose program or working directory is not there, or whose mounts can't be redirected."""
        identity = Identity("pod", self.namespace, "uid", self.node, 0)
        for container in spec.containers:
            variables = self.variables(container, spec, identity)
            self._check_program(container, expand(container.command[0], variables), variables, refusals)
            if self.mode == isolation.NONE:
                self._check_rewriting(container, spec, variables, refusals)

    def notes(self, specs: Sequence[PodSpec]) -> list[str]:
        """What people should know about how volumes are had here; nothing where they are mounted."""
        mounts = [mount for spec in specs for container in spec.containers for mount in container.mounts]
        if self.mode != isolation.NONE or not mounts:
            return []
        paths = sorted({mount.path for mount in mounts})
        notes = [
            f"no mounts here: in command, args and env {', '.join(paths)} become directories below {self.volumes.root}"
        ]
        if any(mount.read_only for mount in mounts):
            notes.append("read-only mounts can be written to here")
        return notes

    def _check_program(
        self, container: Container, program: str, variables: Mapping[str, str], refusals: Refusals
    ) -> None:
        mounted = tuple(mount.path + "/" for mount in container.mounts)
        search = variables["PATH"]
        if program.startswith(mounted) or any(f"{folder}/".startswith(mounted) for folder in search.split(os.pathsep)):
            return  # it may come from a volume
        if shutil.which(program, path=search) is None:
            where = "is not there" if "/" in program else "is not on the path: add its folder with --path DIR"
            refusals.refuse(f"{container.place}.command", f"the program {program} {where} (images are not pulled here)")

    def _check_rewriting(
        self, container: Container, spec: PodSpec, variables: Mapping[str, str], refusals: Refusals
    ) -> None:
        rewriter = Rewriter({mount.path: mount.path for mount in container.mounts})
        own = [variables[each.name] for each in container.env if each.name in variables]
        for text in (*container.command, *container.args, container.workdir, *own):
            rewriter(expand(text, variables))
        names = {mount.path: mount.volume for mount in container.mounts}
        refuse_unmentioned(rewriter, lambda why: refusals.refuse(container.place, why), names)
        workdir = rewriter(container.workdir)
        if container.workdir and workdir not in names and not os.path.isdir(workdir):  # noqa: PTH112 - a container's path
            if not workdir.startswith(tuple(f"{path}/" for path in names)):
                refusals.refuse(
                    f"{container.place}.workingDir", f"{workdir} is not there, and can't be made without namespaces"
                )
        self._check_files(container, spec, names, refusals)

    def _check_files(self, container: Container, spec: PodSpec, names: Mapping[str, str], refusals: Refusals) -> None:
        """A mounted ConfigMap's text is used as it is: refuse one that mentions a mount path."""
        for mount in container.mounts:
            volume = spec.volumes[mount.volume]
            for key, content in (
                (self.sources.configs.get(volume.source) or {}).items() if volume.kind == "configMap" else ()
            ):
                finder = Rewriter({path: path for path in names})
                finder(content.decode(errors="replace"))
                for path in sorted(finder.used):
                    refusals.refuse(
                        container.place,
                        f"ConfigMap {volume.source} mentions {path} in {key}; without namespaces that can't be redirected",
                    )
