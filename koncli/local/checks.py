"""What can be known to fail before anything starts: missing programs, keys, files, and mounts that can't be had."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from koncli.local import isolation
from koncli.local.expand import Identity, expand, field_value
from koncli.local.podvolumes import CLAIM, CONFIG, EMPTY, SECRET
from koncli.local.rewrite import Rewriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koncli.local.expand import Sources
    from koncli.local.fields import Refusals
    from koncli.local.host import Host
    from koncli.local.podenv import Variable
    from koncli.local.podspec import Container, PodSpec

_NOBODY = Identity("pod", "default", "uid", "node", 0)


def check_sources(pod: PodSpec, sources: Sources, refusals: Refusals) -> None:
    """Refuse references to ConfigMaps, Secrets, keys and fields that can't be had."""
    for volume in pod.volumes.values():
        if volume.kind not in (EMPTY, CLAIM) and not volume.optional:
            source = "secret" if volume.kind == SECRET else "config"
            for key in volume.items or (None,):
                _check_key(sources, (source, volume.source, key), f"{pod.place}: volume {volume.name}", refusals)
    for container in pod.containers:
        for entry in container.env_from:
            if not entry.optional:
                _check_key(sources, (entry.source, entry.name, None), f"{container.place}.envFrom", refusals)
        for variable in container.env:
            _check_variable(variable, pod, sources, f"{container.place}.env[{variable.name}]", refusals)


def _check_variable(variable: Variable, pod: PodSpec, sources: Sources, where: str, refusals: Refusals) -> None:
    reference = variable.reference
    if reference is None or reference.optional:
        return
    if reference.source != "field":
        _check_key(sources, (reference.source, reference.name, reference.key), where, refusals)
    elif field_value(reference.name, _NOBODY, pod) is None:
        refusals.refuse(where, f"the field {reference.name!r} can't be had here")


def _check_key(sources: Sources, wanted: tuple[str, str, str | None], where: str, refusals: Refusals) -> None:
    source, name, key = wanted
    content = sources.keys(source, name)
    if content is None:
        refusals.refuse(where, f"{'Secret' if source == 'secret' else 'ConfigMap'} {name} is not among the manifests")
    elif key is not None and key not in content:
        refusals.refuse(where, f"{name} has no key {key!r}")


def check_containers(pod: PodSpec, host: Host, refusals: Refusals) -> None:
    """Refuse containers whose program or working directory is not there, or whose mounts can't be redirected."""
    for container in pod.containers:
        variables = host.variables(container, pod, _NOBODY)
        _check_program(container, variables, refusals)
        if host.mode == isolation.NONE:
            _check_mounts(container, variables, refusals)
            _check_files(container, pod, host.sources, refusals)


def _check_program(container: Container, variables: Mapping[str, str], refusals: Refusals) -> None:
    program, search = expand(container.command[0], variables), variables["PATH"]
    mounted = tuple(f"{mount.path}/" for mount in container.mounts)
    if program.startswith(mounted) or any(f"{folder}/".startswith(mounted) for folder in search.split(os.pathsep)):
        return  # it may come from a volume
    if shutil.which(program, path=search) is None:
        where = "is not there" if "/" in program else "is not on the path: add its folder with --path DIR"
        refusals.refuse(f"{container.place}.command", f"the program {program} {where} (images are not pulled here)")


def _check_mounts(container: Container, variables: Mapping[str, str], refusals: Refusals) -> None:
    """Refuse a mount path that stands nowhere in the container: its program would use the host's."""
    mounts = {mount.path: mount.volume for mount in container.mounts}
    rewriter = Rewriter({path: path for path in mounts})
    own = (variables.get(each.name, "") for each in container.env)
    for text in (*container.command, *container.args, container.workdir, *own):
        rewriter(expand(text, variables))
    for path, volume in mounts.items():
        if path not in rewriter.used:
            refusals.refuse(
                container.place,
                f"volume {volume} is mounted at {path}, which neither command, args nor env mention; "
                "without mounts only what they mention can be redirected: pass the path to the program",
            )
    inside = f"{container.workdir}/".startswith(tuple(f"{path}/" for path in mounts))
    if container.workdir and not inside and not Path(container.workdir).is_dir():
        refusals.refuse(
            f"{container.place}.workingDir", f"{container.workdir} is not there, nor can it be without mounts"
        )


def _check_files(container: Container, pod: PodSpec, sources: Sources, refusals: Refusals) -> None:
    """Refuse a mounted ConfigMap that mentions a mount path: its text is used as it is."""
    paths = {mount.path: mount.path for mount in container.mounts}
    for mount in container.mounts:
        volume = pod.volumes[mount.volume]
        content = sources.keys("config", volume.source) if volume.kind == CONFIG else None
        for key, data in (content or {}).items():
            rewriter = Rewriter(paths)
            rewriter(data.decode(errors="replace"))
            for path in sorted(rewriter.used):
                refusals.refuse(
                    container.place,
                    f"ConfigMap {volume.source} mentions {path} in {key}, which can't be redirected without mounts",
                )
